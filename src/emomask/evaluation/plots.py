"""What the evaluators measure as PNG pictures."""

from pathlib import Path
from typing import Dict, Sequence

import numpy as np

from emomask.errors import EmomaskError
from emomask.evaluation.classification import calibration_bins
from emomask.evaluation.detection import LOWEST, OVERLAPS, Tally
from emomask.evaluation.graph import Graph
from emomask.evaluation.leaks import SIZES, Leaks
from emomask.evaluation.reidentification import Reidentification
from emomask.evaluation.speed import STAGES, Times
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


def draw_detection_curves(tallies: Dict[str, Tally], path) -> None:
    """Draw what ``tallies`` say against the threshold into the PNG ``path``, one colour for each, a dot at its own one.

    Three panels: share of the faces covered against false regions a picture; share covered against the threshold;
    recall (solid) and precision (dashed) by the overlap of boxes. Raises EmomaskError when matplotlib is missing,
    SinkError when ``path`` cannot be written.
    """
    pyplot = _pyplot()
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
    _write(figure, path)


def draw_leaks(leaks: Dict[str, Leaks], path) -> None:
    """Draw the leak rates of video maskers by size and by motion into the PNG ``path``; the dark part is what slips.

    Raises as ``draw_error_curves`` does.
    """
    pyplot = _pyplot()
    figure, axes = pyplot.subplots(1, 2, figsize=(13, 4.5), gridspec_kw={"width_ratios": (1, 2)})
    motions = list(dict.fromkeys(row.motion for one in leaks.values() for row in one.rows))
    sizes = [("from %d" % low if high == np.inf else "%d-%d" % (low, high), low, high) for low, high in SIZES]
    panels = (
        ("size of the face, pixels", [(name, {"low": low, "high": high}) for name, low, high in sizes]),
        ("motion", [(motion, {"motion": motion}) for motion in motions]),
    )
    for axis, (label, choices) in zip(axes, panels):
        width = 0.8 / len(leaks)
        for index, (name, one) in enumerate(leaks.items()):
            places = np.arange(len(choices)) + (index - (len(leaks) - 1) / 2) * width
            leaked = [one.leak_rate(**choice) * 100 for _, choice in choices]
            bars = axis.bar(places, leaked, width * 0.9, label=name, alpha=0.45)
            color = bars.patches[0].get_facecolor()[:3]
            # The slip rate is over fewer faces; what is drawn is its share of all.
            slipped = [one.slipped_share(**choice) * 100 for _, choice in choices]
            axis.bar(places, slipped, width * 0.9, color=color)
        axis.set_xticks(range(len(choices)), [name for name, _ in choices], rotation=45, ha="right")
        axis.set_xlabel(label)
        axis.set_ylabel("leaked faces (dark: slipped), %")
        axis.grid(alpha=0.3, axis="y")
    axes[1].legend()
    figure.tight_layout()
    _write(figure, path)


def draw_recognition(found: Reidentification, path) -> None:
    """Draw the rank-1 rates by what was done to the pictures and by attacker into the PNG ``path``.

    Raises as ``draw_error_curves`` does.
    """
    pyplot = _pyplot()
    figure, axis = pyplot.subplots(figsize=(9, 4.5))
    attackers = list(next(iter(found.rates.values())))
    width = 0.8 / len(attackers)
    for index, attacker in enumerate(attackers):
        places = np.arange(len(found.rates)) + (index - (len(attackers) - 1) / 2) * width
        rank1 = [rates[attacker][0] * 100 for rates in found.rates.values()]
        axis.bar(places, rank1, width * 0.9, label=attacker.replace("_", " "))
    axis.axhline(found.chance * 100, color="black", linestyle=":", label="chance")
    axis.set_xticks(range(len(found.rates)), list(found.rates))
    axis.set_ylabel("recognised (rank-1) of %d people, %%" % found.people)
    axis.grid(alpha=0.3, axis="y")
    axis.legend()
    figure.tight_layout()
    _write(figure, path)


def draw_speed(result: Dict[str, Times], path) -> None:
    """Draw the stages of each scene, and every tool's time against size and number of faces, into the PNG ``path``.

    Raises as ``draw_error_curves`` does.
    """
    pyplot = _pyplot()
    figure, (stages, tools) = pyplot.subplots(1, 2, figsize=(11, 4.4))
    scenes = list(result)
    below = np.zeros(len(scenes))
    for stage in STAGES:
        spent = np.array([np.mean(times.stages[stage]) * 1000 for times in result.values()])
        stages.bar(scenes, spent, bottom=below, label=stage)
        below += spent
    stages.set_ylabel("ms a frame, mean")
    stages.legend(fontsize="small")
    for name in dict.fromkeys(tool for times in result.values() for tool in times.tools):
        known = [scene for scene in scenes if result[scene].tools.get(name)]
        medians = np.array([result[scene].median(name) for scene in known])
        worse = np.array([result[scene].p95(name) for scene in known]) - medians
        tools.errorbar(known, medians, [0 * worse, worse], marker="o", capsize=2, linestyle="none", label=name)
    tools.set_yscale("log")
    tools.set_ylabel("ms a frame: median, and up to p95")
    tools.grid(axis="y", alpha=0.3)
    tools.legend(fontsize="small")
    for axis in (stages, tools):
        axis.tick_params(axis="x", rotation=40)
    figure.tight_layout()
    _write(figure, path)


def draw_graphs(graphs: Sequence[Graph], path) -> None:
    """Draw rate, age, memory and processor use over time, a line for each of ``graphs``, into the PNG ``path``.

    Raises as ``draw_error_curves`` does.
    """
    pyplot = _pyplot()
    figure, (rate, age, memory, cores) = pyplot.subplots(4, 1, figsize=(9, 9), sharex=True)
    for graph in graphs:
        name = "%dx%d at %g frames/s" % (*graph.size, graph.fps)
        minutes = [sample.time / 60 for sample in graph.samples]
        (line,) = rate.plot(minutes, [sample.rate for sample in graph.samples], label=name)
        for percentile, style in ((50, "-"), (95, ":")):
            values = [np.percentile(sample.ages, percentile) * 1000 for sample in graph.samples]
            age.plot(minutes, values, style, color=line.get_color(), label="%s, %d %%" % (name, percentile))
        for axis, values in ((memory, "memory"), (cores, "cores")):
            for node, style in (("listener", "-"), ("talker", ":")):
                seen = [getattr(sample, values)[node] for sample in graph.samples]
                axis.plot(minutes, seen, style, color=line.get_color(), label="%s, %s" % (name, node))
    for axis, label in ((rate, "frames/s"), (age, "age, ms"), (memory, "resident MB"), (cores, "cores")):
        axis.set_ylabel(label)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
        axis.legend(fontsize="x-small", loc="lower right")
    cores.set_xlabel("minutes")
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
