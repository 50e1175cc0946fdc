"""A folder for visitors' videos that nobody else can look into, and of which nothing is left."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import IO, Iterator, Optional

_PREFIX = "emomask-web-"
_LOCK = "lock"


class PrivateFolder:
    """A new folder with a lock in it, mode 0700, in the system's folder for temporary files, or in ``parent``.

    What servers that were killed have left there is removed first: their locks are free.

    Attributes
    ----------
    path: the folder.
    """

    def __init__(self, parent: Optional[Path] = None):
        parent = Path(parent or tempfile.gettempdir())
        for left in _abandoned(parent):
            shutil.rmtree(str(left), ignore_errors=True)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=str(parent)))
        self._lock = _locked(self.path)

    def close(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(str(self.path), ignore_errors=True)
        self._lock.close()


def _locked(folder: Path) -> IO[bytes]:
    lock = open(str(folder / _LOCK), "wb")
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return lock


def _abandoned(parent: Path) -> Iterator[Path]:
    for folder in parent.glob(_PREFIX + "*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or os.lstat(str(folder)).st_uid != os.getuid():
                continue
            with open(str(folder / _LOCK), "rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield folder
