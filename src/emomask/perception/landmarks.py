"""What a landmark finder is, and which one the settings ask for."""

import logging
from typing import Optional, Protocol, Sequence

import numpy as np

from emomask.errors import ModelError
from emomask.perception.detection import Detection, Detector
from emomask.perception.face_alignment_library import LibraryLandmarks
from emomask.perception.fast_landmarks import FastLandmarks
from emomask.settings import Settings

_log = logging.getLogger(__name__)


class Landmarker(Protocol):
    """Finds the 68 iBUG landmarks of faces that a detector found."""

    checksum: str

    def locate(
        self, frame: np.ndarray, detections: Sequence[Detection], former: Sequence[Optional[np.ndarray]] = ()
    ) -> np.ndarray:
        """Float32 ``(N, 68, 2)`` pixels of the uint8 H x W x 3 BGR ``frame``, one set for each detection.

        ``former``: for each detection the landmarks of the same face in the frame before, or None; they may save work.
        """


def create_landmarker(settings: Settings, detector: Detector) -> Landmarker:
    """The landmark finder that ``settings.landmarks`` names, for boxes of ``detector``.

    ``auto`` is the face-alignment library where it and its weights can be had, otherwise ``fast``, with a warning.
    Raises ModelError when the one asked for cannot be loaded.
    """
    if settings.landmarks == "fast":
        return FastLandmarks(settings)
    try:
        return LibraryLandmarks(settings, detector)
    except ModelError as error:
        if settings.landmarks != "auto":
            raise
        _log.warning("landmarks:=auto takes the fast network: %s", error)
        return FastLandmarks(settings)
