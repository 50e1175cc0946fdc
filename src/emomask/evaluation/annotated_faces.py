"""Pictures with annotated faces: a zip or a folder, and a table of ellipses or boxes."""

import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List

import numpy as np

from emomask.errors import DataError, first_line
from emomask.faces import Box
from emomask.media.archive import Archive

IMAGE = "image"
# The columns by which a face may be given, pixels throughout. An ellipse is FDDB's (Jain and Learned-Miller, 2010): its
# half axes, the angle of the major one in radians, clockwise as seen, and its centre.
ELLIPSE = ("major_radius", "minor_radius", "angle_rad", "center_x", "center_y")
CORNERS = ("left", "top", "right", "bottom")
CORNER_AND_SIZE = ("x", "y", "width", "height")
ELLIPSE_POINTS = 72  # of the polygon that stands for an ellipse; it has 0.1 % less area


@dataclass(frozen=True)
class AnnotatedFace:
    """Where a face is: ``outline``, the corners of a convex polygon, float64 ``(N, 2)`` pixels of the picture."""

    outline: np.ndarray

    @property
    def box(self) -> Box:
        """The smallest upright box around the outline."""
        return Box.around(self.outline)

    @property
    def size(self) -> float:
        """The longer side of ``box`` in pixels."""
        return max(self.box.width, self.box.height)

    def moved(self, matrix: np.ndarray) -> "AnnotatedFace":
        """The face in a picture that was warped by the ``(2, 3)`` affine ``matrix``."""
        return AnnotatedFace(self.outline @ matrix[:, :2].T + matrix[:, 2])

    def mask(self, height: int, width: int) -> np.ndarray:
        """Boolean ``(height, width)``: the pixels whose centres lie inside; none for a face outside of the picture."""
        mask = np.zeros((height, width), bool)
        around = self.box
        left, top = max(0, math.floor(around.left)), max(0, math.floor(around.top))
        rows, columns = np.ogrid[
            top : max(top, min(height, math.ceil(around.bottom) + 1)),
            left : max(left, min(width, math.ceil(around.right) + 1)),
        ]
        ends = np.roll(self.outline, -1, axis=0)
        sides = ends - self.outline
        # Twice the outline's area, signed by its direction: inside lies on the same side of each of its edges.
        turn = np.sign(np.sum(self.outline[:, 0] * ends[:, 1] - ends[:, 0] * self.outline[:, 1]))
        inside = np.ones(np.broadcast(rows, columns).shape, bool)
        for (x, y), (dx, dy) in zip(self.outline, sides):
            inside &= turn * (dx * (rows - y) - dy * (columns - x)) >= 0
        mask[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
        return mask


@dataclass(frozen=True)
class AnnotatedPicture:
    """``image``: uint8 ``(H, W, 3)`` BGR; ``faces``: all that the table lists for it."""

    name: str
    image: np.ndarray
    faces: List[AnnotatedFace]


def ellipse(major: float, minor: float, angle: float, x: float, y: float) -> AnnotatedFace:
    """A face from FDDB's five numbers (see ``ELLIPSE``)."""
    turns = np.linspace(0, 2 * np.pi, ELLIPSE_POINTS, endpoint=False)
    along, across = major * np.cos(turns), minor * np.sin(turns)
    cosine, sine = math.cos(angle), math.sin(angle)
    return AnnotatedFace(np.column_stack([x + cosine * along - sine * across, y + sine * along + cosine * across]))


def box(left: float, top: float, right: float, bottom: float) -> AnnotatedFace:
    """A face from an upright box; ``right`` and ``bottom`` are exclusive."""
    return AnnotatedFace(np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64))


def _box_of_size(x: float, y: float, width: float, height: float) -> AnnotatedFace:
    return box(x, y, x + width, y + height)


KINDS = ((ELLIPSE, ellipse), (CORNERS, box), (CORNER_AND_SIZE, _box_of_size))


class AnnotatedPictures:
    """The pictures of a zip or a folder that a table lists.

    ``data``: the zip or the folder. ``labels``: the table, a CSV file with a header; empty: the only one in ``data``.
    It has the column ``image`` (the picture's name in ``data``) and those of one of ``KINDS``, a row for each face, in
    any order; others are ignored. Pictures without faces cannot be listed.

    Raises DataError when the data or the table is missing, or the table is not such a one; a picture that is missing or
    damaged is a DataError when its turn comes.
    """

    def __init__(self, data, labels=""):
        self._archive = Archive(data)
        self._faces = _faces(*_table(self._archive, labels))

    def __len__(self) -> int:
        return len(self._faces)

    def every(self, step: int) -> Iterator[AnnotatedPicture]:
        """The first of each ``step`` pictures, in the order of the table."""
        for name, faces in list(self._faces.items())[::step]:
            yield AnnotatedPicture(name, self._archive.picture(name), faces)


def _table(archive: Archive, labels):
    """What messages call the table, and its text."""
    tables = [str(labels)] if labels else [name for name in archive.names() if name.lower().endswith(".csv")]
    if len(tables) != 1:
        raise DataError(
            "%s holds %s: name the table of faces as --labels."
            % (archive.path, ", ".join(tables) if tables else "no CSV file")
        )
    try:
        data = Path(labels).read_bytes() if labels else archive.read(tables[0])
        return tables[0], data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("The table %s cannot be read (%s)." % (tables[0], first_line(error))) from error


def _faces(name: str, text: str) -> Dict[str, List[AnnotatedFace]]:
    """The faces of each picture, in the order of the table, which messages call ``name``."""
    rows = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    columns = rows.fieldnames or []
    kind = next(((needed, make) for needed, make in KINDS if set(needed) <= set(columns)), None)
    if IMAGE not in columns or kind is None:
        raise DataError(
            "%s has the columns %s; it needs %s and one of: %s."
            % (name, ",".join(columns) or "(none)", IMAGE, "; ".join(",".join(needed) for needed, _ in KINDS))
        )
    needed, make = kind
    faces: Dict[str, List[AnnotatedFace]] = {}
    for row in rows:
        try:
            values = [float(row[column]) for column in needed]
        except (TypeError, ValueError):
            values = [math.nan]
        if not np.isfinite(values).all() or make(*values).box.area <= 0:
            raise DataError(
                "%s, line %d: %s must be numbers that span an area." % (name, rows.line_num, ",".join(needed))
            )
        faces.setdefault(row[IMAGE], []).append(make(*values))
    if not faces:
        raise DataError("%s lists no faces." % name)
    return faces
