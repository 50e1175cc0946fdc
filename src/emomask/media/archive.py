"""The files of a folder or of a zip file, by name."""

import zipfile
import zlib
from pathlib import Path
from typing import Callable

from emomask.errors import DataError


def reader_of(path) -> Callable[[str], bytes]:
    """What gives the bytes of a file in the folder or zip file ``path``, by its name with ``/`` between folders.

    Raises DataError when ``path`` is neither; so does the function it returns when the file cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        read = _from_folder(path)
    elif path.is_file():
        try:
            read = zipfile.ZipFile(path).read
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError("%s is neither a folder nor a zip file: %s" % (path, error)) from error
    else:
        raise DataError("No such file or folder: %s" % path)

    def read_or_tell(name: str) -> bytes:
        try:
            return read(name)
        except (OSError, KeyError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
            raise DataError("%s in %s cannot be read: %s" % (name, path, error)) from error

    return read_or_tell


def _from_folder(folder: Path) -> Callable[[str], bytes]:
    return lambda name: (folder / name).read_bytes()
