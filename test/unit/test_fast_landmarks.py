import numpy as np
import pytest

from emomask import Box, Settings
from emomask.perception.detection import Detection
from emomask.perception.fast_landmarks import ONE_VIEW, PICTURE_VIEWS, FastLandmarks, crop_of


@pytest.fixture
def landmarker():
    return FastLandmarks(Settings())


@pytest.fixture
def detection(astronaut_face):
    return Detection(Box(*map(float, astronaut_face)), 1.0)


def test_a_face_gets_as_many_views_as_there_is_time_for(landmarker, detection, astronaut):
    seen, run = [], landmarker._network.run
    landmarker._network.run = lambda batch: seen.append(len(batch)) or run(batch)
    (still,) = landmarker.locate(astronaut, [detection])
    assert seen == [1, 6]
    (new,) = landmarker.locate(astronaut, [detection], [None])
    assert seen == [1, 6, 1, 2]
    (followed,) = landmarker.locate(astronaut, [detection], [new])
    assert seen == [1, 6, 1, 2, 1]
    landmarker.locate(astronaut, [detection, detection], [new, None])
    assert seen == [1, 6, 1, 2, 1, 1, 3]
    width = detection.box.width
    assert np.abs(new - followed).mean() < 0.03 * width and np.abs(new - still).mean() < 0.03 * width


def test_views_are_averaged_in_the_frame(landmarker, detection, astronaut):
    crop = crop_of(detection)
    (averaged,) = landmarker._run(astronaut, [crop], [PICTURE_VIEWS])
    single = [landmarker._run(astronaut, [crop], [[view]])[0] for view in PICTURE_VIEWS]
    assert np.allclose(averaged, np.mean(single, axis=0), atol=0.05)
    # Each view finds the same points, wherever it looks from: left stays left.
    (plain,) = landmarker._run(astronaut, [crop], [ONE_VIEW])
    assert all(np.abs(one - plain).mean() < 0.03 * detection.box.width for one in single)
