"""The plain data that travels between the stages of the chain."""

from dataclasses import dataclass, field
from typing import List, NamedTuple, Optional, Tuple

import numpy as np

# FER2013's order; probabilities everywhere are in this order.
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
NEUTRAL = "neutral"  # shown as well where no emotion is known


def shown_emotion(probabilities: np.ndarray, unsure: float) -> str:
    """The name of the most probable emotion of ``(7,)`` probabilities; neutral when none reaches ``unsure``."""
    best = int(np.argmax(probabilities))
    return EMOTIONS[best] if probabilities[best] >= unsure else NEUTRAL


class Box(NamedTuple):
    """An axis-parallel rectangle in pixels of the full frame; ``right`` and ``bottom`` are exclusive."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def area(self) -> float:
        return max(0.0, self.width) * max(0.0, self.height)

    @property
    def center(self) -> Tuple[float, float]:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def intersection(self, other: "Box") -> "Box":
        """The common part; its ``area`` is 0 when the boxes do not meet."""
        return Box(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )

    def union(self, other: "Box") -> "Box":
        """The smallest box around both."""
        return Box(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )

    def iou(self, other: "Box") -> float:
        """Intersection over union, 0..1."""
        common = self.intersection(other).area
        total = self.area + other.area - common
        return common / total if total > 0 else 0.0

    def grown(self, fraction: float) -> "Box":
        """The box with ``fraction`` of its width added on the left and right, of its height above and below."""
        wide, high = self.width * fraction, self.height * fraction
        return Box(self.left - wide, self.top - high, self.right + wide, self.bottom + high)

    def moved(self, dx: float, dy: float) -> "Box":
        """The box shifted by ``dx``, ``dy`` pixels."""
        return Box(self.left + dx, self.top + dy, self.right + dx, self.bottom + dy)

    @classmethod
    def around(cls, points: np.ndarray) -> "Box":
        """The smallest box around points ``(N, 2)``."""
        low, high = np.min(points, axis=0), np.max(points, axis=0)
        return cls(float(low[0]), float(low[1]), float(high[0]), float(high[1]))


@dataclass
class Face:
    """One face in one frame. All coordinates are pixels of the full frame.

    Attributes
    ----------
    box: the bounding box of the whole head, from the landmarks and the detector's box, grown over hair, chin and ears.
    landmarks: ``(68, 2)`` float32, iBUG order, x then y.
    score: the detector's confidence, 0..1; of the last detection when the face is held.
    emotion: a name from ``EMOTIONS``, the one shown (smoothed over time in a stream).
    probabilities: seven floats in the order of ``EMOTIONS``, summing to 1.
    track_id: the same for the same face over the frames of a stream; counts from 1.
    covered: the box around the pixels that were replaced, clipped to the frame; None before the mask is applied.
    held: True when this frame's detector missed the face and it is covered from memory.
    """

    box: Box
    landmarks: np.ndarray
    score: float
    emotion: str = NEUTRAL
    probabilities: np.ndarray = field(default_factory=lambda: np.array([0, 0, 0, 0, 0, 0, 1], np.float32))
    track_id: int = 0
    covered: Optional[Box] = None
    held: bool = False

    @property
    def confidence(self) -> float:
        """The probability of the emotion that is shown, 0..1."""
        return float(self.probabilities[EMOTIONS.index(self.emotion)])


@dataclass
class Masked:
    """What the chain makes of one frame.

    Attributes
    ----------
    image: uint8 ``(H, W, 3)`` BGR, a new array with every face replaced; None when the frame failed and
        ``on_failure`` is ``drop``: there is then nothing that may be shown.
    faces: the faces that were covered.
    time: seconds, as given with the frame.
    error: None, or one line that says why the frame failed.
    """

    image: Optional[np.ndarray]
    faces: List[Face]
    time: Optional[float] = None
    error: Optional[str] = None
