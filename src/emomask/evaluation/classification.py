"""Figures of a classifier of emotions.

Probabilities are ``(N, 7)`` float, answers and labels ``(N,)`` int, all in the order of ``EMOTIONS``.
"""

from typing import Dict, List, Sequence, Tuple

import numpy as np

from emomask.faces import EMOTIONS

BINS = 15  # of the expected calibration error


def confusion_matrix(answers: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """``(7, 7)`` int counts: rows are the truth, columns the answers. An answer below zero is none, in no column."""
    answered = answers >= 0
    confusion = np.zeros((len(EMOTIONS), len(EMOTIONS)), int)
    np.add.at(confusion, (labels[answered], answers[answered]), 1)
    return confusion


def class_figures(answers: np.ndarray, labels: np.ndarray) -> Dict[str, object]:
    """``accuracy``, ``macro_f1``, ``confusion`` and ``recall_<emotion>``; no answer (below zero) counts as wrong."""
    confusion = confusion_matrix(answers, labels)
    figures = {
        "accuracy": float((answers == labels).mean()),
        "macro_f1": macro_f1(confusion),
        "confusion": confusion.tolist(),
    }
    for index, emotion in enumerate(EMOTIONS):
        figures["recall_" + emotion] = recall(answers, labels, index)
    return figures


def recall(answers: np.ndarray, labels: np.ndarray, label: int) -> float:
    """Share of the rows with this label that were answered with it; 0 when there is none."""
    return float((answers[labels == label] == label).sum() / max(1, (labels == label).sum()))


def macro_recall(answers: np.ndarray, labels: np.ndarray, classes: Sequence[int]) -> float:
    """Mean of the recalls of ``classes``."""
    return float(np.mean([recall(answers, labels, label) for label in classes]))


def macro_f1(confusion: np.ndarray) -> float:
    """Mean over the classes of the harmonic mean of precision and recall; a class without rows and answers is left out.

    ``confusion``: rows are the truth, columns the answers.
    """
    both = confusion.sum(axis=0) + confusion.sum(axis=1)
    present = both > 0
    return float((2 * np.diag(confusion)[present] / both[present]).mean())


def top_accuracy(probabilities: np.ndarray, labels: np.ndarray, count: int) -> float:
    """Share of the rows whose label is among the ``count`` most probable ones."""
    best = np.argsort(-probabilities, axis=1)[:, :count]
    return float((best == labels[:, None]).any(axis=1).mean())


def calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error (Guo et al., ICML 2017).

    The mean distance of confidence and accuracy over equal bins of confidence, weighted by their rows.
    """
    right = probabilities.argmax(axis=1) == labels
    return sum(
        part * abs(confidence - share)
        for confidence, share, part in calibration_bins(probabilities.max(axis=1), right, bins)
    )


def calibration_bins(
    confidences: np.ndarray, right: np.ndarray, bins: int = BINS
) -> List[Tuple[float, float, float]]:
    """Of each equal bin of confidence that has rows: mean confidence, share of right answers, share of all rows.

    ``confidences``: ``(N,)`` 0..1; ``right``: ``(N,)`` bool.
    """
    places = np.minimum((confidences * bins).astype(int), bins - 1)
    return [
        (float(confidences[chosen].mean()), float(right[chosen].mean()), float(chosen.mean()))
        for chosen in (places == place for place in np.unique(places))
    ]
