"""Classifies the emotion of faces on 42 x 42 grey crops."""

from dataclasses import replace
from typing import Sequence

import cv2
import numpy as np

from emomask.faces import EMOTIONS
from emomask.landmark_index import LEFT_EYE, MOUTH, RIGHT_EYE
from emomask.perception.geometry import SquareCrop, roll
from emomask.perception.onnx_network import OnnxNetwork, checksum, models_folder, read_model
from emomask.settings import Settings

SIZE = 42

# Where faces lie in FER2013, as fractions of the side of its pictures: medians over 600 pictures of its Training split,
# on which the 68-point network was run.
FER2013_SIDE = 48  # pixels; the network sees the middle ``SIZE`` of them
EYES_TO_MOUTH = 0.40
EYES_APART = 0.36
MIDDLE_DOWN = 0.59  # of the point between eyes and mouth
LARGER = 1.035  # the larger of both extents, each over its median, is this much larger than 1

# A second crop of a face is framed so much wider than the plain one. A stream sees that one mirrored: two different
# looks for the price of two. A picture has both crops both ways.
WIDER = 1.08
# FER2013 shows disgust in one picture of 66 and fear in one of 7; in photographs of people it is rather the other way
# round. The weight of each emotion, in the order of ``EMOTIONS``, chosen on whole pictures (models/README.md).
WEIGHTS = np.array([1, 8, 0.6, 1, 1, 1, 1], np.float32)


class EmotionClassifier:
    """Runs ``settings.emotion_network`` on views of each face, some of them mirrored.

    Raises ModelError when its file cannot be used.
    """

    def __init__(self, settings: Settings):
        name = settings.emotion_network + ".onnx"
        model = read_model(models_folder(settings) / name)
        self.checksum = checksum(model)
        self._network = OnnxNetwork(model, name, settings)

    def classify(self, frame: np.ndarray, landmarks: Sequence[np.ndarray], is_picture: bool = False) -> np.ndarray:
        """Float32 ``(N, 7)`` probabilities in the order of ``EMOTIONS`` for N sets of 68 landmarks in ``frame``.

        ``frame``: uint8 H x W x 3 BGR; landmarks: ``(68, 2)`` pixels. ``is_picture``: it is no frame of a stream, in
        which a face is looked at again soon, so that there is time for four views.
        """
        if not len(landmarks):
            return np.empty((0, len(EMOTIONS)), np.float32)
        plain, wider = (
            np.stack([emotion_crop(frame, points, wide) for points in landmarks])[:, None] for wide in (1.0, WIDER)
        )
        views = [plain, wider[..., ::-1]]
        if is_picture:
            views += [plain[..., ::-1], wider]
        return self._classify_views(views)

    def classify_crops(self, crops: np.ndarray) -> np.ndarray:
        """Likewise for N grey crops ``(N, 1, 42, 42)``, 0..255, plain and mirrored."""
        return self._classify_views([crops, crops[..., ::-1]])

    def _classify_views(self, views: Sequence[np.ndarray]) -> np.ndarray:
        """The mean over ``views`` of the same N faces, and over all that the network says of them, by ``WEIGHTS``.

        A network that has learnt from people's votes on each picture, too, says what they would vote for.
        """
        outputs = self._network.run(np.concatenate(views).astype(np.float32))
        shape = len(views), len(views[0]), len(EMOTIONS)
        means = np.mean([softmax(logits).reshape(shape).mean(axis=0) for logits in outputs], axis=0)
        return means * WEIGHTS / (means * WEIGHTS).sum(axis=1, keepdims=True)

    def label_probabilities(self, crops: np.ndarray) -> np.ndarray:
        """Float32 ``(N, 7)``: how probable each of FER2013's labels is for grey crops ``(N, 1, 42, 42)``, 0..255."""
        return softmax(self._network.run(crops.astype(np.float32))[0])


def emotion_crop(frame: np.ndarray, landmarks: np.ndarray, wide: float = 1.0) -> np.ndarray:
    """The uint8 42 x 42 grey crop of a face, upright and framed ``wide`` times as wide as the faces in FER2013 are."""
    square = emotion_square(landmarks)
    return grey_crop(frame, replace(square, side=square.side * wide))


def emotion_square(landmarks: np.ndarray, upright: bool = True) -> SquareCrop:
    """The square of a face that ``EmotionClassifier`` is to see; ``upright``: turned by the head's roll."""
    eyes = (landmarks[LEFT_EYE].mean(axis=0) + landmarks[RIGHT_EYE].mean(axis=0)) / 2
    mouth = landmarks[MOUTH].mean(axis=0)
    angle = roll(landmarks)
    down = np.array([-np.sin(angle), np.cos(angle)])
    # A head turned aside keeps its height, one that nods keeps its width: the larger of both measures is the size.
    height = float(np.dot(mouth - eyes, down))
    width = float(np.linalg.norm(landmarks[RIGHT_EYE].mean(axis=0) - landmarks[LEFT_EYE].mean(axis=0)))
    side = max(height / EYES_TO_MOUTH, width / EYES_APART, 2.0) / LARGER
    center = (eyes + mouth) / 2 - down * (MIDDLE_DOWN - 0.5) * side
    return SquareCrop(float(center[0]), float(center[1]), side * SIZE / FER2013_SIDE, angle if upright else 0.0)


def grey_crop(frame: np.ndarray, square: SquareCrop) -> np.ndarray:
    """``square`` of ``frame`` (uint8 H x W x 3 BGR) as a uint8 42 x 42 grey picture."""
    return cv2.cvtColor(square.cut(frame, SIZE), cv2.COLOR_BGR2GRAY)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities along the last axis."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)
