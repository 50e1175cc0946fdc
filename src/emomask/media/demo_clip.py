"""The demo clip: a real face from scikit-image's pictures, moving over changing backgrounds, made by code."""

import math
from typing import List, NamedTuple, Tuple

import cv2
import numpy as np

from emomask.errors import SourceError
from emomask.faces import Box

WIDTH, HEIGHT = 640, 480
RATE = 30.0
FRAMES = 300

# In the astronaut picture (512x512, RGB), in pixels: the face from ear to ear and from hairline to chin, ...
_FACE = Box(174, 64, 276, 180)
# ... and the outline of head and shoulders, which end below the collar in a fade between the two rows.
_OUTLINE = (
    (233, 15), (210, 20), (195, 30), (187, 40), (168, 49), (155, 66), (153, 87), (159, 104), (171, 119), (175, 131),
    (182, 135), (183, 149), (160, 149), (140, 157), (124, 174), (113, 188), (113, 205), (100, 213), (84, 222),
    (60, 300), (372, 300), (350, 286), (330, 262), (308, 238), (303, 220), (297, 203), (280, 183), (257, 172),
    (263, 152), (269, 137), (279, 136), (289, 127), (298, 110), (302, 83), (297, 60), (284, 37), (267, 24), (250, 17),
)  # fmt: skip
_FADE = (218, 276)
_SPRITE = Box(60, 6, 372, 280)

_SCENE_FRAMES = 75
_CROSSFADE_FRAMES = 12


class _Pose(NamedTuple):
    """Where a face is at a time: seconds, centre in pixels of the frame, face height in pixels, roll in degrees."""

    time: float
    x: float
    y: float
    height: float
    roll: float


# One line an actor: is it mirrored, and its poses. It is on stage from its first to its last pose, and both of these
# lie outside the frame unless they are the clip's first or last.
_ACTORS = (
    (
        False,
        (
            _Pose(0.0, 40, 250, 120, -10),
            _Pose(1.3, 330, 240, 220, 8),
            _Pose(2.8, 180, 200, 130, -25),
            _Pose(4.2, 130, 260, 105, 12),
            _Pose(5.6, 150, 170, 80, 25),
            _Pose(7.2, 110, 230, 110, -8),
            _Pose(8.6, 330, 230, 200, 0),
            _Pose(10.0, 620, 260, 120, 18),
        ),
    ),
    (
        True,
        (
            _Pose(2.0, 800, 200, 110, 0),
            _Pose(3.4, 480, 180, 100, 20),
            _Pose(4.6, 500, 130, 62, -15),
            _Pose(6.0, 545, 240, 95, 5),
            _Pose(7.6, 850, 260, 150, -12),
        ),
    ),
    (
        False,
        (
            _Pose(4.4, 330, -120, 75, 10),
            _Pose(5.4, 335, 110, 90, -12),
            _Pose(6.4, 345, 300, 125, 15),
            _Pose(7.6, 350, 640, 140, -5),
        ),
    ),
)


class DemoClip:
    """Draws the frames of the demo clip; a frame depends on its index alone.

    Raises SourceError when scikit-image is not installed.
    """

    def __init__(self):
        try:
            from skimage import data
        except ImportError as error:
            raise SourceError(
                "The demo clip needs scikit-image (%s): pip install scikit-image, or choose another source." % error
            ) from error
        sprite = _cut_out(data.astronaut())
        # Halves of halves, so that shrinking a face does not alias.
        self._sprites = [sprite]
        while self._sprites[-1].shape[0] > 100:
            self._sprites.append(cv2.resize(self._sprites[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
        self._scenes = [
            _scene(data.coffee()),
            _scene(_tinted(data.brick(), (1.0, 0.85, 0.75))),
            _scene(data.rocket()),
            _scene(_tinted(data.grass(), (0.75, 0.95, 0.6))),
        ]

    def frame(self, index: int) -> np.ndarray:
        """Frame ``index`` (0..299; others wrap around) as a new uint8 ``(480, 640, 3)`` BGR array."""
        index %= FRAMES
        image = self._background(index)
        for mirrored, pose in sorted(_on_stage(index), key=lambda actor: actor[1].height):
            self._draw(image, mirrored, pose)
        return image

    def _background(self, index: int) -> np.ndarray:
        number, within = divmod(index, _SCENE_FRAMES)
        image = _panned(self._scenes[number], index).copy()
        into_next = within - (_SCENE_FRAMES - _CROSSFADE_FRAMES)
        if into_next > 0:
            following = _panned(self._scenes[(number + 1) % len(self._scenes)], index)
            share = into_next / _CROSSFADE_FRAMES
            image = cv2.addWeighted(image, 1 - share, following, share, 0)
        return image

    def _draw(self, image: np.ndarray, mirrored: bool, pose: _Pose) -> None:
        scale = pose.height / _FACE.height
        level = min(max(0, int(-math.log2(scale))), len(self._sprites) - 1)
        sprite = self._sprites[level]
        # From sprite pixels to picture pixels, with the face's centre at the origin, then to the frame.
        shrunk = _SPRITE.width / sprite.shape[1]
        centre_x, centre_y = _FACE.center
        angle = math.radians(pose.roll)
        flip = -1.0 if mirrored else 1.0
        rotation = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        matrix = rotation @ np.diag([flip * shrunk, shrunk])
        offset = rotation @ np.array([flip * (_SPRITE.left - centre_x), _SPRITE.top - centre_y]) + (pose.x, pose.y)
        high, wide = sprite.shape[:2]
        corners = np.array([[0, 0], [wide, 0], [wide, high], [0, high]]) @ matrix.T + offset
        left, top = np.maximum(np.floor(corners.min(axis=0)), 0).astype(int)
        right, bottom = np.minimum(np.ceil(corners.max(axis=0)), (WIDTH, HEIGHT)).astype(int)
        if left >= right or top >= bottom:
            return
        affine = np.column_stack([matrix, offset - (left, top)])
        warped = cv2.warpAffine(sprite, affine, (int(right - left), int(bottom - top)), flags=cv2.INTER_LINEAR)
        region = image[top:bottom, left:right]
        uncovered = cv2.cvtColor(cv2.bitwise_not(warped[:, :, 3]), cv2.COLOR_GRAY2BGR)
        cv2.add(cv2.multiply(region, uncovered, scale=1 / 255), cv2.cvtColor(warped, cv2.COLOR_BGRA2BGR), dst=region)


def true_faces(index: int) -> List[Box]:
    """The boxes of the faces in frame ``index``, from ear to ear and from hairline to chin, clipped to the frame."""
    frame = Box(0, 0, WIDTH, HEIGHT)
    faces = []
    for _, pose in _on_stage(index % FRAMES):
        angle = math.radians(pose.roll)
        half_high = pose.height / 2
        half_wide = half_high * _FACE.width / _FACE.height
        # The box around an ellipse that is turned by the roll.
        x = math.hypot(half_wide * math.cos(angle), half_high * math.sin(angle))
        y = math.hypot(half_wide * math.sin(angle), half_high * math.cos(angle))
        box = Box(pose.x - x, pose.y - y, pose.x + x, pose.y + y).intersection(frame)
        if box.left < box.right and box.top < box.bottom:
            faces.append(box)
    return faces


def _on_stage(index: int) -> List[Tuple[bool, _Pose]]:
    time = index / RATE
    return [(mirrored, _between(poses, time)) for mirrored, poses in _ACTORS if poses[0].time <= time <= poses[-1].time]


def _between(poses: Tuple[_Pose, ...], time: float) -> _Pose:
    """The pose at ``time``, moved along smoothly from pose to pose."""
    after = next(number for number, pose in enumerate(poses) if number and time <= pose.time)
    start, end = poses[after - 1], poses[after]
    share = (time - start.time) / (end.time - start.time)
    share = share * share * (3 - 2 * share)
    return _Pose(*((1 - share) * one + share * other for one, other in zip(start, end)))


def _cut_out(picture: np.ndarray) -> np.ndarray:
    """Head and shoulders of the astronaut, uint8 BGRA with the colours multiplied by alpha, of the ``_SPRITE`` box."""
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.array(_OUTLINE, np.int32)], 255, lineType=cv2.LINE_AA)
    # Narrower by the blur's reach, or a rim of the astronaut's bright background would come along.
    mask = cv2.erode(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7)))
    alpha = cv2.GaussianBlur(mask, (0, 0), 1.5).astype(np.float32) / 255
    rows = np.arange(picture.shape[0], dtype=np.float32)
    alpha *= np.clip((_FADE[1] - rows) / (_FADE[1] - _FADE[0]), 0, 1)[:, None]
    colours = picture[:, :, ::-1].astype(np.float32) * alpha[:, :, None]
    sprite = np.dstack([colours, 255 * alpha]).round().astype(np.uint8)
    left, top, right, bottom = (int(edge) for edge in _SPRITE)
    return np.ascontiguousarray(sprite[top:bottom, left:right])


def _tinted(grey: np.ndarray, colour: Tuple[float, float, float]) -> np.ndarray:
    """A grey picture ``(H, W)`` as RGB ``(H, W, 3)`` uint8, each channel weakened by its factor."""
    return (grey[:, :, None] * np.array(colour, np.float32)).astype(np.uint8)


def _scene(picture: np.ndarray) -> np.ndarray:
    """An RGB picture as a slightly blurred BGR background, a quarter larger than the frame so that it can be panned."""
    wide, high = WIDTH * 5 // 4, HEIGHT * 5 // 4
    scale = max(wide / picture.shape[1], high / picture.shape[0])
    large = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)[:high, :wide, ::-1]
    return cv2.GaussianBlur(large, (0, 0), 1.5)


def _panned(scene: np.ndarray, index: int) -> np.ndarray:
    """The part of a scene that frame ``index`` shows; the camera pans in a circle, once around in a clip."""
    turn = 2 * math.pi * index / FRAMES
    x = round((scene.shape[1] - WIDTH) * (0.5 + 0.5 * math.cos(turn)))
    y = round((scene.shape[0] - HEIGHT) * (0.5 + 0.5 * math.sin(turn)))
    return scene[y : y + HEIGHT, x : x + WIDTH]
