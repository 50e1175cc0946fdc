"""Small tasks that other threads leave for one that is busy with frames, which does them between two frames."""

import collections
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import Any, Callable, Deque, Tuple

from emomask.errors import EmomaskError


class BusyError(EmomaskError):
    """The thread did not come to a task in time."""


class Errands:
    """A list of tasks: ``ask`` is for any thread, ``run`` for the one that does them."""

    def __init__(self):
        self._tasks: Deque[Tuple[Callable[[], Any], Future]] = collections.deque()

    def ask(self, task: Callable[[], Any], timeout: float) -> Any:
        """What ``task`` returns, or the exception that it raises, once the other thread has done it.

        Raises BusyError after ``timeout`` seconds: the task is then not done, now or later, unless it has begun.
        """
        done: Future = Future()
        self._tasks.append((task, done))
        try:
            return done.result(timeout)
        except NotYet:
            if done.cancel():
                raise BusyError("A frame is still in work after %g s: try again." % timeout) from None
            return done.result()

    def run(self) -> None:
        """Do all tasks that were left until now; none of their exceptions reaches the caller."""
        while self._tasks:
            task, done = self._tasks.popleft()
            if not done.set_running_or_notify_cancel():
                continue
            try:
                done.set_result(task())
            except Exception as error:
                done.set_exception(error)
