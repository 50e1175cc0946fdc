"""Tracks over a whole video: forwards as in a stream, and backwards."""

import numpy as np
import pytest
from test_geometry import turned_face

from emomask import Face, Settings
from emomask.masks.region import face_box
from emomask.perception.follow import Sight, backwards, forwards
from emomask.perception.scene import Change

RATE = 10.0
SIZE = 200, 300
HAPPY, SAD = np.eye(7, dtype=np.float32)[[3, 4]]


def a_face(x, score=0.9, track_id=0, held=False, emotion="happy", probabilities=None):
    points = turned_face(x, 100, 40, 0)
    values = np.full(7, 1 / 7, np.float32) if probabilities is None else probabilities
    return Face(face_box(points), points, score, emotion, values, track_id, held=held)


def followed(script, **settings):
    """The faces to cover in each frame, where the networks saw what ``script`` says.

    It has for each frame pairs of place and score, or a text: why the frame failed.
    """
    sights = []
    for index, seen in enumerate(script):
        failed = isinstance(seen, str)
        faces = [] if failed else [a_face(*values) for values in seen]
        sights.append(Sight(index / RATE, faces, seen if failed else None))
    there = list(forwards(Settings(**settings), SIZE, sights))
    back = list(backwards(Settings(**settings), SIZE, reversed(there)))[::-1]
    assert [(sight.time, sight.error) for sight in back] == [(sight.time, sight.error) for sight in sights]
    return [sight.faces for sight in back]


def test_weak_detections_before_the_first_strong_one_are_covered():
    script = [[], [], [(100, 0.1)], [(102, 0.1)], [(104, 0.9)], [(106, 0.9)], [(108, 0.9)], [(110, 0.9)]]
    frames = followed(script, hold=0.1)
    assert [len(faces) for faces in frames[2:]] == [1] * 6
    assert not frames[2][0].held and frames[2][0].track_id == frames[4][0].track_id
    assert frames[2][0].box.center[0] == pytest.approx(100, abs=1)


def test_a_face_is_covered_for_a_while_before_it_is_found():
    script = [[]] * 20 + [[(100 + 2 * step, 0.9)] for step in range(10)]
    frames = followed(script, hold=0.5)
    assert [len(faces) for faces in frames] == [0] * 15 + [1] * 15
    before = frames[18][0]
    # It comes from the left with 20 pixels a second: it was expected further left.
    assert before.held and before.box.center[0] < 100 and before.track_id == frames[25][0].track_id


def test_a_gap_is_covered_from_both_sides():
    script = [[(50, 0.9)]] * 8 + [[]] * 4 + [[(70, 0.9)]] * 8
    frames = followed(script, hold=1.0)
    assert [len(faces) for faces in frames] == [1] * 20
    assert len({faces[0].track_id for faces in frames}) == 1
    middle = frames[9][0]
    assert middle.held
    for x in (50, 70):
        wanted = a_face(x).box
        assert middle.box.intersection(wanted).area > 0.9 * wanted.area


def test_a_face_that_a_jolt_brings_is_covered_where_it_will_be_found():
    # The camera is jolted by 100 pixels before frame 5; the face is missed there and found two frames later.
    found = [60] * 5 + [None] * 2 + [160] * 5
    jolt = Change(x=100.0)
    sights = [
        Sight(index / RATE, [a_face(place)] if place else [], change=jolt if index == 5 else Change())
        for index, place in enumerate(found)
    ]
    there = list(forwards(Settings(), SIZE, sights))
    back = list(backwards(Settings(), SIZE, reversed(there)))[::-1]
    assert {face.track_id for sight in back for face in sight.faces} == {1}
    for sight in back[5:7]:
        assert sight.faces[0].box.intersection(a_face(160).box).area > 0.9 * a_face(160).box.area
    # Seen backwards alone, too: the face was missed before the jolt.
    sights[:5] = [Sight(index / RATE, []) for index in range(5)]
    there = list(forwards(Settings(), SIZE, sights))
    back = list(backwards(Settings(), SIZE, reversed(there)))[::-1]
    assert back[4].faces[0].box.center[0] == pytest.approx(60, abs=2)


def test_two_faces_stay_apart():
    script = [[(60, 0.9), (220, 0.9)]] * 5 + [[(60, 0.9)]] * 3 + [[(60, 0.9), (220, 0.9)]] * 5
    frames = followed(script)
    assert all(len(faces) == 2 for faces in frames)
    assert {tuple(face.track_id for face in faces) for faces in frames} == {(1, 2)}


def test_a_frame_that_fails_is_no_gap_for_the_others():
    script = [[(60, 0.9)]] * 4 + ["broken"] + [[(60, 0.9)]] * 4
    frames = followed(script)
    assert [len(faces) for faces in frames[:4] + frames[5:]] == [1] * 8
    assert len({faces[0].track_id for faces in frames[:4] + frames[5:]}) == 1


def test_nothing_found_is_nothing_covered():
    assert followed([[]] * 5) == [[]] * 5


def test_emotions_are_smoothed_and_kept_where_none_was_looked_at():
    unfelt = np.full(7, np.nan, np.float32)
    felt = [HAPPY, unfelt, SAD, unfelt, *[SAD] * 12]
    sights = [Sight(index / RATE, [a_face(60, probabilities=values)]) for index, values in enumerate(felt)]
    faces = [sight.faces[0] for sight in forwards(Settings(smoothing=0.5), SIZE, sights)]
    assert [face.emotion for face in faces[:4]] == ["happy"] * 4 and faces[-1].emotion == "sad"
    for face in faces:
        assert face.probabilities.sum() == pytest.approx(1, abs=1e-5)
    assert np.array_equal(faces[1].probabilities, HAPPY) and 0 < faces[3].probabilities[4] < 0.5
