"""Doubt: what the looks right before do not show counts for less."""

import pytest

from emomask.faces import Box
from emomask.perception.detection import Detection
from emomask.perception.doubt import BELIEVED, MEMORY, Doubt
from emomask.perception.gaze import Look
from emomask.perception.scene import Change

HERE, THERE = Box(100, 100, 140, 150), Box(300, 100, 340, 150)
PERIOD = 1 / 30
UNCHANGED = Change()


def scores(looks, change=UNCHANGED, period=PERIOD):
    """The scores after the last of ``looks``: pairs of how closely it was looked and which boxes were found, all 0.4.

    ``change``: how the last frame goes on from the one before it.
    """
    doubt = Doubt()
    for index, (look, boxes) in enumerate(looks):
        is_last = index == len(looks) - 1
        found = [Detection(box, 0.4) for box in boxes]
        weighed = doubt.weighed(found, index * period, look, change if is_last else UNCHANGED)
    assert [one.box for one in weighed] == looks[-1][1]
    return pytest.approx([one.score / 0.4 for one in weighed])


def test_the_first_frame_is_believed():
    assert scores([(Look.CLOSE, [HERE, THERE])]) == [1, 1]


def test_what_the_frame_before_shows_is_believed_even_if_it_has_moved_a_little():
    assert scores([(Look.CLOSE, [HERE]), (Look.GLANCE, [HERE.moved(12, 8)])]) == [1]


def test_what_is_new_is_doubted():
    assert scores([(Look.CLOSE, [HERE]), (Look.GLANCE, [HERE, THERE])]) == [1, BELIEVED]


def test_a_glance_is_doubted_by_the_last_close_look_too():
    empty, one = (Look.CLOSE, []), (Look.GLANCE, [HERE])
    assert scores([empty, one]) == [BELIEVED]
    assert scores([empty, one, one]) == [BELIEVED]
    assert scores([empty, (Look.GLANCE, []), one]) == [BELIEVED**2]
    assert scores([(Look.CLOSE, [HERE]), (Look.GLANCE, []), one]) == [BELIEVED]


def test_a_close_look_is_doubted_by_the_frame_before_only():
    assert scores([(Look.CLOSE, []), (Look.GLANCE, []), (Look.CLOSE, [HERE])]) == [BELIEVED]
    assert scores([(Look.CLOSE, []), (Look.GLANCE, [HERE]), (Look.CLOSE, [HERE])]) == [1]


def test_another_scene_is_believed():
    assert scores([(Look.CLOSE, []), (Look.CLOSE, [HERE])], Change(is_cut=True)) == [1]


def test_a_jolt_of_the_camera_is_followed():
    looks = [(Look.CLOSE, [HERE]), (Look.GLANCE, [HERE]), (Look.GLANCE, [HERE.moved(-150, 60)])]
    assert scores(looks, Change(x=-150, y=60)) == [1]
    assert scores(looks) == [BELIEVED**2]


def test_what_was_seen_long_ago_is_no_reason_for_doubt():
    assert scores([(Look.CLOSE, []), (Look.CLOSE, [HERE])], period=2 * MEMORY) == [1]


def test_a_clock_that_jumps_back_forgets():
    doubt = Doubt()
    doubt.weighed([], 10.0, Look.CLOSE, Change())
    assert doubt.weighed([Detection(HERE, 0.4)], 2.0, Look.CLOSE, Change())[0].score == 0.4
