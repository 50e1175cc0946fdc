"""Covers the faces of a frame: which pixels of each, with what, in which order."""

from typing import List, Optional, Sequence, Tuple

import numpy as np

from emomask.faces import Box, Face
from emomask.masks.region import Region, region_of
from emomask.masks.styles import Style, create_style
from emomask.settings import Settings


class Cover:
    """The style and the margin of ``settings``; ``style``: the same style, when there is one already.

    Raises ModelError when the style's pictures are missing or damaged; loading them takes a tenth of a second and more.
    """

    def __init__(self, settings: Settings, style: Optional[Style] = None):
        self._style = style or create_style(settings)
        self._margin = settings.margin

    def region(self, face: Face) -> Region:
        """What must go of ``face``."""
        return region_of(face.box, face.landmarks, self._margin)

    def paint(
        self, frame: np.ndarray, regions: Sequence[Tuple[Region, str]]
    ) -> Tuple[np.ndarray, List[Optional[Box]]]:
        """Cover ``regions``, each with the emotion that it shows, in a copy of ``frame``, the largest last.

        ``frame``: uint8 ``(H, W, 3)`` BGR. Returns the copy, and for each region the box around its replaced pixels;
        None when it lies outside of the frame.
        """
        image = frame.copy()
        covered: List[Optional[Box]] = [None] * len(regions)
        for index in sorted(range(len(regions)), key=lambda index: regions[index][0].box.area):
            covered[index] = self._style.cover(image, *regions[index])
        return image, covered
