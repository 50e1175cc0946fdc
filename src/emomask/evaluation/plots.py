"""Curves of the evaluators as PNG pictures."""

from pathlib import Path
from typing import Dict

import numpy as np

from emomask.errors import EmomaskError
from emomask.outputs import unwritable


def draw_error_curves(curves: Dict[str, np.ndarray], end: float, label: str, path) -> None:
    """Draw which share of the faces has an error of at most x, for x from 0 to ``end``, into the PNG ``path``.

    ``curves``: by the name of what was measured an error for each face as a fraction of what ``label`` says; not a
    number for a face that was missed. Raises EmomaskError when matplotlib is missing, SinkError when ``path`` cannot
    be written.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise EmomaskError("Drawing needs a missing package (%s): pip install 'emomask[train]'" % error) from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

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
    try:
        figure.savefig(str(path), dpi=120, format="png")
    except OSError as error:
        raise unwritable(str(path), error, Path(path).parent) from error
    finally:
        pyplot.close(figure)
