"""What a face detector is, and which one the settings ask for."""

from dataclasses import dataclass
from typing import List, Optional, Protocol

import numpy as np

from emomask.faces import Box
from emomask.settings import Settings


@dataclass(frozen=True)
class Detection:
    """A face as a detector reports it.

    ``box``: pixels of the full frame. ``score``: 0..1. ``points``: ``(5, 2)`` float32 pixels (left eye, right eye, nose
    tip, left and right mouth corner, as seen in the picture), or None when the detector gives none.
    """

    box: Box
    score: float
    points: Optional[np.ndarray] = None


class Detector(Protocol):
    """Finds faces in one frame."""

    checksum: str

    def detect(self, frame: np.ndarray, threshold: float, longest: int) -> List[Detection]:
        """All faces in the uint8 H x W x 3 BGR ``frame`` with a score of ``threshold`` and more, best first.

        ``longest``: the longest side in pixels to which the frame may be shrunk for it.
        """


def create_detector(settings: Settings) -> Detector:
    """The detector that ``settings.detector`` names. Raises ModelError when it cannot be loaded."""
    if settings.thorough:
        from emomask.perception.thorough import Thorough

        return Thorough(create_detector(settings.replace(thorough=False)))
    if settings.detector == "face_alignment":
        from emomask.perception.face_alignment_library import LibraryDetector

        return LibraryDetector(settings)
    from emomask.perception.centerface import CenterFace

    return CenterFace(settings)
