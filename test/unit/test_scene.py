"""Where another scene begins, and where the camera is jolted."""

import cv2
import numpy as np
import pytest

from emomask.perception.scene import Change, SceneChanges


def changes(*frames):
    scenes = SceneChanges()
    return [scenes.next(frame) for frame in frames]


def cuts(*frames):
    return [change.is_cut for change in changes(*frames)]


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


@pytest.mark.parametrize("x, y", [(120, 0), (-90, 60), (0, -130)])
@pytest.mark.parametrize("light", [1.0, 0.6])
def test_a_jolt_is_told_with_its_shift(astronaut, x, y, light):
    # Two views of one picture: the camera is knocked aside and sees what is beside the first view, too.
    scene = cv2.resize(astronaut, (960, 960))
    before, after = (scene[200 - top : 680 - top, 150 - left : 790 - left] for left, top in ((0, 0), (x, y)))
    _, jolt, still = changes(before, np.uint8(after * light), np.uint8(after * light))
    assert not jolt.is_cut and (jolt.x, jolt.y) == (pytest.approx(x, abs=6), pytest.approx(y, abs=6))
    assert still == Change(is_calm=True)


@pytest.mark.parametrize("size", [(1920, 1080), (2591, 1943)])
def test_a_large_frame_is_judged_as_a_small_one(astronaut, size):
    scene = cv2.resize(astronaut, (960, 960))
    views = (scene[200:680, 150:790], scene[200:680, 60:700], gradient())
    changed = changes(*(cv2.resize(view, size) for view in views))
    assert [change.is_cut for change in changed] == [False, False, True]
    assert changed[1].x == pytest.approx(90 * size[0] / 640, rel=0.06) and abs(changed[1].y) < 0.01 * size[1]


def test_what_moves_before_a_still_camera_is_no_jolt(astronaut):
    board = astronaut.copy()
    board[:, 100:300] = np.where(np.arange(512) // 12 % 2, 90, 160)[:, None, None]
    assert changes(astronaut, board, astronaut) == [Change()] * 3


def test_a_picture_in_which_only_something_small_moves_is_calm(astronaut):
    person = astronaut.copy()
    person[300:360, 20:60] = 128
    assert [change.is_calm for change in changes(astronaut, astronaut, person, astronaut)] == [False, True, True, True]


def test_a_camera_that_is_turned_or_moved_is_not(astronaut):
    for moved in (np.roll(astronaut, 60, axis=1), np.rot90(astronaut), cv2.resize(astronaut, None, fx=1.5, fy=1.5)):
        assert not changes(astronaut, np.ascontiguousarray(moved[:512, :512]))[1].is_calm
