"""How well the emotion network does on FER2013."""

from typing import Dict

import numpy as np

from emomask.errors import DataError
from emomask.evaluation.classification import calibration_error, class_figures, top_accuracy
from emomask.evaluation.plots import draw_emotions
from emomask.perception.emotion import SIZE, EmotionClassifier
from emomask.settings import Settings
from emomask.training.fer2013 import SIDE, TRAINING, Fer2013, duplicates_of, read_fer2013

BATCH = 256

_MIDDLE = (SIDE - SIZE) // 2
_START, _END = _MIDDLE - 2, _MIDDLE + 2  # 2, not 3: better on PublicTest
# Left top corners of the five crops; each is seen plain and mirrored, which makes ten views.
CORNERS = ((_MIDDLE, _MIDDLE), (_START, _START), (_START, _END), (_END, _START), (_END, _END))


def evaluate_emotion(data, split="PrivateTest", settings=None, plot=None) -> Dict[str, object]:
    """Figures of the emotion network on one split of the FER2013 file ``data``; the whole file if it has no splits.

    Keys: ``accuracy`` (central view), ``accuracy_views`` (probabilities averaged over ten views: five crops, plain and
    mirrored); of the ten views ``top2`` (the label is among the two most probable emotions), ``macro_f1``, ``ece``
    (expected calibration error over 15 bins), ``recall_<emotion>`` and ``confusion`` (rows: truth, columns: answer,
    order of ``EMOTIONS``); ``rows``, ``split``, ``model``; of the central view as the
    listener classifies it ``accuracy_listener``, ``ece_listener``, ``unsure`` (share of the rows whose confidence is
    below ``settings.unsure``) and ``accuracy_sure`` (of the others). Without the rows that stand in the Training split
    as well, which a network may know by heart: ``accuracy_unique``, ``accuracy_views_unique`` and ``rows_unique``.

    ``plot``: a PNG file for the confusion of the ten views and their reliability. Raises DataError when the data or the
    split cannot be had, ModelError when the network cannot, and what ``draw_emotions`` does.
    """
    settings = settings or Settings()
    table = read_fer2013(data)
    rows = table if table.usage is None else table.split(split)
    if not len(rows):
        raise DataError("%s has no rows in the split %r." % (data, split))
    classifier = EmotionClassifier(settings)
    views = np.stack([_probabilities(classifier, rows, *corner) for corner in CORNERS])
    averaged, live = views.mean(axis=(0, 1)), _as_listener(classifier, rows)
    sure, right = live.max(axis=1) >= settings.unsure, live.argmax(axis=1) == rows.labels
    figures = {
        "split": split if table.usage is not None else "all",
        "rows": len(rows),
        "model": classifier.checksum,
    }
    figures.update(class_figures(averaged.argmax(axis=1), rows.labels))
    figures.update(
        accuracy_views=figures["accuracy"],
        accuracy=float((views[0, 0].argmax(axis=1) == rows.labels).mean()),
        top2=top_accuracy(averaged, rows.labels, 2),
        ece=calibration_error(averaged, rows.labels),
        accuracy_listener=float(right.mean()),
        ece_listener=calibration_error(live, rows.labels),
        unsure=float(1 - sure.mean()),
        accuracy_sure=float(right[sure].mean()) if sure.any() else 0.0,
    )
    if table.usage is not None and split != TRAINING:
        unique = ~duplicates_of(rows, table.split(TRAINING))
        figures.update(
            rows_unique=int(unique.sum()),
            accuracy_unique=float((views[0, 0].argmax(axis=1) == rows.labels)[unique].mean()),
            accuracy_views_unique=float((averaged.argmax(axis=1) == rows.labels)[unique].mean()),
        )
    if plot:
        draw_emotions(
            np.array(figures["confusion"]),
            averaged.max(axis=1),
            averaged.argmax(axis=1) == rows.labels,
            "%s on %s, ten views" % (settings.emotion_network, figures["split"]),
            plot,
        )
    return figures


def _probabilities(classifier: EmotionClassifier, rows: Fer2013, top: int, left: int) -> np.ndarray:
    """``(2, N, 7)``: of the crop at ``top``, ``left``, plain and mirrored."""
    plain = _crops(rows, top, left)
    both = np.concatenate([plain, plain[..., ::-1]])
    return _in_batches(classifier.label_probabilities, both).reshape(2, len(rows), -1)


def _as_listener(classifier: EmotionClassifier, rows: Fer2013) -> np.ndarray:
    """``(N, 7)``: of the central views."""
    return _in_batches(classifier.classify_crops, _crops(rows, _MIDDLE, _MIDDLE))


def _crops(rows: Fer2013, top: int, left: int) -> np.ndarray:
    return rows.images[:, None, top : top + SIZE, left : left + SIZE]


def _in_batches(classify, crops: np.ndarray) -> np.ndarray:
    return np.concatenate([classify(crops[start : start + BATCH]) for start in range(0, len(crops), BATCH)])
