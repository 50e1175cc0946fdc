import numpy as np

from emomask import Box, Settings
from emomask.perception.detection import Detection
from emomask.perception.fast_landmarks import FastLandmarks


def test_a_new_face_is_looked_at_in_the_mirror_too_and_a_followed_one_is_not(astronaut, astronaut_face):
    landmarker, seen = FastLandmarks(Settings()), []
    run = landmarker._network.run
    landmarker._network.run = lambda batch: seen.append(len(batch)) or run(batch)
    detection = Detection(Box(*map(float, astronaut_face)), 1.0)
    (new,) = landmarker.locate(astronaut, [detection])
    assert seen == [1, 2]
    (followed,) = landmarker.locate(astronaut, [detection], [new])
    assert seen == [1, 2, 1]
    landmarker.locate(astronaut, [detection, detection], [new, None])
    assert seen == [1, 2, 1, 1, 3]
    assert np.abs(new - followed).mean() < 0.03 * (astronaut_face[2] - astronaut_face[0])
