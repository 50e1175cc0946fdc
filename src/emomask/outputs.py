"""What holds for every file that is written: never over its input, and under its own name only when it is whole."""

import contextlib
import glob
import os
from pathlib import Path
from typing import Union

from emomask.errors import SinkError


def check_is_not_input(source: Union[str, Path], output: Union[str, Path]) -> None:
    """Raise SinkError when ``output`` is the file ``source`` itself, by whatever name."""
    if os.path.exists(source) and os.path.exists(output) and os.path.samefile(source, output):
        raise SinkError("The output is the input itself (%s); name another file." % output)


def unfinished(path: Path) -> Path:
    """Where this process writes ``path`` until it is whole: hidden, beside it, so that it can be renamed."""
    return path.with_name(".%s.%d.part" % (path.name, os.getpid()))


def remove_unfinished(path: Path) -> None:
    """Remove what processes that died have left of ``path``."""
    for part in path.parent.glob(".%s.*.part" % glob.escape(path.name)):
        with contextlib.suppress(OSError):
            part.unlink()
