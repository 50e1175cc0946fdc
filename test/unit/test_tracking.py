import numpy as np
import pytest
from test_geometry import turned_face

from emomask import EMOTIONS, Face, Settings
from emomask.masks.region import face_box
from emomask.perception.detection import Detection
from emomask.perception.scene import Change
from emomask.perception.tracking import Tracker

SIZE = (480, 640)


def face_at(x, y, width=60, score=0.9):
    points = turned_face(x, y, width, 0)
    return Face(face_box(points), points, score)


def run(tracker, frames, rate=30.0, start=0.0):
    """Feed lists of faces, one a frame; return the faces to cover in each."""
    return [
        [track.face for track in tracker.update(faces, start + index / rate, SIZE)]
        for index, faces in enumerate(frames)
    ]


def test_a_moving_face_keeps_its_id():
    tracks = run(Tracker(Settings()), [[face_at(100 + 8 * index, 200)] for index in range(40)])
    assert {face.track_id for faces in tracks for face in faces} == {1}


def test_two_faces_that_swap_order_keep_their_ids():
    frames = [[face_at(100 + 5 * index, 100), face_at(500 - 5 * index, 300)] for index in range(60)]
    frames = [faces if index % 2 else faces[::-1] for index, faces in enumerate(frames)]
    tracks = run(Tracker(Settings()), frames)
    upper = {face.track_id for faces in tracks for face in faces if face.box.center[1] < 200}
    assert len(upper) == 1 and len({face.track_id for faces in tracks for face in faces}) == 2


def test_a_missed_face_is_held_where_it_is_heading():
    frames = [[face_at(100 + 6 * index, 200)] for index in range(20)] + [[] for _ in range(8)]
    tracks = run(Tracker(Settings()), frames)
    for index in range(20, 28):
        (face,) = tracks[index]
        true = face_at(100 + 6 * index, 200).box
        assert face.held and face.track_id == 1
        assert face.box.intersection(true).area > 0.75 * true.area


def test_a_held_face_returns_as_itself():
    frames = [[face_at(200, 200)]] * 10 + [[]] * 10 + [[face_at(205, 200)]] * 3
    tracks = run(Tracker(Settings()), frames)
    assert [face.track_id for face in tracks[-1]] == [1] and not tracks[-1][0].held


@pytest.mark.parametrize("hold, held", [(0.0, 0), (0.5, 15), (1.0, 30)])
def test_hold_is_given_in_seconds(hold, held):
    frames = [[face_at(200, 200)]] * 10 + [[]] * 60
    tracks = run(Tracker(Settings(hold=hold)), frames)
    assert sum(len(faces) for faces in tracks[10:]) == pytest.approx(held, abs=1)


def test_a_single_false_alarm_does_not_linger():
    tracks = run(Tracker(Settings(hold=1.0)), [[face_at(200, 200)]] + [[]] * 60)
    assert sum(len(faces) for faces in tracks[1:]) <= 9


def test_a_face_that_has_left_the_frame_is_forgotten():
    frames = [[face_at(600 + 15 * index, 200)] for index in range(5)] + [[] for _ in range(20)]
    tracks = run(Tracker(Settings(hold=10.0)), frames)
    assert tracks[-1] == []


@pytest.mark.parametrize("beyond, held", [(5, 1), (40, 0)])
def test_a_face_that_is_expected_just_beyond_the_edge_stays_covered(beyond, held):
    tracker = Tracker(Settings())
    box = face_at(300, 200).box
    # It leaves without being found any more: moved there as by a jolt of the camera.
    run(tracker, [[face_at(300, 200)]] * 10)
    tracker.move(-beyond - box.right, 0)
    assert len(run(tracker, [[]], start=10 / 30)[0]) == held


def test_a_weak_detection_continues_a_face_but_starts_none():
    settings = Settings(detection_threshold=0.3)
    weak = 0.5 * (Tracker(settings).threshold + 0.3)
    assert run(Tracker(settings), [[face_at(200, 200, score=weak)]] * 5)[-1] == []
    tracks = run(Tracker(settings), [[face_at(200, 200)]] + [[face_at(202, 200, score=weak)]] * 60)
    assert not tracks[-1][0].held and tracks[-1][0].track_id == 1


def test_weak_detections_continue_no_face_that_was_never_sure():
    settings = Settings(detection_threshold=0.3, hold=0.5)
    weak = [[face_at(202, 200, score=0.2)]] * 60
    assert run(Tracker(settings), [[face_at(200, 200, score=0.31)]] * 10 + weak)[-1] == []
    assert len(run(Tracker(settings), [[face_at(200, 200, score=0.61)]] * 10 + weak)[-1]) == 1
    tracker = Tracker(settings)
    run(tracker, [[face_at(200, 200, score=0.31)]])
    box = face_at(200, 200).box
    assert tracker.matters(0.3, box, 0.03) and not tracker.matters(0.29, box, 0.03)


def test_only_detections_that_can_become_or_continue_a_face_matter():
    tracker = Tracker(Settings(detection_threshold=0.3))
    face = face_at(200, 200)
    near, far = face.box.moved(20, 0), face.box.moved(200, 0)
    assert tracker.matters(0.3, far, 0.0) and not tracker.matters(0.2, near, 0.0)
    run(tracker, [[face]])
    assert tracker.matters(0.2, near, 0.03) and not tracker.matters(0.2, far, 0.03)


def test_a_weak_detection_matters_where_no_strong_one_is_the_face():
    tracker = Tracker(Settings(detection_threshold=0.3))
    left, right = face_at(200, 200), face_at(240, 200)
    run(tracker, [[left, right]])
    strong = Detection(left.box, 0.9)
    # Beside the strong one of its own face a weak one is of no use, beside that of another face it is.
    assert tracker.mattering([strong, Detection(right.box, 0.9), Detection(left.box.moved(8, 0), 0.2)], 0.03) == [
        strong,
        Detection(right.box, 0.9),
    ]
    weak = Detection(right.box.moved(4, 0), 0.2)
    assert tracker.mattering([strong, weak], 0.03) == [strong, weak]
    assert tracker.mattering([weak, Detection(right.box.moved(300, 0), 0.2)], 0.03) == [weak]
    assert Tracker(Settings()).mattering([strong, weak], 0.03) == [strong, weak]


def test_a_face_far_away_is_another_one():
    tracks = run(Tracker(Settings()), [[face_at(100, 100)], [face_at(500, 400)]])
    assert {face.track_id for face in tracks[-1]} == {1, 2}


def test_a_held_region_grows():
    tracks = run(Tracker(Settings()), [[face_at(300, 200)]] * 10 + [[]] * 20)
    areas = [faces[0].box.area for faces in tracks[9:]]
    assert areas == sorted(areas) and areas[-1] > 1.2 * areas[0]


def test_a_face_that_was_not_looked_for_goes_on_as_large_as_it_was_and_grows_when_it_is_not_found():
    tracker = Tracker(Settings())
    tracks = run(tracker, [[face_at(100 + 6 * index, 200)] for index in range(10)])
    size = tracks[-1][0].box.width
    widths = []
    for index, is_look in ((10, False), (11, True), (12, False)):
        (track,) = tracker.update([], index / 30, SIZE, is_look)
        assert track.face.held and track.face.box.center[0] == pytest.approx(100 + 6 * index, abs=6)
        widths.append(track.face.box.width)
    assert widths[0] == pytest.approx(size)
    assert widths[0] < widths[1] < widths[2]


def test_landmarks_of_a_held_face_are_a_start_for_those_of_the_same_one():
    tracker = Tracker(Settings())
    run(tracker, [[face_at(200, 200)]] * 5 + [[]])
    landmarks = tracker.landmarks_near(face_at(203, 200).box, 6 / 30)
    np.testing.assert_allclose(landmarks, face_at(200, 200).landmarks, atol=1)
    assert tracker.landmarks_near(face_at(400, 200).box, 6 / 30) is None


def probabilities(emotion, strength=0.9):
    values = np.full(7, (1 - strength) / 6, np.float32)
    values[EMOTIONS.index(emotion)] = strength
    return values


def shown(settings, sequence, rate=30.0):
    tracker, names = Tracker(settings), []
    for index, values in enumerate(sequence):
        (track,) = tracker.update([face_at(200, 200)], index / rate, SIZE)
        tracker.feel([track], values[None], index / rate)
        names.append(track.face.emotion)
        assert track.face.probabilities.sum() == pytest.approx(1, abs=1e-5)
    return names


def test_an_emotion_that_flickers_is_shown_steadily():
    noise = np.random.default_rng(0)
    sequence = [probabilities("happy" if noise.random() < 0.65 else "surprise", 0.6) for _ in range(300)]
    names = shown(Settings(), sequence)
    changes = sum(first != second for first, second in zip(names, names[1:]))
    raw = [EMOTIONS[int(values.argmax())] for values in sequence]
    assert sum(first != second for first, second in zip(raw, raw[1:])) > 100
    assert changes <= 5  # ten seconds


def test_a_real_change_is_shown_soon():
    names = shown(Settings(smoothing=0.5), [probabilities("neutral")] * 30 + [probabilities("angry")] * 30)
    assert names[29] == "neutral" and names.index("angry") - 30 < 0.6 * 30


def test_doubt_is_shown_as_neutral_and_without_flicker():
    settings = Settings(smoothing=0.5, unsure=0.4)
    certain, doubtful = [probabilities("happy")] * 30, [probabilities("happy", 0.2)] * 60
    names = shown(settings, certain + doubtful + certain)
    assert names[29] == "happy" and names[89] == "neutral" and names[-1] == "happy"
    assert sum(first != second for first, second in zip(names, names[1:])) == 2
    # Around the limit what is shown stays: neutral is left for what reaches it, and taken up clearly below it.
    around = [probabilities("happy", 0.38 + 0.015 * (index % 2)) for index in range(60)]
    assert set(shown(settings, certain + around)) == {"happy"}
    assert set(shown(settings, doubtful + around)) == {"neutral"}


def test_without_smoothing_each_frame_speaks_for_itself():
    sequence = [probabilities("happy"), probabilities("sad"), probabilities("happy")]
    assert shown(Settings(smoothing=0), sequence) == ["happy", "sad", "happy"]


def test_the_emotion_stays_while_a_face_is_held():
    tracker = Tracker(Settings())
    for index in range(5):
        (track,) = tracker.update([face_at(200, 200)], index / 30, SIZE)
        tracker.feel([track], probabilities("fear")[None], index / 30)
    (track,) = tracker.update([], 5 / 30, SIZE)
    assert track.face.held and track.face.emotion == "fear"


def test_a_face_that_leaves_past_the_edge_keeps_its_size():
    tracker = Tracker(Settings())
    run(tracker, [[face_at(60, 200, width=100)]] * 10)
    # Less and less of it is found, as a smaller face.
    parts = [[face_at(60 - 3 * step, 200, width=100 - 5 * step)] for step in range(10)]
    (face,) = run(tracker, parts, start=10 / 30)[-1]
    whole, part = face_at(60, 200, width=100).box, face_at(33, 200, width=55).box
    assert (face.box.width, face.box.height) == pytest.approx((whole.width, whole.height), abs=0.1)
    # It goes on beyond the edge, not further into the picture.
    assert face.box.right == pytest.approx(part.right) and face.box.center[1] == pytest.approx(part.center[1])


def test_a_face_within_the_frame_may_get_smaller():
    tracker = Tracker(Settings())
    run(tracker, [[face_at(300, 200, width=100)]] * 10)
    (face,) = run(tracker, [[face_at(300, 200, width=70)]], start=10 / 30)[0]
    assert face.box.width == pytest.approx(face_at(300, 200, width=70).box.width)


def test_a_jolt_takes_all_faces_along():
    tracker = Tracker(Settings())
    run(tracker, [[face_at(200, 200), face_at(400, 200)]] * 10)
    tracker.go_on(Change(x=150.0, y=-20.0))
    # One of them is found where the jolt has moved it, the other is not.
    found, held = run(tracker, [[face_at(350, 180)]], start=10 / 30)[0]
    assert (found.track_id, found.held, held.track_id, held.held) == (1, False, 2, True)
    assert held.box.center == pytest.approx(np.add(face_at(400, 200).box.center, (150, -20)), abs=1)
    # A jolt is not their own motion.
    (_, later) = run(tracker, [[face_at(350, 180)]], start=20 / 30)[0]
    assert later.box.center == pytest.approx(held.box.center, abs=1)
