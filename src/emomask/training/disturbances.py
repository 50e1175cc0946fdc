"""What comes between a face and its picture, for training and evaluation: a camera that moves, things in front."""

import math
from typing import List

import cv2
import numpy as np

from emomask.landmark_index import LEFT_EYE, RIGHT_EYE

COVERS = ("mask", "glasses", "half")


def motion_kernel(length: float, angle: float) -> np.ndarray:
    """Float32 kernel that averages along ``length`` pixels in the direction ``angle`` (radians)."""
    reach = int(math.ceil(length / 2))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    offset = np.array([math.cos(angle), math.sin(angle)]) * length / 2 * 16
    middle = np.array([reach, reach]) * 16
    first, last = (tuple(int(round(v)) for v in middle + sign * offset) for sign in (-1, 1))
    cv2.line(kernel, first, last, 1.0, 1, cv2.LINE_8, 4)  # with coordinates in sixteenths of a pixel
    return kernel / kernel.sum()


def cover_shape(kind: str, points: np.ndarray, direction: float) -> List[np.ndarray]:
    """Polygons ``(K, 2)`` in pixels that hide a part of the face with landmarks ``points`` ``(68, 2)``.

    ``kind``, one of ``COVERS``: ``mask``, from the bridge of the nose along the cheeks to below the chin; ``glasses``,
    dark ones; ``half``, all that lies in ``direction`` (radians) of the face's middle.
    """
    middle = points.mean(axis=0)
    size = float(np.ptp(points, axis=0).max())
    if kind == "mask":
        outline = np.concatenate([points[1:16], points[[28]]])
        return [middle + (outline - middle) * 1.06]
    if kind == "glasses":
        axes = int(size * 0.17), int(size * 0.12)
        eyes = [tuple(int(v) for v in points[eye].mean(axis=0)) for eye in (LEFT_EYE, RIGHT_EYE)]
        return [cv2.ellipse2Poly(eye, axes, 0, 0, 360, 20).astype(np.float64) for eye in eyes]
    along = np.array([math.cos(direction), math.sin(direction)]) * 3 * size
    across = np.array([-along[1], along[0]])
    return [middle + np.stack([across, across + along, along - across, -across])]
