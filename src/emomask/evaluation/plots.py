"""Curves of the evaluators as PNG pictures."""

from pathlib import Path
from typing import Dict

import numpy as np

from emomask.errors import EmomaskError
from emomask.evaluation.detection import LOWEST, OVERLAPS, Tally
from emomask.outputs import unwritable


def draw_detection_curves(tallies: Dict[str, Tally], path) -> None:
    """Draw what ``tallies`` say against the threshold into the PNG ``path``, one colour for each, a dot at its own one.

    Three panels: share of the faces covered against false regions a picture; share covered against the threshold;
    recall (solid) and precision (dashed) by the overlap of boxes. Raises EmomaskError when matplotlib is missing,
    SinkError when ``path`` cannot be written.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise EmomaskError("Drawing needs a missing package (%s): pip install 'emomask[train]'" % error) from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    overlap = OVERLAPS[-1]
    figure, (trade, coverage, boxes) = pyplot.subplots(1, 3, figsize=(15, 4.5))
    for name, tally in tallies.items():
        steps = np.linspace(min(LOWEST, tally.threshold), 0.95, 120)
        covered = [tally.recall_coverage(step) * 100 for step in steps]
        (line,) = trade.plot([tally.false_per_image(step) for step in steps], covered, label=name)
        color, at = line.get_color(), tally.threshold
        trade.plot(tally.false_per_image(at), tally.recall_coverage(at) * 100, "o", color=color)
        coverage.plot(steps, covered, color=color, label=name)
        coverage.plot(at, tally.recall_coverage(at) * 100, "o", color=color)
        boxes.plot(steps, [tally.recall_iou(step, overlap) * 100 for step in steps], color=color, label=name)
        boxes.plot(steps, [tally.precision_iou(step, overlap) * 100 for step in steps], "--", color=color)
    trade.set_xlabel("false regions a picture")
    trade.set_ylabel("faces covered to 90 %, %")
    trade.set_xlim(0, 1)
    coverage.set_xlabel("threshold")
    coverage.set_ylabel("faces covered to 90 %, %")
    boxes.set_xlabel("threshold")
    boxes.set_ylabel("recall (solid), precision (dashed), IoU %.1f, %%" % overlap)
    for axis in (trade, coverage):
        axis.set_ylim(70, 100.5)
    for axis in (trade, coverage, boxes):
        axis.grid(alpha=0.3)
    handles, names = coverage.get_legend_handles_labels()
    figure.tight_layout(rect=(0, 0.12, 1, 1))
    figure.legend(handles, names, loc="lower center", ncol=5, fontsize="small")
    try:
        figure.savefig(str(path), dpi=100, format="png")
    except OSError as error:
        raise unwritable(str(path), error, Path(path).parent) from error
    finally:
        pyplot.close(figure)
