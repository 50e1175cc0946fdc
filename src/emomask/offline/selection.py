"""Whom to mask: everybody, or not everybody when a person says so."""

import math
from typing import List, Sequence, Tuple

from emomask.errors import SettingsError
from emomask.faces import Box
from emomask.offline.marks import Mark


class Selection:
    """Picks the faces to cover by boxes and by tracks. In doubt a face is covered.

    ``only``: when not empty, just the faces that touch one of these boxes or have one of these tracks. ``excepted``:
    not the faces that lie wholly within one of these boxes or have one of these tracks. Each is a text: ``track:7``,
    or ``left,top,right,bottom`` in pixels of the upright frame.

    Raises SettingsError when a text is neither.
    """

    def __init__(self, only: Sequence[str] = (), excepted: Sequence[str] = ()):
        self._only_boxes, self._only_tracks = _parsed(only)
        self._excepted_boxes, self._excepted_tracks = _parsed(excepted)

    def covers(self, mark: Mark) -> bool:
        """Whether ``mark`` is to be covered."""
        if any(box.intersection(mark.box) == mark.box for box in self._excepted_boxes):
            return False
        if mark.track in self._excepted_tracks:
            return False
        if not self._only_boxes and not self._only_tracks:
            return True
        touched = any(box.intersection(mark.box).area > 0 for box in self._only_boxes)
        return touched or mark.track in self._only_tracks


def _parsed(texts: Sequence[str]) -> Tuple[List[Box], List[int]]:
    boxes, tracks = [], []
    for text in texts:
        kind, colon, number = text.partition(":")
        try:
            if colon and kind.strip() == "track":
                tracks.append(int(number))
                continue
            box = Box(*(float(value) for value in text.split(",")))
            if not all(map(math.isfinite, box)) or box.width <= 0 or box.height <= 0:
                raise ValueError(text)
            boxes.append(box)
        except (TypeError, ValueError) as error:
            raise SettingsError(
                "A choice of faces is track:NUMBER or LEFT,TOP,RIGHT,BOTTOM in pixels, not %r." % text
            ) from error
    return boxes, tracks
