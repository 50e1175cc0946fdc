"""Where another scene begins."""

import numpy as np
import pytest

from emomask.perception.scene import SceneCuts


def cuts(*frames):
    scenes = SceneCuts()
    return [scenes.is_next(frame) for frame in frames]


def gradient(height=480, width=640, axis=1):
    line = np.linspace(0, 255, (height, width)[axis]).astype(np.uint8)
    plane = np.broadcast_to(line[None, :] if axis else line[:, None], (height, width))
    return np.repeat(plane[..., None], 3, axis=2)


def test_other_pictures_are_other_scenes(astronaut):
    upright = gradient(axis=0)
    assert cuts(gradient(), gradient(), upright, upright, astronaut, astronaut) == [
        False, False, True, False, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize("light", [0.1, 0.5, 3.0])
def test_another_light_is_none(astronaut, light):
    other = np.clip(astronaut * light, 0, 255).astype(np.uint8)
    assert cuts(astronaut, other, astronaut) == [False] * 3


def test_a_shaken_camera_is_none(astronaut):
    shaken = [np.roll(astronaut, shift, (0, 1)) for shift in ((0, 0), (9, -7), (-8, 8), (5, 9))]
    assert cuts(*shaken) == [False] * 4


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_even_picture_is_none(astronaut, level):
    even = np.full_like(astronaut, level)
    assert cuts(astronaut, even, even, astronaut) == [False] * 4
