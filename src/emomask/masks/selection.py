"""Whom to mask: everybody, or not everybody when a person says so."""

import math
from typing import List, Tuple

from emomask.errors import SettingsError
from emomask.faces import Box

SEPARATOR = ";"


class Selection:
    """Picks the faces to cover by boxes, tracks and size. In doubt a face is covered.

    ``only``: when not empty, just the faces that touch one of these boxes or have one of these tracks. ``excepted``:
    not the faces that lie wholly within one of these boxes or have one of these tracks. Both are lists with semicolons:
    ``track:7`` or ``left,top,right,bottom`` in pixels of the upright frame. ``smallest_face``: not the faces whose
    boxes are shorter than so many pixels on both sides.

    Raises SettingsError when an item of a list is neither.
    """

    def __init__(self, only: str = "", excepted: str = "", smallest_face: float = 0.0):
        self._only_boxes, self._only_tracks = _parsed(only)
        self._excepted_boxes, self._excepted_tracks = _parsed(excepted)
        self._smallest_face = smallest_face

    def covers(self, box: Box, track: int) -> bool:
        """Whether the face with this ``box`` and this ``track`` is to be covered."""
        if max(box.width, box.height) < self._smallest_face:
            return False
        if any(excepted.intersection(box) == box for excepted in self._excepted_boxes):
            return False
        if track in self._excepted_tracks:
            return False
        if not self._only_boxes and not self._only_tracks:
            return True
        return track in self._only_tracks or any(only.intersection(box).area > 0 for only in self._only_boxes)


def _parsed(texts: str) -> Tuple[List[Box], List[int]]:
    boxes, tracks = [], []
    for text in filter(str.strip, texts.split(SEPARATOR)):
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
