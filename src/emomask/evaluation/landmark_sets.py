"""Pictures with 68 hand-made points: iBUG's folders of photos and .pts files, and the crops of ``landmarks68``."""

import os
import zipfile
from pathlib import Path
from typing import Iterator, NamedTuple

import cv2
import numpy as np

from emomask.errors import DataError
from emomask.training.landmarks68 import crops_in_color, is_validation

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")
SPLITS = ("validation", "all")
LANDMARKS = 68


class AnnotatedFace(NamedTuple):
    """A picture (uint8 H x W x 3 BGR), its name, and the points of one face in it.

    ``points``: ``(68, 2)`` float32 pixels, iBUG order; 0, 0 is the middle of the left top pixel.
    """

    name: str
    image: np.ndarray
    points: np.ndarray


def read_annotated_faces(path, split="validation", prefix="") -> Iterator[AnnotatedFace]:
    """The faces of a folder of photos and .pts files, or of a zip or folder with ``landmarks.csv``, one at a time.

    A folder without ``landmarks.csv`` is searched, with all folders below it, for ``NAME.pts`` beside ``NAME.jpg`` (or
    another of ``PICTURES``); all of them are taken. Of crops, ``split`` says which: ``validation``, see
    ``is_validation``, or ``all``. ``prefix``: what the names (of files, without their folders) must begin with.

    Raises DataError when the data is missing or damaged, and when nothing is left.
    """
    path = Path(path)
    if path.is_dir() and not (path / "landmarks.csv").is_file():
        faces = _photos(path, prefix)
    elif path.is_dir() or zipfile.is_zipfile(path) or not path.exists():
        faces = _crops(path, split, prefix)
    else:
        raise DataError(
            "%s is no set of faces with points: name a folder of photos and .pts files, or a zip or folder with "
            "landmarks.csv." % path
        )
    found = False
    for face in faces:
        found = True
        yield face
    if not found:
        wanted = " whose name begins with %r" % prefix if prefix else ""
        raise DataError("%s has no .pts files, and no %s crops in a landmarks.csv,%s." % (path, split, wanted))


def _crops(path: Path, split: str, prefix: str) -> Iterator[AnnotatedFace]:
    def wanted(name):
        return name.startswith(prefix) and (split == "all" or is_validation(name))

    for name, image, points in crops_in_color(path, wanted):
        yield AnnotatedFace(name, image, points)


def _photos(folder: Path, prefix: str) -> Iterator[AnnotatedFace]:
    for file in sorted(folder.rglob("*.pts")):
        if not file.name.startswith(prefix):
            continue
        points = read_pts(file)
        photo = _photo_of(file)
        image = cv2.imdecode(np.fromfile(str(photo), np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if image is None:
            raise DataError("%s is not a picture that OpenCV can read." % photo)
        yield AnnotatedFace(str(photo.relative_to(folder)), image, points)


def _photo_of(file: Path) -> Path:
    beside = {name.lower(): name for name in os.listdir(str(file.parent))}
    for ending in PICTURES:
        name = beside.get((file.stem + ending).lower())
        if name:
            return file.with_name(name)
    raise DataError("%s has no picture beside it: %s with one of %s." % (file, file.stem, ", ".join(PICTURES)))


def read_pts(path) -> np.ndarray:
    """The points of one of iBUG's .pts files as ``(68, 2)`` float32 pixels, 0-based.

    The file counts pixels from 1, as Matlab does::

        version: 1
        n_points: 68
        {
        100.5 200.25
        ...
        }

    Raises DataError when it cannot be read, is damaged, or holds another number of points.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="ascii")
        body = text[text.index("{") + 1 : text.index("}")]
        points = np.array([line.split() for line in body.strip().splitlines()], np.float32).reshape(-1, 2)
    except (OSError, ValueError) as error:
        raise DataError("%s is not a .pts file of points in { }, one 'x y' a line: %s" % (path, error)) from error
    if len(points) != LANDMARKS or not np.isfinite(points).all():
        raise DataError("%s holds %d points; %d finite ones are needed (iBUG order)." % (path, len(points), LANDMARKS))
    return points - 1
