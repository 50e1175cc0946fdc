import numpy as np
import pytest

from emomask import Settings
from emomask.perception.gaze import Gaze, Look

LETTERS = {Look.CLOSE: "C", Look.GLANCE: "g", None: "-"}


def looks(times, cuts=(), rests=()):
    """A letter for each of ``times``; ``cuts``, ``rests``: where another scene begins, where a frame may rest."""
    gaze = Gaze()
    return "".join(LETTERS[gaze.next(time, index in cuts, index in rests)] for index, time in enumerate(times))


@pytest.mark.parametrize(
    "rate, expected", [(60, "CggCggC"), (30, "CggCggC"), (15, "CggCggC"), (10, "CgCgCgC"), (5, "CCCCCCC")]
)
def test_a_stream_is_looked_at_closely_now_and_then_and_a_slow_one_more_often(rate, expected):
    assert looks(np.arange(7) / rate) == expected


@pytest.mark.parametrize(
    "rate, expected",
    [(60, "C-g-C-g-C"), (30, "C-g-C-g-C"), (25, "C-g-C-g-C"), (15, "C-gC-gC-g"), (10, "CgCgCgCgC"), (5, "CCCCCCCCC")],
)
def test_while_the_picture_is_calm_every_second_frame_of_a_quick_stream_is_not_looked_at(rate, expected):
    assert looks(np.arange(9) / rate, rests=range(9)) == expected


@pytest.mark.parametrize("rate", [15, 24, 30, 50, 60])
def test_whatever_moves_when_a_frame_that_waits_sees_a_close_look_and_both_neighbours_of_a_rest_are_looked_at(rate):
    random = np.random.default_rng(0)
    for _ in range(100):
        found = looks(np.arange(30) / rate, rests=np.flatnonzero(random.integers(0, 2, 30)))
        assert "--" not in found
        for start in range(30 - Settings().lookahead):
            assert "C" in found[start : start + Settings().lookahead + 1], found


def test_another_scene_is_looked_at_closely_at_once():
    assert looks(np.arange(7) / 30, cuts=(1, 5, 6), rests=range(7)) == "CC-g-CC"


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
