"""What holds for every file that is written: never over its input, and under its own name only when it is whole."""

import contextlib
import errno
import glob
import os
from pathlib import Path
from typing import Optional, Union

from emomask.errors import SinkError
from emomask.media.address import one_line


def check_is_not_input(source: Union[str, Path], output: Union[str, Path]) -> None:
    """Raise SinkError when ``output`` is the file ``source`` itself, by whatever name."""
    if os.path.exists(source) and os.path.exists(output) and os.path.samefile(source, output):
        raise SinkError("The output is the input itself (%s); name another file." % output)


def unfinished(path: Path) -> Path:
    """Where this process writes ``path`` until it is whole: hidden, beside it, so that it can be renamed."""
    return path.with_name(".%s.%d.part" % (path.name, os.getpid()))


def remove_unfinished(path: Path) -> None:
    """Remove what processes that died have left of ``path``."""
    for part in path.parent.glob(".%s.*.part" % glob.escape(path.name)):
        with contextlib.suppress(OSError):
            part.unlink()


def unwritable(what: str, error: Exception, folder: Optional[Path] = None) -> SinkError:
    """The error to raise, in one line that says what to do, when ``error`` kept ``what`` from being written.

    ``folder``: where it was to be written; None for a stream.
    """
    code = getattr(error, "errno", None)
    if folder is not None and not folder.is_dir():
        reason = "there is no folder %s; create it" % folder
    elif code in (errno.ENOSPC, errno.EDQUOT):
        reason = "the disk is full; make room or choose another one"
    elif code in (errno.EACCES, errno.EPERM, errno.EROFS):
        reason = "permission denied; choose a folder in which you may write"
    else:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return SinkError(one_line("%s cannot be written: %s." % (what, reason)))
