"""The figures of ``evaluate_detection`` as text."""

import math
from typing import Dict, List, Sequence

from emomask.evaluation.detection import OURS, OVERLAPS, STEPS, Tally, size_classes


def detection_tables(tallies: Dict[str, Tally]) -> str:
    """Three tables: all ``tallies`` at their thresholds; by the size of the faces; and the chain's curves."""
    ours = tallies[OURS]
    lines = ["%d pictures, %d faces; covered: 90 %% of a face's pixels are replaced" % (ours.pictures, len(ours.sizes))]
    heads = ["covered"] + ["IoU %.1f" % overlap for overlap in OVERLAPS] + ["false", "replaced", "threshold"]
    lines += ["", _row("at its own threshold", heads)]
    for name, tally in tallies.items():
        at = tally.threshold
        recalls = [tally.recall_coverage(at)] + [tally.recall_iou(at, overlap) for overlap in OVERLAPS]
        figures = tally.figures()
        values = [_percent(value) for value in recalls]
        values += ["%.2f" % figures["false_per_image"], _percent(figures["replaced_share"]), "%.2f" % at]
        lines.append(_row(name, values))
    lines += ["false: replaced regions that touch no annotated face, a picture; replaced: share of all pixels"]

    classes = size_classes()
    lines += ["", _row("covered, by size", [name.replace("_", " ") for _, _, name in classes])]
    for name, tally in tallies.items():
        values = [_percent(tally.recall_coverage(tally.threshold, low, high)) for low, high, _ in classes]
        lines.append(_row(name, values))

    heads = ["covered", "false", "precision"] + [
        "%s %.1f" % (what, overlap) for overlap in OVERLAPS for what in ("recall", "prec.")
    ]
    lines += ["", _row("%s, threshold" % OURS, heads)]
    for step in sorted({*STEPS, round(ours.threshold, 4)}):
        values = [_percent(ours.recall_coverage(step)), "%.2f" % ours.false_per_image(step)]
        values.append(_percent(ours.precision_coverage(step)))
        for overlap in OVERLAPS:
            values += [_percent(ours.recall_iou(step, overlap)), _percent(ours.precision_iou(step, overlap))]
        lines.append(_row("%.2f%s" % (step, " (its own)" if step == round(ours.threshold, 4) else ""), values))
    return "\n".join(lines)


def _row(name: str, values: Sequence[str]) -> str:
    cells: List[str] = ["%-32s" % name] + ["%11s" % value for value in values]
    return "".join(cells)


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else "%.1f %%" % (share * 100)
