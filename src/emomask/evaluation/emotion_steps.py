"""What each step from a face in a picture to its emotion is worth: the same faces, with one more step at a time."""

from typing import Dict

import numpy as np

from emomask.faces import Face
from emomask.perception.emotion import EmotionClassifier, emotion_square, grey_crop
from emomask.perception.geometry import SquareCrop


def probabilities_by_step(frame: np.ndarray, face: Face, classifier: EmotionClassifier) -> Dict[str, np.ndarray]:
    """``(7,)`` probabilities of ``face`` in ``frame`` (uint8 H x W x 3 BGR) after each step.

    ``box``: of the square around the face's box; ``framed``: of the square that the landmarks give; ``upright``: turned
    by the head's roll; ``mirrored``: averaged with the mirror image; ``listener``: the mirror image framed
    wider, averaged with what people would vote for, where the network knows that, and weighted, which is how the
    listener classifies; ``picture``: both crops plain and mirrored, as for a picture by itself.
    """
    squares = {
        "box": SquareCrop(*face.box.center, max(face.box.width, face.box.height)),
        "framed": emotion_square(face.landmarks, upright=False),
        "upright": emotion_square(face.landmarks),
    }
    crops = {step: grey_crop(frame, square)[None, None] for step, square in squares.items()}
    answers = {step: classifier.label_probabilities(crop)[0] for step, crop in crops.items()}
    upright = crops["upright"]
    answers["mirrored"] = (answers["upright"] + classifier.label_probabilities(upright[..., ::-1])[0]) / 2
    answers["listener"] = classifier.classify(frame, [face.landmarks])[0]
    answers["picture"] = classifier.classify(frame, [face.landmarks], is_picture=True)[0]
    return answers
