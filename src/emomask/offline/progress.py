"""A bar on the terminal, with the rate and the time that is left."""

import contextlib

from tqdm import tqdm

from emomask.offline.course import Task
from emomask.offline.pieces import Division

_FORMAT = "{l_bar}{bar}| {n:.0f}/{total:.0f} frames [{elapsed}<{remaining}, {rate_fmt}]"
_DELAY = 0.3  # seconds; before that nothing is known of the work


class Progress:
    """One bar for all files: a frame of a video counts half when it is looked at and half when it is written.

    There is none where the output of errors is no terminal or ``is_quiet``. Use it as a context manager.
    """

    def __init__(self, is_quiet: bool):
        disable = True if is_quiet else None  # None: tqdm asks the terminal
        self._bar = tqdm(total=0, leave=False, disable=disable, unit=" frames", bar_format=_FORMAT, delay=_DELAY)

    def half_frame(self, count: int = 1) -> None:
        """So many frames were looked at, or were written."""
        self._bar.update(0.5 * count)

    def begun(self, task: Task, value: object) -> None:
        """Take in how much there is to do, once a job has begun."""
        if task.step != "begin":
            return
        self._bar.total += value.frames if isinstance(value, Division) else 1
        self.half_frame(0 if isinstance(value, Division) else 2)

    def done(self, task: Task, value: object) -> None:
        """The same, and what was done; for tasks that do not tell of each frame themselves."""
        self.begun(task, value)
        if task.step == "look":
            self.half_frame(value.frames)
        elif task.step == "write":
            self.half_frame(value)

    @contextlib.contextmanager
    def aside(self):
        """While lines are printed, the bar is not in their way."""
        with tqdm.external_write_mode():
            yield

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *exception):
        self._bar.close()
