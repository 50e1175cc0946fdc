"""Videos made of annotated stills and known camera motion: each face's true region is known in every frame."""

import math
from dataclasses import dataclass
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional

import cv2
import numpy as np

from emomask.evaluation.annotated_faces import AnnotatedPicture
from emomask.training.disturbances import motion_kernel

RATE = 30.0  # frames a second
FRAMES = 45  # of a video
VISIBLE = 0.1  # the share of a face that must lie in the frame, uncovered by other things, for it to count
CLOSE_UP = 1.5  # how much the still is enlarged where the camera must have somewhere to go
SHAKE = 5.0  # pixels either way
SWAY = 40.0  # pixels either way, of a camera that is moved so fast that it blurs
SWAY_RATE = 2.0  # times a second
EXPOSURE = 1 / 40  # seconds
DIM = 0.12  # the least share of the light
NOISE = 3.0  # grey levels, standard deviation, in every frame of the darkened video
TILT = 30.0  # degrees either way
ZOOM = 1.8
BAR = 1.2  # width of what passes before a face, over the face's
JUMP = 0.25  # of the frame's width, that the camera is knocked aside
CUT = FRAMES // 2  # the frame in which another scene begins


class SeenFace(NamedTuple):
    """A face in one frame: the ``number`` that it has in its video, its ``size`` (the longer side of the box around the
    whole of it, pixels) and ``visible``, boolean ``(H, W)``, its pixels that can be seen."""

    number: int
    size: float
    visible: np.ndarray


class Shot(NamedTuple):
    """A frame, uint8 ``(H, W, 3)`` BGR, its time in seconds, and the faces that can be seen in it."""

    image: np.ndarray
    time: float
    faces: List[SeenFace]


@dataclass(frozen=True)
class Scene:
    """What a motion is made of: the still, another one, and random numbers that are always the same for the still."""

    picture: AnnotatedPicture
    other: AnnotatedPicture
    random: np.random.Generator

    @property
    def size(self):
        """Width and height of the frames: those of the still."""
        return self.picture.image.shape[1], self.picture.image.shape[0]


Motion = Callable[[Scene], Iterator[Shot]]


def shake(scene: Scene) -> Iterator[Shot]:
    """Each frame moved by up to 5 pixels in any direction."""
    for index in range(FRAMES):
        yield _shot(scene.picture, _moved(*scene.random.uniform(-SHAKE, SHAKE, 2)), index)


def pan(scene: Scene) -> Iterator[Shot]:
    """Enlarged by a half, from one side of the still to the other."""
    width, height = scene.size
    for index in range(FRAMES):
        x = (1 - CLOSE_UP) * width * _share(index)
        yield _shot(scene.picture, _scaled(CLOSE_UP, x, (1 - CLOSE_UP) * height / 2), index)


def enter(scene: Scene) -> Iterator[Shot]:
    """The still comes in from the right, past the frame's edge."""
    for index in range(FRAMES):
        yield _shot(scene.picture, _moved(scene.size[0] * (1 - _share(index)), 0.0), index)


def leave(scene: Scene) -> Iterator[Shot]:
    """The still goes out to the left."""
    for index in range(FRAMES):
        yield _shot(scene.picture, _moved(-scene.size[0] * _share(index), 0.0), index)


def zoom(scene: Scene) -> Iterator[Shot]:
    """Up to 1.8 times as large, about the middle, and back."""
    for index in range(FRAMES):
        scale = 1 + (ZOOM - 1) * math.sin(math.pi * _share(index))
        width, height = scene.size
        yield _shot(scene.picture, _scaled(scale, (1 - scale) * width / 2, (1 - scale) * height / 2), index)


def rotate(scene: Scene) -> Iterator[Shot]:
    """Tilted by up to 30 degrees to one side, then to the other."""
    width, height = scene.size
    for index in range(FRAMES):
        angle = TILT * math.sin(2 * math.pi * _share(index))
        yield _shot(scene.picture, cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0), index)


def blur(scene: Scene) -> Iterator[Shot]:
    """Swayed by 40 pixels twice a second, blurred by what that moves in a fortieth of a second."""
    for index in range(FRAMES):
        turn = 2 * math.pi * SWAY_RATE * index / RATE
        speed = SWAY * 2 * math.pi * SWAY_RATE * abs(math.cos(turn))
        image, faces = _view(scene.picture, _moved(SWAY * math.sin(turn), 0.0), scene.size)
        kernel = motion_kernel(max(1.0, speed * EXPOSURE), 0.0)
        yield Shot(cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REPLICATE), index / RATE, faces)


def exposure(scene: Scene) -> Iterator[Shot]:
    """Shaken, and dimmed to an eighth of the light and back, with noise."""
    for index in range(FRAMES):
        shot = _shot(scene.picture, _moved(*scene.random.uniform(-SHAKE, SHAKE, 2)), index)
        light = 1 - (1 - DIM) * math.sin(math.pi * _share(index))
        noise = scene.random.normal(0.0, NOISE, shot.image.shape)
        yield shot._replace(image=np.clip(shot.image * light + noise, 0, 255).astype(np.uint8))


def occluder(scene: Scene) -> Iterator[Shot]:
    """A striped board passes before the picture, as wide as its largest face and a fifth."""
    width, height = scene.size
    board = max(8, int(BAR * max(face.box.width for face in scene.picture.faces)))
    stripes = np.where((np.arange(height) // 12 % 2)[:, None, None], (60, 70, 80), (150, 140, 130)).astype(np.uint8)
    for index in range(FRAMES):
        left = int((width + board) * _share(index)) - board
        columns = slice(max(0, left), max(0, left + board))
        image, faces = _view(scene.picture, _moved(0.0, 0.0), scene.size)
        image[:, columns] = stripes
        hidden = np.zeros((height, width), bool)
        hidden[:, columns] = True
        yield Shot(image, index / RATE, [face for face in (_behind(face, hidden) for face in faces) if face])


def crossing(scene: Scene) -> Iterator[Shot]:
    """Another still's largest face passes before this one's, both of the same size."""
    width, height = scene.size
    mine = max(scene.picture.faces, key=lambda face: face.size)
    passing = max(scene.other.faces, key=lambda face: face.size)
    scale = mine.size / passing.size
    for index in range(FRAMES):
        x = (width + mine.size) * _share(index) - mine.size / 2
        matrix = _scaled(scale, x - scale * passing.box.center[0], mine.box.center[1] - scale * passing.box.center[1])
        image, faces = _view(scene.picture, _moved(0.0, 0.0), scene.size)
        whole = passing.moved(matrix)
        inside = whole.mask(height, width)
        image[inside] = _warped(scene.other.image, matrix, scene.size)[inside]
        seen = [face for face in (_behind(face, inside) for face in faces) if face]
        front = _seen(len(scene.picture.faces), whole, inside)
        yield Shot(image, index / RATE, seen + ([front] if front else []))


def cut(scene: Scene) -> Iterator[Shot]:
    """Half of it this still and half of it another one, knocked aside by a quarter of the frame on the way."""
    for index in range(FRAMES):
        picture = scene.picture if index < CUT else scene.other
        aside = -JUMP * scene.size[0] if index % CUT >= CUT // 2 else 0.0
        image, faces = _view(picture, _moved(aside, 0.0), scene.size)
        if index >= CUT:
            faces = [face._replace(number=face.number + len(scene.picture.faces)) for face in faces]
        yield Shot(image, index / RATE, faces)


MOTIONS: Dict[str, Motion] = {
    motion.__name__: motion
    for motion in (shake, pan, enter, leave, zoom, rotate, blur, exposure, occluder, crossing, cut)
}


def _share(index: int) -> float:
    """0 in the first frame, 1 in the last."""
    return index / (FRAMES - 1)


def _moved(x: float, y: float) -> np.ndarray:
    return _scaled(1.0, x, y)


def _scaled(scale: float, x: float, y: float) -> np.ndarray:
    return np.array([[scale, 0.0, x], [0.0, scale, y]])


def _shot(picture: AnnotatedPicture, matrix: np.ndarray, index: int) -> Shot:
    image, faces = _view(picture, matrix, (picture.image.shape[1], picture.image.shape[0]))
    return Shot(image, index / RATE, faces)


def _view(picture: AnnotatedPicture, matrix: np.ndarray, size):
    """The picture warped by ``matrix`` into a frame of ``size`` (width, height), and its faces there."""
    width, height = size
    faces = [face.moved(matrix) for face in picture.faces]
    seen = [_seen(number, face, face.mask(height, width)) for number, face in enumerate(faces)]
    return _warped(picture.image, matrix, size), [face for face in seen if face]


def _warped(image, matrix, size):
    return cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _seen(number, face, visible) -> Optional[SeenFace]:
    """The face with these visible pixels; None when they are too few of it."""
    around = face.outline - face.outline.mean(axis=0)
    area = 0.5 * abs(float(np.sum(np.roll(around[:, 0], -1) * around[:, 1] - around[:, 0] * np.roll(around[:, 1], -1))))
    return SeenFace(number, face.size, visible) if visible.sum() >= max(1.0, VISIBLE * area) else None


def _behind(face: SeenFace, hidden: np.ndarray) -> Optional[SeenFace]:
    """``face`` without its ``hidden`` pixels; None when too few are left."""
    left = face.visible & ~hidden
    return face._replace(visible=left) if left.sum() >= max(1.0, VISIBLE * face.visible.sum()) else None
