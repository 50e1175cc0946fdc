"""How well the whole chain reads emotions from whole pictures: detector, landmarks, crop and network."""

import time
from typing import Dict

import numpy as np

from emomask.errors import DataError
from emomask.evaluation.classification import calibration_error, class_figures, macro_recall
from emomask.evaluation.emotion_steps import probabilities_by_step
from emomask.evaluation.labelled_pictures import labelled_pictures
from emomask.evaluation.plots import draw_emotions
from emomask.faces import EMOTIONS
from emomask.perception.gaze import Look
from emomask.perception.perceiver import Perceiver
from emomask.settings import Settings

FEWEST = 30  # rows; the recall of a class with less is too uncertain to count in the mean
NO_ANSWER = np.full(len(EMOTIONS), np.nan)  # of a picture without a face


def evaluate_emotion_pictures(images, labels=None, settings=None, steps=False, plot=None) -> Dict[str, object]:
    """Figures of the chain, as it runs on a picture by itself, on pictures with one labelled face each.

    ``images``, ``labels``: see ``labelled_pictures``. The largest face that is found counts; where none is found, the
    picture is answered wrongly. The answer is the most probable emotion, whether or not the chain is sure of it.

    Keys: ``macro_recall`` (mean recall of the classes with 30 rows or more, which ``classes`` names), ``accuracy``,
    ``macro_f1``, ``recall_<emotion>``, ``confusion`` (rows: truth, columns: answer, order of ``EMOTIONS``; pictures
    without a face are in no column), ``ece`` (of the pictures with a face), ``rows``, ``missed`` (pictures without a
    face), ``unsure`` (share of those with a face for which the neutral emoji is shown for want of confidence),
    ``ms_per_face`` (median time of the emotion alone), ``model``; with ``steps`` also ``macro_recall_<step>`` of each
    of ``probabilities_by_step``.

    ``plot``: a PNG file for confusion and reliability. Raises DataError when the pictures or the table cannot be had,
    ModelError when a network cannot, and what ``draw_emotions`` does.
    """
    settings = settings or Settings()
    perceiver = Perceiver(settings)
    truth, answers, by_step, times = [], [], [], []
    for _name, picture, label in labelled_pictures(images, labels):
        truth.append(label)
        found = perceiver.detect(picture, settings.detection_threshold, Look.PICTURE)
        faces = perceiver.faces(picture, found)
        if not faces:
            answers.append(NO_ANSWER)
            by_step.append({})
            continue
        face = max(faces, key=lambda face: face.box.area)
        start = time.perf_counter()
        answers.append(perceiver.emotions(picture, [face], is_picture=True)[0])
        times.append(time.perf_counter() - start)
        by_step.append(probabilities_by_step(picture, face, perceiver.classifier) if steps else {})
    if not times:
        raise DataError("No face was found in any of the %d pictures." % len(truth))
    labels, probabilities = np.array(truth), np.stack(answers)
    classes = [label for label in range(len(EMOTIONS)) if (labels == label).sum() >= FEWEST]
    if not classes:
        raise DataError("No emotion has %d pictures or more; there are too few to measure." % FEWEST)
    figures = _figures(labels, probabilities, classes)
    figures.update(
        unsure=float((probabilities[answered(probabilities)].max(axis=1) < settings.unsure).mean()),
        ms_per_face=float(np.median(times) * 1e3),
        model=perceiver.classifier.checksum,
    )
    for step in by_step[int(np.argmax(answered(probabilities)))]:
        after = np.stack([row.get(step, NO_ANSWER) for row in by_step])
        figures["macro_recall_" + step] = macro_recall(best(after), labels, classes)
    if plot:
        seen = answered(probabilities)
        draw_emotions(
            np.array(figures["confusion"]),
            probabilities[seen].max(axis=1),
            best(probabilities)[seen] == labels[seen],
            "the chain with %s on whole pictures" % settings.emotion_network,
            plot,
        )
    return figures


def answered(probabilities: np.ndarray) -> np.ndarray:
    """Bool ``(N,)``: which rows of ``(N, 7)`` are probabilities and not ``NO_ANSWER``."""
    return np.isfinite(probabilities).all(axis=1)


def best(probabilities: np.ndarray) -> np.ndarray:
    """``(N,)`` places of the most probable emotions in ``EMOTIONS``; -1 for ``NO_ANSWER``."""
    return np.where(answered(probabilities), np.nan_to_num(probabilities).argmax(axis=1), -1)


def _figures(labels: np.ndarray, probabilities: np.ndarray, classes) -> Dict[str, object]:
    seen = answered(probabilities)
    return {
        "rows": len(labels),
        "missed": int((~seen).sum()),
        "classes": [EMOTIONS[label] for label in classes],
        "macro_recall": macro_recall(best(probabilities), labels, classes),
        **class_figures(best(probabilities), labels),
        "ece": calibration_error(probabilities[seen], labels[seen]),
    }
