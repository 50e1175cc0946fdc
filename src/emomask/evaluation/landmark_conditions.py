"""What cameras do to faces, done to annotated ones: each condition makes another picture and moves the points along."""

from typing import Callable, Dict, Optional, Tuple

import cv2
import numpy as np

from emomask.landmark_index import OUTER_EYE_CORNERS
from emomask.perception.geometry import SquareCrop
from emomask.training.disturbances import cover_shape, motion_kernel

Altered = Optional[Tuple[np.ndarray, np.ndarray]]

CUT = 2.0  # side of the picture around the face, over the longer side of the box around the points
NOSE_TIP = 30
CANVAS = (240, 320)  # height and width in pixels of the frame in which small faces lie
GREY, BLACK, BLUE = (128, 128, 128), (20, 20, 20), (200, 160, 110)  # BGR

# How much nearer the nose's tip is to one outer eye corner than to the other, along the line through both, from which
# on a head counts as turned aside: 0 from the front, 1 when the nose hides an eye.
TURNED = 0.4


def _cut(image, points):
    """The square of ``CUT`` times the face around it, at its own resolution, border repeated; and the points in it."""
    low, high = points.min(axis=0), points.max(axis=0)
    centre, side = (low + high) / 2, float((high - low).max()) * CUT
    size = max(16, int(round(side)))
    crop = SquareCrop(float(centre[0]), float(centre[1]), side)
    return crop.cut(image, size), _moved(points, crop.matrix(size))


def _moved(points, matrix):
    return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def _face_size(points):
    return float(np.ptp(points, axis=0).max())


def _rotated(degrees):
    def alter(image, points, number):
        side = image.shape[0]
        angle = np.radians(degrees if number % 2 else -degrees)
        matrix = SquareCrop((side - 1) / 2, (side - 1) / 2, side, float(angle)).matrix(side)
        turned = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return turned, _moved(points, matrix)

    return alter


def _turned(image, points, number):
    left, right = points[list(OUTER_EYE_CORNERS)]
    along = (right - left) / np.linalg.norm(right - left)
    nose = float(np.dot(points[NOSE_TIP] - left, along) / np.linalg.norm(right - left))
    return (image, points) if abs(2 * nose - 1) >= TURNED else None


def _blurred(share):
    def alter(image, points, number):
        kernel = motion_kernel(share * _face_size(points), np.pi * number / 8)
        return cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REPLICATE), points

    return alter


def _dark(image, points, number):
    noise = np.random.default_rng(number).normal(0, 3, image.shape)
    return np.clip(image * 0.1 + noise, 0, 255).astype(np.uint8), points


def _covered(kind, color):
    def alter(image, points, number):
        covered = image.copy()
        for polygon in cover_shape(kind, points, np.pi * (number % 2)):
            cv2.fillPoly(covered, [np.round(polygon).astype(np.int32)], color)
        return covered, points

    return alter


def _small(pixels):
    def alter(image, points, number):
        scale = pixels / _face_size(points)
        side = max(4, int(round(image.shape[0] * scale)))
        small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
        frame = np.empty(CANVAS + (3,), np.uint8)
        frame[:] = np.round(small.mean(axis=(0, 1)))
        top, left = (CANVAS[0] - side) // 2, (CANVAS[1] - side) // 2
        frame[top : top + side, left : left + side] = small
        moved = (points + 0.5) * (side / image.shape[0]) - 0.5 + (left, top)
        return frame, moved.astype(np.float32)

    return alter


_CONDITIONS: Dict[str, Callable[..., Altered]] = {
    "rotated_30": _rotated(30),
    "rotated_60": _rotated(60),
    "turned": _turned,
    "blurred": _blurred(0.1),
    "blurred_much": _blurred(0.2),
    "dark": _dark,
    "glasses": _covered("glasses", BLACK),
    "mask": _covered("mask", BLUE),
    "half_hidden": _covered("half", GREY),
    "48px": _small(48),
    "24px": _small(24),
}
CONDITIONS = tuple(_CONDITIONS)


def altered(condition: str, image: np.ndarray, points: np.ndarray, number: int) -> Altered:
    """The picture (uint8 H x W x 3 BGR) and the points ``(68, 2)`` of one face under one of ``CONDITIONS``.

    All are cut to twice the face first. ``rotated_30``, ``rotated_60``: turned by so many degrees, to either side by
    turns; ``turned``: the picture as it is when the head is turned aside (see ``TURNED``), otherwise None;
    ``blurred``, ``blurred_much``: moved by 10 % and 20 % of the face while exposed; ``dark``: a tenth of the light,
    with noise of 3 grey levels; ``glasses``, ``mask``, ``half_hidden``: black glasses, a face mask, the left or right
    half behind grey, all drawn; ``48px``, ``24px``: so many pixels for the longer side of the box around the points,
    in a frame of 320 x 240.

    ``number``: of the face; directions and noise follow from it, so that every run gives the same pictures.
    """
    return _CONDITIONS[condition](*_cut(image, points), number)
