import cv2
import numpy as np
import pytest
from conftest import placed

from emomask import Box, Masker, Settings
from emomask.perception.detection import Detection, create_detector
from emomask.perception.thorough import LARGEST, MIRRORED, Thorough


class Recorder:
    """A detector that finds one bright rectangle, wherever and however large it is."""

    checksum = "none"

    def __init__(self):
        self.sizes = []

    def detect(self, frame, threshold, longest):
        self.sizes.append(frame.shape[:2])
        left, top, width, height = cv2.boundingRect((frame[..., 0] > 127).astype(np.uint8))
        box = Box(left, top, left + width, top + height)
        points = np.array([[left + 1, top], [left + 3, top], [left, top], [left + 1, top + 4], [left + 3, top + 4]])
        return [Detection(box, 0.5, points.astype(np.float32))]


def test_views_are_brought_back_to_the_frame():
    frame = np.zeros((120, 200, 3), np.uint8)
    frame[40:80, 30:60] = 255
    recorder = Recorder()
    (found,) = Thorough(recorder).detect(frame, 0.2, 999)
    assert np.allclose(found.box, (30, 40, 60, 80), atol=2)
    assert set(recorder.sizes) == {(60, 100), (120, 200), (240, 400)} and len(recorder.sizes) == 6


def test_mirrored_points_keep_their_meaning(astronaut):
    settings = Settings()
    detector = create_detector(settings)
    (plain,) = detector.detect(astronaut, 0.5, 512)
    view = np.ascontiguousarray(astronaut[:, ::-1])
    (mirrored,) = detector.detect(view, 0.5, 512)
    back = mirrored.points[MIRRORED] * (-1, 1) + (astronaut.shape[1] - 1, 0)
    assert np.abs(back - plain.points).max() < 6


def test_a_large_frame_is_shrunk():
    recorder = Recorder()
    Thorough(recorder).detect(np.full((2000, 4000, 3), 255, np.uint8), 0.2, 999)
    assert max(max(size) for size in recorder.sizes) == LARGEST


def test_views_that_agree_make_a_face_surer():
    class Doubtful(Recorder):
        """Sees the rectangle in so many views."""

        def __init__(self, views):
            super().__init__()
            self.views = views

        def detect(self, frame, threshold, longest):
            found = super().detect(frame, threshold, longest)
            return found if len(self.sizes) <= self.views else []

    frame = np.zeros((120, 200, 3), np.uint8)
    frame[40:80, 30:60] = 255
    # Half of the best view's score, which is 0.5, and half of the mean over the six.
    for views, score in ((6, 0.5), (3, 0.375), (1, 0.25 + 0.25 / 6)):
        (found,) = Thorough(Doubtful(views)).detect(frame, 0.2, 999)
        assert found.score == pytest.approx(score)
    assert Thorough(Doubtful(1)).detect(frame, 0.3, 999) == []


@pytest.mark.parametrize("scale", [0.12, 1.0])
def test_a_thorough_masker_finds_the_face(astronaut, astronaut_face, scale):
    frame = placed(astronaut, 480, 640, 300, 200, scale)
    faces = Masker(Settings(thorough=True, threads=1)).process(frame).faces
    left, top, right, bottom = (value * scale for value in astronaut_face)
    truth = Box(300 + left, 200 + top, 300 + right, 200 + bottom)
    assert any(face.box.iou(truth) > 0.4 for face in faces)
