"""How well the emotion network does on FER2013."""

from typing import Dict

import numpy as np

from emomask.errors import DataError
from emomask.faces import EMOTIONS
from emomask.perception.emotion import SIZE, EmotionClassifier
from emomask.settings import Settings
from emomask.training.fer2013 import SIDE, Fer2013, read_fer2013

BINS = 15  # of the expected calibration error
BATCH = 256

_MIDDLE, _END = (SIDE - SIZE) // 2, SIDE - SIZE
# Left top corners of the five crops; each is seen plain and mirrored, which makes ten views.
CORNERS = ((_MIDDLE, _MIDDLE), (0, 0), (0, _END), (_END, 0), (_END, _END))


def evaluate_emotion(data, split="PrivateTest", settings=None) -> Dict[str, object]:
    """Figures of the emotion network on one split of the FER2013 file ``data``; the whole file if it has no splits.

    Keys: ``accuracy`` (central view), ``accuracy_views`` (probabilities averaged over ten views: five crops, plain and
    mirrored), ``macro_f1`` and ``ece`` (expected calibration error over 15 bins, Guo et al., ICML 2017) of the ten
    views, ``recall_<emotion>``, ``confusion`` (rows: truth, columns: answer, order of ``EMOTIONS``), ``rows``,
    ``split``, ``model``.

    Raises DataError when the data or the split cannot be had, ModelError when the network cannot.
    """
    table = read_fer2013(data)
    rows = table if table.usage is None else table.split(split)
    if not len(rows):
        raise DataError("%s has no rows in the split %r." % (data, split))
    classifier = EmotionClassifier(settings or Settings())
    views = np.stack([_probabilities(classifier, rows, *corner) for corner in CORNERS])
    central, averaged = views[0, 0], views.mean(axis=(0, 1))
    answers = averaged.argmax(axis=1)
    confusion = np.zeros((len(EMOTIONS), len(EMOTIONS)), int)
    np.add.at(confusion, (rows.labels, answers), 1)
    figures = {
        "split": split if table.usage is not None else "all",
        "rows": len(rows),
        "model": classifier.checksum,
        "accuracy": float((central.argmax(axis=1) == rows.labels).mean()),
        "accuracy_views": float((answers == rows.labels).mean()),
        "macro_f1": macro_f1(confusion),
        "ece": calibration_error(averaged, rows.labels),
        "confusion": confusion.tolist(),
    }
    for index, emotion in enumerate(EMOTIONS):
        figures["recall_" + emotion] = float(confusion[index, index] / max(1, confusion[index].sum()))
    return figures


def _probabilities(classifier: EmotionClassifier, rows: Fer2013, top: int, left: int) -> np.ndarray:
    """``(2, N, 7)``: of the crop at ``top``, ``left``, plain and mirrored."""
    plain = rows.images[:, None, top : top + SIZE, left : left + SIZE]
    crops = np.concatenate([plain, plain[..., ::-1]])
    parts = [classifier.probabilities(crops[start : start + BATCH]) for start in range(0, len(crops), BATCH)]
    return np.concatenate(parts).reshape(2, len(rows), -1)


def macro_f1(confusion: np.ndarray) -> float:
    """Mean over the classes of the harmonic mean of precision and recall; a class without rows and answers is left out.

    ``confusion``: rows are the truth, columns the answers.
    """
    both = confusion.sum(axis=0) + confusion.sum(axis=1)
    present = both > 0
    return float((2 * np.diag(confusion)[present] / both[present]).mean())


def calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: mean distance of confidence and accuracy over equal bins, weighted by their rows."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    places = np.minimum((confidence * bins).astype(int), bins - 1)
    error = 0.0
    for place in np.unique(places):
        chosen = places == place
        error += chosen.mean() * abs(confidence[chosen].mean() - right[chosen].mean())
    return float(error)
