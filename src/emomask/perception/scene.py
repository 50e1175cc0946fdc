"""Tells where a video goes on with another scene, and where the camera was jolted."""

from typing import NamedTuple

import cv2
import numpy as np

SIZE = (32, 24)  # pixels, width and height, of the small pictures that are compared
# The correlation with the frame before from which on it is the same scene. On stills that are shaken, turned, zoomed,
# blurred, dimmed and passed by others (``evaluation.camera_motion``) it was 0.57 and more in 999 of 1,000 frames.
ALIKE = 0.45
EVEN = 25.0  # grey levels, deviation; a picture with less, as when the lens is covered, begins and ends no scene
# From this correlation on the camera stands still, and nothing large moves. In three clips of cameras on a stand it was
# 0.992 and more in 99 of 100 frames. With 0.95, faces that a moving camera came upon were seen in one frame more.
CALM = 0.99
# A jolt is looked for below this correlation, in pictures of this size; smaller moves are left to the tracks.
STILL = 0.9
JOLT_SIZE = (64, 48)
HALVED = 16  # times its size from which on a frame is halved first
JOLT = 0.06  # the least shift, as a fraction of the frame's longer side, that is one
# It is one when what both frames show, at least so much of them, is that much alike after the shift.
OVERLAP = 0.4
FITTING = 0.8


class Change(NamedTuple):
    """How a frame goes on from the one before: with another scene, or all of it moved by ``x`` and ``y`` pixels.

    Without another scene or a jolt of the camera there is no change, whatever moves in the picture. ``is_calm``: hardly
    anything does, or only something small.
    """

    is_cut: bool = False
    x: float = 0.0
    y: float = 0.0
    is_calm: bool = False

    @property
    def is_jolt(self) -> bool:
        """Whether all of it moved."""
        return bool(self.x or self.y)


class SceneChanges:
    """Compares each frame of a stream with the one before, as small grey pictures, whatever their brightness."""

    def __init__(self):
        self._former = None
        self._window = cv2.createHanningWindow(JOLT_SIZE, cv2.CV_32F)

    def next(self, frame: np.ndarray) -> Change:
        """How ``frame`` (uint8 H x W x 3 BGR) differs from the frame before; not at all for the first."""
        current = cv2.cvtColor(_shrunk(frame), cv2.COLOR_BGR2GRAY).astype(np.float32)
        former, self._former = self._former, current
        if former is None:
            return Change()
        small = [cv2.resize(picture, SIZE, interpolation=cv2.INTER_AREA) for picture in (former, current)]
        alike = _correlation(*small)
        if min(float(picture.std()) for picture in small) <= EVEN or alike >= STILL:
            return Change(is_calm=alike >= CALM)
        jolt = self._jolt(former, current)
        if jolt is not None:
            scale = np.array(frame.shape[1::-1]) / JOLT_SIZE
            return Change(False, *(float(value) for value in jolt * scale))
        return Change(alike < ALIKE)

    def _jolt(self, former: np.ndarray, current: np.ndarray):
        """The shift of the whole picture, ``(2,)`` in pixels of it; None when there is none.

        By phase correlation (Kuglin and Hines, 1975), believed when the shifted pictures fit.
        """
        # OpenCV multiplies its arguments with the window in place.
        shift, _ = cv2.phaseCorrelate(former.copy(), current.copy(), self._window)
        width, height = JOLT_SIZE
        x, y = (int(round(value)) for value in np.clip(shift, -width, width))
        overlap = max(0, width - abs(x)) * max(0, height - abs(y))
        if np.hypot(x, y) < JOLT * width or overlap < OVERLAP * width * height:
            return None
        before = former[max(0, -y) : height - max(0, y), max(0, -x) : width - max(0, x)]
        after = current[max(0, y) : height - max(0, -y), max(0, x) : width - max(0, -x)]
        return np.array(shift) if _correlation(before, after) >= FITTING else None


def _shrunk(frame: np.ndarray) -> np.ndarray:
    """``frame`` in ``JOLT_SIZE``, each pixel the mean of those that it stands for.

    OpenCV halves a large picture many times as fast as it shrinks it by another factor.
    """
    height, width = frame.shape[:2]
    while min(width / JOLT_SIZE[0], height / JOLT_SIZE[1]) >= HALVED:
        width, height = width // 2, height // 2
        frame = cv2.resize(frame[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    return cv2.resize(frame, JOLT_SIZE, interpolation=cv2.INTER_AREA)


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's, of two pictures of the same size; 0 when one is even."""
    first, second = first - first.mean(), second - second.mean()
    size = float(first.std()) * float(second.std())
    return float((first * second).mean()) / size if size else 0.0
