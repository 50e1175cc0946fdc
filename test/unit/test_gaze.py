import numpy as np
import pytest

from emomask import Settings
from emomask.perception.gaze import CLOSE_EVERY, Gaze, Look


def looks(times):
    gaze = Gaze()
    return "".join("C" if gaze.next(time) is Look.CLOSE else "g" for time in times)


@pytest.mark.parametrize(
    "rate, expected", [(60, "CggCggC"), (30, "CggCggC"), (15, "CggCggC"), (10, "CgCgCgC"), (5, "CCCCCCC")]
)
def test_a_stream_is_looked_at_closely_now_and_then_and_a_slow_one_more_often(rate, expected):
    assert looks(np.arange(7) / rate) == expected


def test_a_frame_that_waits_sees_a_close_look():
    assert CLOSE_EVERY <= Settings().lookahead + 1


def test_another_scene_is_looked_at_closely_at_once():
    gaze = Gaze()
    cuts = [False, True, False, False, False, True, True]
    found = [gaze.next(index / 30, is_cut) is Look.CLOSE for index, is_cut in enumerate(cuts)]
    assert found == [True, True, False, False, True, True, True]


def test_a_clock_that_jumps_back_is_followed_by_a_close_look():
    assert looks([10.0, 10.03, 2.0, 2.03, 2.06, 2.09]) == "CgCggC"


@pytest.mark.parametrize(
    "height, width, picture, close, glance",
    [
        (480, 640, 640, 640, 320),
        (640, 480, 640, 640, 320),
        (240, 320, 320, 320, 320),
        (100, 200, 200, 200, 200),
        (720, 1280, 1280, 739, 369),
        (1080, 1920, 1280, 739, 369),
    ],
)
def test_at_what_size_faces_are_sought(height, width, picture, close, glance):
    assert [look.size(height, width) for look in (Look.PICTURE, Look.CLOSE, Look.GLANCE)] == [picture, close, glance]
