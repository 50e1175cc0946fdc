"""Which pixels must go so that a face cannot be recognised."""

import math
from dataclasses import dataclass
from typing import Optional, Tuple

import cv2
import numpy as np

from emomask.faces import Box
from emomask.landmark_index import CHIN, LEFT_BROW, RIGHT_BROW
from emomask.perception.geometry import roll

# The face's thirds: hairline to brows is half of brows to chin. The jaw's ends lie at the ears.
FOREHEAD = 0.5
CHIN_SLACK = 0.06
EAR = 0.10

_FRACTION_BITS = 4  # OpenCV draws with coordinates in sixteenths of a pixel
_DRAWABLE = 1 << 24  # beyond this OpenCV's fixed-point coordinates overflow


def face_box(landmarks: np.ndarray) -> Box:
    """The upright box around a whole face with 68 ``landmarks`` (pixels): forehead, chin and ears included."""
    return Box.around(_oriented(landmarks)[0])


def _oriented(landmarks: np.ndarray) -> Tuple[np.ndarray, float]:
    """Corners ``(4, 2)`` of the face's box turned with the head, and the angle (radians, clockwise as seen)."""
    angle = roll(landmarks)
    turn = _rotation(angle)
    local = landmarks @ turn  # coordinates along and across the line of the eyes
    left, top = local.min(axis=0)
    right, bottom = local.max(axis=0)
    brows = min(local[LEFT_BROW, 1].min(), local[RIGHT_BROW, 1].min())
    height = max(local[CHIN, 1] - brows, (right - left) * 0.5)
    top = min(top, brows - FOREHEAD * height)
    bottom += CHIN_SLACK * height
    wide = EAR * (right - left)
    corners = np.array([[left - wide, top], [right + wide, top], [right + wide, bottom], [left - wide, bottom]])
    return corners @ turn.T, angle


def _rotation(angle: float) -> np.ndarray:
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine, -sine], [sine, cosine]])


@dataclass(frozen=True)
class Region:
    """An ellipse in pixels of the frame: centre, half axes along and across the eyes' line, and its angle.

    ``angle`` is in radians, clockwise as seen.
    """

    x: float
    y: float
    half_width: float
    half_height: float
    angle: float

    @property
    def box(self) -> Box:
        """The upright box around the ellipse."""
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        wide = math.hypot(self.half_width * cosine, self.half_height * sine)
        high = math.hypot(self.half_width * sine, self.half_height * cosine)
        return Box(self.x - wide, self.y - high, self.x + wide, self.y + high)

    @property
    def longest(self) -> float:
        """The longer axis in pixels."""
        return 2 * max(self.half_width, self.half_height)

    def rounded(self) -> "Region":
        """The circle around the ellipse's own box that still holds all of the ellipse."""
        radius = max(self.half_width, self.half_height)
        return Region(self.x, self.y, radius, radius, self.angle)

    def pixels(self, height: int, width: int, border: float = 1.0) -> Optional["Patch"]:
        """The region's pixels in a frame of ``height`` x ``width``; None when it lies outside.

        ``border``: pixels by which the patch is larger than the region, where the frame allows.
        """
        box = self.box
        left, top = max(0, math.floor(box.left - border)), max(0, math.floor(box.top - border))
        right, bottom = min(width, math.ceil(box.right + border) + 1), min(height, math.ceil(box.bottom + border) + 1)
        if left >= right or top >= bottom:
            return None
        mask = np.zeros((bottom - top, right - left), np.uint8)
        scale = 1 << _FRACTION_BITS
        # Half a pixel is added to the axes: a pixel that the outline touches is covered.
        axes = [(half + 0.5) * scale for half in (self.half_width, self.half_height)]
        if max(axes) >= _DRAWABLE:
            mask[:] = 255
        else:
            center = (round((self.x - left) * scale), round((self.y - top) * scale))
            cv2.ellipse(
                mask,
                center,
                (round(axes[0]), round(axes[1])),
                math.degrees(self.angle),
                0,
                360,
                255,
                -1,
                cv2.LINE_8,
                _FRACTION_BITS,
            )
        return Patch(left, top, mask) if mask.any() else None


@dataclass(frozen=True)
class Patch:
    """A rectangle of the frame: its left top pixel and the uint8 ``mask`` (h, w), 255 where pixels are replaced."""

    left: int
    top: int
    mask: np.ndarray

    def of(self, image: np.ndarray) -> np.ndarray:
        """The view of ``image`` (H, W, 3) under the patch."""
        height, width = self.mask.shape
        return image[self.top : self.top + height, self.left : self.left + width]

    @property
    def box(self) -> Box:
        """The smallest box around the replaced pixels."""
        left, top, width, height = cv2.boundingRect(self.mask)
        return Box(
            float(self.left + left),
            float(self.top + top),
            float(self.left + left + width),
            float(self.top + top + height),
        )


def region_of(box: Box, landmarks: np.ndarray, margin: float) -> Region:
    """The ellipse through the corners of the face's box, turned with the head and grown by ``margin``.

    ``box`` (the tracker's, which knows the detector's box and grows while the face is missing) and the box derived from
    the landmarks are both inside: when they disagree, more is covered.
    """
    corners, angle = _oriented(landmarks)
    turn = _rotation(angle)
    local = corners @ turn
    # A turned upright box would cover far more than the face: its ellipse, not its corners, is joined.
    middle = np.array(box.center) @ turn
    reach = np.array(
        [
            math.hypot(box.width / 2 * math.cos(angle), box.height / 2 * math.sin(angle)),
            math.hypot(box.width / 2 * math.sin(angle), box.height / 2 * math.cos(angle)),
        ]
    )
    low = np.minimum(local.min(axis=0), middle - reach)
    high = np.maximum(local.max(axis=0), middle + reach)
    center = turn @ ((low + high) / 2)
    half = (high - low) / 2 * (1 + 2 * margin)
    # The ellipse with the proportions of a rectangle passes through its corners when its axes are sqrt(2) longer; a
    # face does not fill the corners, so 1.15 is enough to hold hair line, ears and jaw.
    half = half * 1.15
    return Region(float(center[0]), float(center[1]), float(half[0]), float(half[1]), angle)
