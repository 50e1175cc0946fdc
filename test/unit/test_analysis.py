import numpy as np
import pytest
from test_geometry import turned_face

from emomask import Face, Settings
from emomask.masks.region import face_box
from emomask.offline.analysis import Analysis
from emomask.offline.face_log import FaceLog
from emomask.perception.tracking import Tracker

RATE = 10.0
BLANK = np.zeros((200, 300, 3), np.uint8)


def a_face(x, score=0.9, track_id=0, held=False, emotion="happy"):
    points = turned_face(x, 100, 40, 0)
    return Face(face_box(points), points, score, emotion, np.full(7, 1 / 7, np.float32), track_id, held=held)


class Scripted:
    """A masker whose detector finds what the test says, frame by frame: pairs of place and score, or an exception."""

    def __init__(self, script, settings=None):
        self.settings = settings or Settings()
        self._script = iter(script)

    def reset(self):
        self._tracker = Tracker(self.settings)

    def perceive(self, frame, time):
        seen = next(self._script)
        if isinstance(seen, Exception):
            raise seen
        found = [a_face(x, score) for x, score in seen]
        tracks = self._tracker.update(found, time, frame.shape[:2])
        return found + [track.face for track in tracks if track.face.held]


def analysed(script, **settings):
    with Analysis(Scripted(script, Settings(**settings))) as analysis:
        for _ in analysis.look((BLANK, index / RATE) for index in range(len(script))):
            pass
        return [analysis.faces(index) for index in range(len(script))], dict(analysis.failures)


def test_a_log_gives_back_what_it_took():
    with FaceLog() as log:
        kept = [[a_face(50, 0.5, 3)], [], [a_face(80, 0.7, 1, True, "fear"), a_face(90, 0.25, 0)]]
        for faces in kept:
            log.append(faces)
        assert len(log) == 3
        for number in (2, 0, 1, 2):
            back = log[number]
            assert len(back) == len(kept[number])
            for first, second in zip(back, kept[number]):
                assert first.box == pytest.approx(second.box) and np.array_equal(first.landmarks, second.landmarks)
                assert (first.track_id, first.held, first.emotion) == (second.track_id, second.held, second.emotion)
                assert first.score == pytest.approx(second.score)
                assert np.array_equal(first.probabilities, second.probabilities)
        with pytest.raises(IndexError):
            log[3]


def test_weak_detections_before_the_first_strong_one_are_covered():
    script = [[], [], [(100, 0.1)], [(102, 0.1)], [(104, 0.9)], [(106, 0.9)], [(108, 0.9)], [(110, 0.9)]]
    frames, _ = analysed(script, hold=0.1)
    assert [len(faces) for faces in frames[2:]] == [1] * 6
    assert not frames[2][0].held and frames[2][0].track_id == frames[4][0].track_id
    assert frames[2][0].box.center[0] == pytest.approx(100, abs=1)


def test_a_face_is_covered_for_a_while_before_it_is_found():
    script = [[]] * 20 + [[(100 + 2 * step, 0.9)] for step in range(10)]
    frames, _ = analysed(script, hold=0.5)
    assert [len(faces) for faces in frames] == [0] * 15 + [1] * 15
    before = frames[18][0]
    # It comes from the left with 20 pixels a second: it was expected further left.
    assert before.held and before.box.center[0] < 100 and before.track_id == frames[25][0].track_id


def test_a_gap_is_covered_from_both_sides():
    script = [[(50, 0.9)]] * 8 + [[]] * 4 + [[(70, 0.9)]] * 8
    frames, _ = analysed(script, hold=1.0)
    assert [len(faces) for faces in frames] == [1] * 20
    assert len({faces[0].track_id for faces in frames}) == 1
    middle = frames[9][0]
    assert middle.held
    for x in (50, 70):
        wanted = a_face(x).box
        assert middle.box.intersection(wanted).area > 0.9 * wanted.area


def test_two_faces_stay_apart():
    script = [[(60, 0.9), (220, 0.9)]] * 5 + [[(60, 0.9)]] * 3 + [[(60, 0.9), (220, 0.9)]] * 5
    frames, _ = analysed(script)
    assert all(len(faces) == 2 for faces in frames)
    assert {tuple(face.track_id for face in faces) for faces in frames} == {(1, 2)}


def test_a_frame_that_fails_is_named_and_the_others_are_done():
    script = [[(60, 0.9)]] * 4 + [ValueError("broken")] + [[(60, 0.9)]] * 4
    frames, failures = analysed(script)
    assert failures == {4: "ValueError: broken"}
    assert all(len(faces) == 1 for index, faces in enumerate(frames) if index != 4)


def test_nothing_found_is_nothing_covered():
    frames, failures = analysed([[]] * 5)
    assert frames == [[]] * 5 and not failures


def test_the_real_masker_is_looked_back_upon(stream_masker, astronaut):
    """A face that is strong only later: the first frames show it under a veil."""
    veil = np.full_like(astronaut, 128)
    frames = [(veil + (astronaut.astype(float) - 128) * share / 10).astype(np.uint8) for share in range(1, 11)]
    with Analysis(stream_masker) as analysis:
        for _ in analysis.look((frame, index / 25) for index, frame in enumerate(frames)):
            pass
        forwards = sum(any(face.track_id for face in analysis._forwards[index]) for index in range(10))
        both = [len(analysis.faces(index)) for index in range(10)]
    assert both == sorted(both) and sum(both) >= forwards and both[-1] == 1
