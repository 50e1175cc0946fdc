"""Square crops around faces: where they lie, how they are cut, how points travel back to the frame."""

from dataclasses import dataclass

import cv2
import numpy as np

from emomask.faces import Box
from emomask.landmark_index import LEFT_EYE, RIGHT_EYE

# Side of the landmark network's crop over the longer side of the box around the 68 points.
LANDMARK_CROP_SCALE = 1.3


@dataclass(frozen=True)
class SquareCrop:
    """A square of the frame: centre and side in pixels, ``angle`` in radians, clockwise as seen (y points down)."""

    center_x: float
    center_y: float
    side: float
    angle: float = 0.0

    def matrix(self, size: int) -> np.ndarray:
        """``(2, 3)`` float64 map from frame pixels to pixels of the crop when it is ``size`` pixels wide.

        Pixel centres lie at whole coordinates in both, so the crop's left top corner is at (-0.5, -0.5).
        """
        turn = rotation(-self.angle) * (size / self.side)
        return np.column_stack([turn, (size - 1) / 2 - turn @ (self.center_x, self.center_y)])

    def cut(self, image: np.ndarray, size: int) -> np.ndarray:
        """The crop of ``image`` (H x W or H x W x 3) resampled to ``size`` x ``size``; the border is repeated.

        A crop that shrinks much is first reduced by area averaging, which bilinear sampling alone would alias.
        """
        crop, source = self, image
        reduction = int(self.side / size)
        if reduction >= 2:
            source, crop = _reduced(image, self, reduction)
        return cv2.warpAffine(
            source, crop.matrix(size), (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )

    def to_frame(self, points: np.ndarray) -> np.ndarray:
        """Points ``(N, 2)`` given as fractions of the side (0, 0 is the left top corner) in pixels of the frame."""
        local = (np.asarray(points, np.float64) - 0.5) * self.side
        return (local @ rotation(self.angle).T + (self.center_x, self.center_y)).astype(np.float32)


def _reduced(image: np.ndarray, crop: SquareCrop, reduction: int):
    """The part of ``image`` around ``crop``, shrunk by the whole factor ``reduction``, and the crop in it."""
    reach = crop.side * 0.75 + reduction
    height, width = image.shape[:2]
    left, top = max(0, int(crop.center_x - reach)), max(0, int(crop.center_y - reach))
    right, bottom = min(width, int(crop.center_x + reach) + 1), min(height, int(crop.center_y + reach) + 1)
    if right - left < reduction or bottom - top < reduction:
        return image, crop
    right -= (right - left) % reduction
    bottom -= (bottom - top) % reduction
    part = image[top:bottom, left:right]
    small = cv2.resize(
        part, (part.shape[1] // reduction, part.shape[0] // reduction), interpolation=cv2.INTER_AREA
    )
    return small, SquareCrop(
        (crop.center_x - left + 0.5) / reduction - 0.5,
        (crop.center_y - top + 0.5) / reduction - 0.5,
        crop.side / reduction,
        crop.angle,
    )


def crop_around(landmarks: np.ndarray, scale: float = LANDMARK_CROP_SCALE) -> SquareCrop:
    """The upright-face crop around 68 landmarks: turned by the head's roll, ``scale`` times their longer extent."""
    angle = roll(landmarks)
    turn = rotation(angle)
    along = Box.around(landmarks @ turn)
    x, y = turn @ along.center
    return SquareCrop(float(x), float(y), max(along.width, along.height, 1.0) * scale, angle)


def rotation(angle: float) -> np.ndarray:
    """``(2, 2)`` float64 matrix that turns a column vector by ``angle`` radians, clockwise as seen.

    Points ``(N, 2)`` in rows are turned by ``points @ rotation(angle).T``, and back by ``points @ rotation(angle)``.
    """
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, -sine], [sine, cosine]])


def roll(landmarks: np.ndarray) -> float:
    """Angle of the line through the eyes' centres in radians, clockwise as seen; 0 for an upright head."""
    across = landmarks[RIGHT_EYE].mean(axis=0) - landmarks[LEFT_EYE].mean(axis=0)
    return float(np.arctan2(across[1], across[0]))
