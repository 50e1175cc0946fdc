"""Face crops with 68 points: a zip or folder of pictures and one ``landmarks.csv``."""

import csv
import io
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from emomask.errors import DataError

SIDE = 192  # pixels to which every crop is brought; the crops show twice the face, so a face has about 96 of them
HAND_MADE = ("helen_", "afw_")
VALIDATION_SHARE = 8  # one photo in eight


@dataclass(frozen=True)
class LandmarkCrops:
    """Pictures ``(N, 192, 192)`` uint8 grey and points ``(N, 68, 2)`` float32 in pixels of these pictures."""

    names: np.ndarray
    images: np.ndarray
    points: np.ndarray

    def select(self, mask) -> "LandmarkCrops":
        """The rows at which the boolean or index array ``mask`` points."""
        return LandmarkCrops(self.names[mask], self.images[mask], self.points[mask])

    def __len__(self) -> int:
        return len(self.names)


def _reader(path: Path):
    if path.is_dir():
        return lambda name: (path / name).read_bytes()
    if not path.is_file():
        raise DataError("No such file or folder: %s" % path)
    try:
        return zipfile.ZipFile(path).read
    except zipfile.BadZipFile as error:
        raise DataError("%s is not a zip file: %s" % (path, error)) from error


def read_landmarks68(path) -> LandmarkCrops:
    """Read a zip or folder with ``landmarks.csv`` (image, side, x0, y0, ..., x67, y67; pixels, 0-based).

    Raises DataError when the table or a picture is missing or damaged.
    """
    path = Path(path)
    read = _reader(path)
    names, images, points = [], [], []
    try:
        rows = csv.reader(io.StringIO(read("landmarks.csv").decode("utf-8")))
        next(rows)
        for row in rows:
            image = cv2.imdecode(np.frombuffer(read(row[0]), np.uint8), cv2.IMREAD_GRAYSCALE)
            if image is None:
                raise DataError("%s: %s is not a picture." % (path, row[0]))
            scale = SIDE / image.shape[0]
            # Pixel centres: (x + 0.5) * scale - 0.5 keeps a point on the same spot of the resized picture.
            points.append((np.array(row[2:138], np.float32).reshape(68, 2) + 0.5) * scale - 0.5)
            images.append(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA))
            names.append(row[0])
    except (KeyError, FileNotFoundError, StopIteration, ValueError, IndexError) as error:
        raise DataError("%s is not a set of 68-point crops: %s" % (path, error)) from error
    return LandmarkCrops(np.array(names), np.stack(images), np.stack(points))


def is_validation(name: str) -> bool:
    """The fixed rule: a hand-made crop whose photo's name has a CRC-32 divisible by eight is never trained on."""
    photo = name.rsplit("_", 1)[0]
    return name.startswith(HAND_MADE) and zlib.crc32(photo.encode()) % VALIDATION_SHARE == 0
