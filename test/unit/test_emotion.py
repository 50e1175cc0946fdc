import numpy as np
import pytest
from conftest import placed
from test_geometry import turned_face

from emomask import EMOTIONS, Settings
from emomask.faces import shown_emotion
from emomask.perception.emotion import EmotionClassifier, emotion_crop, softmax


def test_what_is_unsure_is_shown_as_neutral():
    values = np.array([0.1, 0.05, 0.05, 0.4, 0.1, 0.2, 0.1])
    assert shown_emotion(values, 0.0) == shown_emotion(values, 0.4) == "happy"
    assert shown_emotion(values, 0.41) == "neutral"


def test_softmax():
    values = softmax(np.array([[0.0, 0.0], [1000.0, 0.0], [-1000.0, -1000.0]]))
    assert np.allclose(values, [[0.5, 0.5], [1.0, 0.0], [0.5, 0.5]])


@pytest.fixture(scope="module")
def classifier():
    return EmotionClassifier(Settings())


def test_probabilities_sum_to_one(classifier, astronaut):
    faces = [turned_face(225, 120, width, degrees) for width, degrees in ((80, 0), (20, 30), (300, -50))]
    values = classifier.classify(astronaut, faces)
    assert values.shape == (3, len(EMOTIONS)) and np.allclose(values.sum(axis=1), 1, atol=1e-5)


def test_no_faces_no_probabilities(classifier, astronaut):
    assert classifier.classify(astronaut, []).shape == (0, 7)


def test_a_mirrored_picture_has_the_same_emotion(classifier):
    crop = np.random.default_rng(0).integers(0, 256, (1, 1, 42, 42)).astype(np.uint8)
    assert np.allclose(classifier.classify_crops(crop), classifier.classify_crops(crop[..., ::-1]), atol=1e-6)
    labels = classifier.label_probabilities(np.concatenate([crop, crop[..., ::-1]]))
    assert not np.allclose(labels[0], labels[1], atol=1e-4)


def test_exposure_and_contrast_cancel_out(classifier):
    crop = np.random.default_rng(0).integers(80, 160, (1, 1, 42, 42)).astype(np.float32)
    assert np.allclose(classifier.classify_crops(crop), classifier.classify_crops(crop * 1.4 - 60), atol=0.02)


def test_the_crop_follows_the_head(masker, astronaut):
    (face,) = masker.process(astronaut).faces
    straight = emotion_crop(astronaut, face.landmarks).astype(int)
    assert straight.shape == (42, 42)
    frame = placed(astronaut, 800, 800, 100, 50, 1.3)
    moved = emotion_crop(frame, face.landmarks * 1.3 + [100, 50]).astype(int)
    assert np.abs(straight - moved).mean() < 6
