"""What cameras do to pictures, done on purpose: the same faces turned, blurred, dark, small and cut by the edge."""

import math
from typing import Callable, Dict, List, Optional

import cv2
import numpy as np

from emomask.evaluation.annotated_faces import AnnotatedFace, AnnotatedPicture

ANGLE = 45.0  # degrees, either way
BLUR = 15  # pixels that a point is smeared over, along a diagonal
DARKNESS = 0.1  # the share of the light that is left
NOISE = 3.0  # grey levels, standard deviation, of a dark picture
SMALL = 16.0  # pixels, the longer side of the largest face
GREY = (128, 128, 128)


def rotated_left(picture: AnnotatedPicture) -> AnnotatedPicture:
    """Turned by 45 degrees counter-clockwise, in a black frame that holds all of it."""
    return _rotated(picture, -ANGLE)


def rotated_right(picture: AnnotatedPicture) -> AnnotatedPicture:
    """Turned by 45 degrees clockwise, in a black frame that holds all of it."""
    return _rotated(picture, ANGLE)


def blurred(picture: AnnotatedPicture) -> AnnotatedPicture:
    """With a motion blur of 15 pixels along a diagonal."""
    kernel = np.eye(BLUR, dtype=np.float32) / BLUR
    return AnnotatedPicture(picture.name, cv2.filter2D(picture.image, -1, kernel), picture.faces)


def dark(picture: AnnotatedPicture) -> AnnotatedPicture:
    """With a tenth of the light, and noise of three grey levels (always the same)."""
    noise = np.random.default_rng(0).normal(0.0, NOISE, picture.image.shape)
    image = np.clip(np.round(picture.image * DARKNESS + noise), 0, 255).astype(np.uint8)
    return AnnotatedPicture(picture.name, image, picture.faces)


def small(picture: AnnotatedPicture) -> AnnotatedPicture:
    """So far away that the largest face is 16 pixels high: shrunk, in the middle of a grey frame of the former size.

    Only that face is annotated: the others would be smaller still. A picture with a smaller one stays as it is.
    """
    largest = _largest(picture)
    height, width = picture.image.shape[:2]
    scale = min(1.0, SMALL / largest.size)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    image = np.full_like(picture.image, GREY)
    image[top : top + size[1], left : left + size[0]] = cv2.resize(picture.image, size, interpolation=cv2.INTER_AREA)
    matrix = np.array([[size[0] / width, 0, left], [0, size[1] / height, top]])
    return AnnotatedPicture(picture.name, image, [largest.moved(matrix)])


def cut_left(picture: AnnotatedPicture) -> AnnotatedPicture:
    """Without what lies left of the middle of the largest face, the only one that is annotated."""
    return _part(picture, left=int(_largest(picture).box.center[0]))


def cut_above(picture: AnnotatedPicture) -> AnnotatedPicture:
    """Without what lies above the middle of the largest face, the only one that is annotated."""
    return _part(picture, top=int(_largest(picture).box.center[1]))


def cut_below(picture: AnnotatedPicture) -> AnnotatedPicture:
    """Without what lies below the middle of the largest face, the only one that is annotated."""
    return _part(picture, bottom=int(_largest(picture).box.center[1]))


def _largest(picture: AnnotatedPicture) -> AnnotatedFace:
    return max(picture.faces, key=lambda face: face.size)


def _part(picture: AnnotatedPicture, left: int = 0, top: int = 0, bottom: Optional[int] = None) -> AnnotatedPicture:
    """What lies between these pixels, one row and one column at least, with the largest face alone."""
    height, width = picture.image.shape[:2]
    left, top = (min(size - 1, max(0, start)) for size, start in ((width, left), (height, top)))
    image = picture.image[top : None if bottom is None else max(1, bottom), left:]
    shift = np.array([[1.0, 0.0, -left], [0.0, 1.0, -top]])
    return AnnotatedPicture(picture.name, np.ascontiguousarray(image), [_largest(picture).moved(shift)])


def _rotated(picture: AnnotatedPicture, degrees: float) -> AnnotatedPicture:
    height, width = picture.image.shape[:2]
    turn = math.radians(degrees)
    cosine, sine = math.cos(turn), math.sin(turn)
    size = (math.ceil(width * abs(cosine) + height * abs(sine)), math.ceil(width * abs(sine) + height * abs(cosine)))
    matrix = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0]])
    matrix[:, 2] = (np.array(size) - 1) / 2 - matrix[:, :2] @ ((width - 1) / 2, (height - 1) / 2)
    image = cv2.warpAffine(picture.image, matrix, size, flags=cv2.INTER_LINEAR)
    return AnnotatedPicture(picture.name, image, [face.moved(matrix) for face in picture.faces])


# The rows of the table, and the ways to make each: their figures are counted together.
CONDITIONS: Dict[str, List[Callable[[AnnotatedPicture], AnnotatedPicture]]] = {
    "rotated": [rotated_left, rotated_right],
    "blurred": [blurred],
    "dark": [dark],
    "small": [small],
    "cut": [cut_left, cut_above, cut_below],
}
