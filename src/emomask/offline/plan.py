"""What to do with every file of a run, and what became of one."""

from typing import Callable, NamedTuple, Optional

import numpy as np

from emomask.offline.file_settings import FileSettings
from emomask.settings import Settings


class Plan(NamedTuple):
    """What to do with every file of a run.

    Attributes
    ----------
    settings: how faces are found and covered.
    files: how files are read and written.
    from_report: a report, perhaps edited, that says what to cover; nothing is sought then.
    resume: leave results that are there already, and go on with videos that were begun.
    preview: called with each masked frame, uint8 ``(H, W, 3)`` BGR; None in worker processes.
    """

    settings: Settings
    files: FileSettings
    from_report: str = ""
    resume: bool = False
    preview: Optional[Callable[[np.ndarray], None]] = None


class Counts(NamedTuple):
    """What became of a file: frames written, faces covered in them, frames withheld as they could not be masked."""

    frames: int
    faces: int
    failed: int
