"""Curves of the evaluators as PNG pictures."""

from pathlib import Path
from typing import Dict

import numpy as np

from emomask.errors import EmomaskError
from emomask.evaluation.classification import calibration_bins
from emomask.faces import EMOTIONS
from emomask.outputs import unwritable


def draw_error_curves(curves: Dict[str, np.ndarray], end: float, label: str, path) -> None:
    """Draw which share of the faces has an error of at most x, for x from 0 to ``end``, into the PNG ``path``.

    ``curves``: by the name of what was measured an error for each face as a fraction of what ``label`` says; not a
    number for a face that was missed. Raises EmomaskError when matplotlib is missing, SinkError when ``path`` cannot
    be written.
    """
    pyplot = _pyplot()
    steps = np.linspace(0, end, 501)
    figure, axis = pyplot.subplots(figsize=(6, 4))
    for name, errors in curves.items():
        shares = [(errors <= step).mean() * 100 for step in steps]
        axis.plot(steps * 100, shares, label="%s (%d faces)" % (name, len(errors)))
    axis.set_xlabel(label + ", %")
    axis.set_ylabel("share of the faces, %")
    axis.set_xlim(0, end * 100)
    axis.set_ylim(0, 101)
    axis.grid(alpha=0.3)
    axis.legend(loc="lower right")
    figure.tight_layout()
    _write(figure, path)


def draw_emotions(confusion: np.ndarray, confidences: np.ndarray, right: np.ndarray, title: str, path) -> None:
    """Draw which emotion is taken for which, and how often a confidence is right, into the PNG ``path``.

    ``confusion``: ``(7, 7)`` counts, rows are the truth; ``confidences``: ``(N,)`` 0..1; ``right``: ``(N,)`` bool.
    Raises as ``draw_error_curves`` does.
    """
    pyplot = _pyplot()
    figure, (table, curve) = pyplot.subplots(1, 2, figsize=(10.5, 4.6))
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1) * 100
    table.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    for row, column in np.ndindex(*shares.shape):
        colour = "white" if shares[row, column] > 55 else "black"
        table.text(column, row, "%.0f" % shares[row, column], ha="center", va="center", color=colour)
    table.set_xticks(range(len(EMOTIONS)), EMOTIONS, rotation=45, ha="right")
    table.set_yticks(range(len(EMOTIONS)), EMOTIONS)
    table.set_xlabel("answer")
    table.set_ylabel("label")
    table.set_title("share of the label's pictures, %", fontsize="medium")
    bins = calibration_bins(confidences, right)
    curve.plot([0, 100], [0, 100], color="grey", linestyle=":")
    curve.plot([confidence * 100 for confidence, _, _ in bins], [share * 100 for _, share, _ in bins], marker="o")
    curve.set_xlabel("mean confidence, %")
    curve.set_ylabel("right answers, %")
    curve.set_xlim(0, 100)
    curve.set_ylim(0, 100)
    curve.grid(alpha=0.3)
    curve.set_title("reliability, %d pictures" % len(right), fontsize="medium")
    figure.suptitle(title)
    figure.tight_layout()
    _write(figure, path)


def _pyplot():
    try:
        import matplotlib
    except ImportError as error:
        raise EmomaskError("Drawing needs a missing package (%s): pip install 'emomask[train]'" % error) from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def _write(figure, path) -> None:
    try:
        figure.savefig(str(path), dpi=120, format="png")
    except OSError as error:
        raise unwritable(str(path), error, Path(path).parent) from error
    finally:
        _pyplot().close(figure)
