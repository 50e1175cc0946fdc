"""Face crops with 68 points: a zip or folder of pictures and one ``landmarks.csv``."""

import csv
import io
import zlib
from dataclasses import dataclass
from typing import Iterator, Tuple

import cv2
import numpy as np

from emomask.errors import DataError
from emomask.media.archive import Archive

SIDE = 256  # pixels to which every crop is brought; the crops show twice the face, so a face has about 128 of them
HAND_MADE = ("helen_", "afw_")
VALIDATION_SHARE = 8  # one photo in eight


@dataclass(frozen=True)
class LandmarkCrops:
    """Pictures ``(N, 256, 256)`` uint8 grey and points ``(N, 68, 2)`` float32 in pixels of these pictures."""

    names: np.ndarray
    images: np.ndarray
    points: np.ndarray

    def select(self, mask) -> "LandmarkCrops":
        """The rows at which the boolean or index array ``mask`` points."""
        return LandmarkCrops(self.names[mask], self.images[mask], self.points[mask])

    def __len__(self) -> int:
        return len(self.names)


def crops_in_color(path, wanted) -> Iterator[Tuple[str, np.ndarray, np.ndarray]]:
    """Name, picture (uint8 H x W x 3 BGR) and points (``(68, 2)`` float32 pixels) of each crop of a zip or folder.

    The table ``landmarks.csv`` has the columns image, side, x0, y0, ..., x67, y67 (pixels, 0-based); ``wanted`` tells
    by its name whether a crop is read. Raises DataError when the table or a picture is missing or damaged.
    """
    archive = Archive(path)
    try:
        rows = csv.reader(io.StringIO(archive.read("landmarks.csv").decode("utf-8")))
        next(rows)
        for row in rows:
            if wanted(row[0]):
                yield row[0], archive.picture(row[0]), np.array(row[2:138], np.float32).reshape(68, 2)
    except (DataError, StopIteration, ValueError, IndexError) as error:
        raise DataError("%s is not a set of 68-point crops: %s" % (path, error)) from error


def read_landmarks68(path) -> LandmarkCrops:
    """All crops of a zip or folder (see ``crops_in_color``), grey and of one size. Raises DataError likewise."""
    names, images, points = [], [], []
    for name, image, truth in crops_in_color(path, lambda name: True):
        scale = SIDE / image.shape[0]
        # Pixel centres: (x + 0.5) * scale - 0.5 keeps a point on the same spot of the resized picture.
        points.append((truth + 0.5) * scale - 0.5)
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        images.append(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA))
        names.append(name)
    if not names:
        raise DataError("%s holds no crops." % path)
    return LandmarkCrops(np.array(names), np.stack(images), np.stack(points))


def is_validation(name: str) -> bool:
    """The fixed rule: a hand-made crop whose photo's name has a CRC-32 divisible by eight is never trained on."""
    photo = name.rsplit("_", 1)[0]
    return name.startswith(HAND_MADE) and zlib.crc32(photo.encode()) % VALIDATION_SHARE == 0
