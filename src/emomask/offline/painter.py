"""Covers what a plan says must be covered, and withholds what cannot be."""

from typing import List, Optional, Sequence, Tuple

import numpy as np

from emomask.errors import described
from emomask.faces import Box, Face
from emomask.masks.cover import Cover
from emomask.masks.styles import pixelated_frame
from emomask.offline.marks import Mark
from emomask.offline.plan import Plan
from emomask.offline.report import Frame

WITHHELD = 128  # grey level of a frame that could not be masked


class Painter:
    """Raises ModelError when the style's pictures cannot be read and SettingsError when ``plan`` makes no sense."""

    def __init__(self, plan: Plan):
        self._pixelates = plan.settings.on_failure == "pixelate"
        self._cover = Cover(plan.settings)
        self._selection = plan.settings.selection()

    def marks(self, faces: Sequence[Face]) -> List[Mark]:
        """What of a frame with ``faces`` is to be covered."""
        return self.selected([Mark.of(face, self._cover.region(face)) for face in faces])

    def selected(self, marks: Sequence[Mark]) -> List[Mark]:
        """Those of ``marks`` that are to be covered."""
        return [mark for mark in marks if self._selection.covers(mark.box, mark.track)]

    def painted(self, image: np.ndarray, marks: Sequence[Mark]) -> Tuple[np.ndarray, List[Optional[Box]]]:
        """``image``, uint8 ``(H, W, 3)`` BGR, with ``marks`` covered, and the box around the pixels of each."""
        return self._cover.paint(image, [(mark.region, mark.emotion) for mark in marks])

    def shown(self, image: np.ndarray, frame: Frame) -> Tuple[np.ndarray, Frame]:
        """The masked ``image`` of a video; one that fails is withheld, and its place kept, so that no time is lost."""
        if frame.error is None:
            try:
                return self.painted(image, frame.marks)[0], frame
            except Exception as error:  # any failure at all withholds the frame
                frame = frame._replace(error=described(error))
        return (pixelated_frame(image) if self._pixelates else np.full_like(image, WITHHELD)), frame
