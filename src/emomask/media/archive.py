"""The files of a folder or of a zip file, by name."""

import zipfile
import zlib
from pathlib import Path
from typing import List

import cv2
import numpy as np

from emomask.errors import DataError, first_line


class Archive:
    """The folder or zip file ``path``. Raises DataError when it is neither; so do its methods when a file is missing.

    Names of files in folders of a zip, or of a folder, have ``/`` between the parts.
    """

    def __init__(self, path):
        self.path = Path(path)
        self._zip = None
        if self.path.is_file():
            try:
                self._zip = zipfile.ZipFile(str(self.path))
            except (OSError, zipfile.BadZipFile) as error:
                raise DataError(
                    "%s is neither a folder nor a zip file that can be read (%s)." % (path, first_line(error))
                ) from error
        elif not self.path.is_dir():
            raise DataError("No such file or folder: %s" % path)

    def names(self) -> List[str]:
        """The files at the top of a folder, or all of a zip file, sorted."""
        return sorted(self._zip.namelist() if self._zip else (entry.name for entry in self.path.iterdir()))

    def read(self, name: str) -> bytes:
        """The bytes of a file."""
        try:
            return self._zip.read(name) if self._zip else (self.path / name).read_bytes()
        except (OSError, KeyError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
            raise DataError("%s in %s cannot be read (%s)." % (name, self.path, first_line(error))) from error

    def picture(self, name: str) -> np.ndarray:
        """A picture, uint8 ``(H, W, 3)`` BGR; DataError, too, when it is none that OpenCV can decode."""
        data = np.frombuffer(self.read(name), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
        if image is None:
            raise DataError(
                "%s in %s is not a picture, or is damaged: restore it, or remove its row." % (name, self.path)
            )
        return image
