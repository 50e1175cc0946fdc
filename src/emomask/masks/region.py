"""Which pixels must go so that a face cannot be recognised."""

import math
from dataclasses import dataclass
from typing import Optional

import cv2
import numpy as np

from emomask.faces import Box
from emomask.landmark_index import CHIN, LEFT_BROW, RIGHT_BROW
from emomask.perception.geometry import roll, rotation

# How far a head goes on beyond the landmarks: above the brows and below the chin as fractions of brows to chin (the
# hairline lies half of that above the brows, then there is hair), and beyond the jaw's ends, which lie at the ears, as
# a fraction of the width. And beyond the detector's box, which ends at the forehead: towards the crown, to the sides.
# Chosen on FDDB: its ellipses go a tenth higher than a forehead of 0.5, and are narrower than ears of 0.1.
FOREHEAD = 0.8
CHIN_SLACK = 0.06
EAR = 0.05
BOX_CROWN = 0.25
BOX_SIDE = 0.05
# An ellipse with the proportions of a rectangle passes through its corners when its axes are sqrt(2) longer; a face
# does not fill the corners, so less is enough to hold hair line, ears and jaw.
ELLIPSE = 1.15

_FRACTION_BITS = 4  # OpenCV draws with coordinates in sixteenths of a pixel
_DRAWABLE = 1 << 24  # beyond this OpenCV's fixed-point coordinates overflow


def face_box(landmarks: np.ndarray) -> Box:
    """The upright box around a whole face with 68 ``landmarks`` (pixels): forehead, chin and ears included."""
    angle = roll(landmarks)
    left, top, right, bottom = _head(landmarks, angle)
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    return Box.around(corners @ rotation(angle).T)


def head_box(landmarks: np.ndarray, detected: Box) -> Box:
    """The upright box around ``face_box`` and the head that the detector's box ``detected`` (pixels) belongs to.

    The latter counts when the landmarks are wrong, as they may be on profiles and hidden faces.
    """
    angle = roll(landmarks)
    crown = BOX_CROWN * detected.height
    side = BOX_SIDE * detected.width
    wide = Box(detected.left - side, detected.top, detected.right + side, detected.bottom)
    return face_box(landmarks).union(wide).union(wide.moved(math.sin(angle) * crown, -math.cos(angle) * crown))


def _head(landmarks: np.ndarray, angle: float) -> Box:
    """The box of a whole face in coordinates along and across the line of the eyes, which is at ``angle``."""
    local = landmarks @ rotation(angle)
    left, top, right, bottom = Box.around(local)
    brows = min(local[LEFT_BROW, 1].min(), local[RIGHT_BROW, 1].min())
    height = max(local[CHIN, 1] - brows, (right - left) * 0.5)
    wide = EAR * (right - left)
    return Box(left - wide, min(top, brows - FOREHEAD * height), right + wide, bottom + CHIN_SLACK * height)


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
        """The smallest circle that holds the ellipse."""
        radius = max(self.half_width, self.half_height)
        return Region(self.x, self.y, radius, radius, self.angle)

    def holds(self, height: int, width: int) -> bool:
        """Whether all pixels of a frame of ``height`` x ``width`` are in it."""
        corners = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]])
        local = (corners - (self.x, self.y)) @ rotation(self.angle) / (self.half_width, self.half_height)
        return bool((np.hypot(local[:, 0], local[:, 1]) <= 1).all())

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
    """The ellipse around a whole face, turned with the head and grown by ``margin`` (a fraction of its size).

    ``box`` (the tracker's, which knows the detector's box and grows while the face is missing) and the box derived from
    the landmarks are both inside: when they disagree, more is covered.
    """
    angle = roll(landmarks)
    turn = rotation(angle)
    # A turned upright box would cover far more than the face: its ellipse, not its corners, is joined.
    x, y = np.array(box.center) @ turn
    whole = _head(landmarks, angle).union(Region(x, y, box.width / 2, box.height / 2, -angle).box)
    center = turn @ whole.center
    stretch = ELLIPSE * (1 + 2 * margin)
    return Region(
        float(center[0]), float(center[1]), whole.width / 2 * stretch, whole.height / 2 * stretch, angle
    )
