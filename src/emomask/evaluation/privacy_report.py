"""The figures of ``evaluate_privacy`` as a folder: JSON, Markdown and plots."""

from pathlib import Path
from typing import List, Sequence, Tuple

from emomask.commands.options import write_json
from emomask.evaluation.leaks import CLASSES, SIZES, Leaks
from emomask.evaluation.plots import draw_leaks, draw_recognition
from emomask.evaluation.privacy import OURS, Privacy
from emomask.evaluation.reidentification import ORIGINAL
from emomask.outputs import unwritable

JSON, MARKDOWN, LEAKS, RECOGNITION = "privacy.json", "privacy.md", "leaks.png", "recognition.png"
SUFFIXES = ("",) + tuple(name for _, name in CLASSES)


def write_privacy_report(privacy: Privacy, folder: Path) -> None:
    """Write the figures, the tables and the plots into ``folder``. Raises SinkError when it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(str(folder), error, folder.parent) from error
    write_json(privacy.figures(), folder / JSON)
    draw_leaks(privacy.leaks, folder / LEAKS)
    plots = [LEAKS]
    if privacy.reidentification:
        draw_recognition(privacy.reidentification, folder / RECOGNITION)
        plots.append(RECOGNITION)
    try:
        (folder / MARKDOWN).write_text(privacy_tables(privacy, plots), encoding="utf-8")
    except OSError as error:
        raise unwritable(str(folder / MARKDOWN), error, folder) from error


def privacy_tables(privacy: Privacy, plots: Sequence[str] = ()) -> str:
    """The figures as Markdown: by masker, by size and by motion, and of re-identification; ``plots``: pictures."""
    lines: List[str] = ["# Privacy report", ""]
    ours = privacy.leaks[OURS]
    lines += [
        "%d stills, %d videos of 1.5 s at 30 frames/s, %d faces in %d frames of theirs. Leaked: less than 90 %% of the "
        "face is replaced. Slipped: leaked though covered in another frame of its video."
        % (privacy.stills, privacy.stills * len(privacy.motions), ours.figures()["faces"], len(ours.rows)),
        "",
    ]
    names = list(privacy.leaks)
    rows = []
    for name in names:
        figures = privacy.leaks[name].figures()
        cells = [_percent(figures["%s_rate%s" % (kind, size)]) for kind in ("leak", "slip") for size in SUFFIXES]
        rows.append(
            [name]
            + cells
            + [_percent(figures["leaked_tracks"]), "%.3f" % figures["flips_per_second"]]
            + ["%.2f" % figures["emotion_changes_per_second"], _percent(figures["replaced_share"])]
        )
    sizes = ("all", "from 24 px", "from 64 px")
    heads = ["masker"] + ["%s, %s" % (kind, size) for kind in ("leaked", "slipped") for size in sizes]
    lines += _table(heads + ["faces that leak", "flips/s", "emoji changes/s", "pixels replaced"], rows)
    heads = ["leaked; slipped, by size"] + [_size_name(low, high) for low, high in SIZES]
    by_size = [{"low": low, "high": high} for low, high in SIZES]
    lines += _table(heads, [_both(name, privacy.leaks[name], by_size) for name in names])
    heads = ["leaked; slipped, by motion"] + names
    rows = [
        [motion] + [cell for name in names for cell in _both("", privacy.leaks[name], [{"motion": motion}])[1:]]
        for motion in privacy.motions
    ]
    lines += _table(heads, rows)
    found = privacy.reidentification
    if found:
        figures = privacy.figures()
        lines += [
            "Re-identification of %d people in %d pictures, rank-1 rate (verification AUC); chance is %s (0.50)."
            % (found.people, found.pictures, _percent(found.chance)),
            "",
        ]
        attackers = list(found.rates[ORIGINAL])
        rows = [
            [style] + [_rank1_and_auc(rates[name]) for name in attackers]
            for style, rates in found.rates.items()
        ]
        lines += _table(["pictures"] + [name.replace("_", " ") for name in attackers], rows)
        lines += [
            "The labelled emotion alone tells %s of them, the emotion shown %s."
            % (_rank1_and_auc(found.emotion_alone), _rank1_and_auc(found.emoji_alone)),
            "",
            "The best attacker on %s, when pictures that show the same emotion are exchanged (%d times): "
            "rank-1 %s ± %s, AUC %.2f ± %.2f; p = %.2f."
            % (
                privacy.settings.style, len(found.shuffled), _percent(figures["reid_shuffled_rank1"]),
                _percent(figures["reid_shuffled_rank1_std"]), figures["reid_shuffled_auc"],
                figures["reid_shuffled_auc_std"], figures["reid_shuffled_p"],
            ),
            "",
        ]  # fmt: skip
        lines += ["The emoji shows the labelled emotion in %s of the pictures." % _percent(found.agreement), ""]
    lines += ["![%s](%s)\n" % (plot, plot) for plot in plots]
    return "\n".join(lines)


def _both(name: str, leaks: Leaks, choices: Sequence[dict]) -> List[str]:
    return [name] + ["%s; %s" % (_percent(leaks.leak_rate(**one)), _percent(leaks.slip_rate(**one))) for one in choices]


def _size_name(low: float, high: float) -> str:
    return "from %d px" % low if high == float("inf") else "%d to %d px" % (low, high)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> List[str]:
    rows = [heads, ["---"] * len(heads), *rows]
    return ["| %s |" % " | ".join(row) for row in rows] + [""]


def _rank1_and_auc(rates: Tuple[float, float]) -> str:
    return "%s (%.2f)" % (_percent(rates[0]), rates[1])


def _percent(share: float) -> str:
    return "-" if share != share else "%.2f %%" % (share * 100)
