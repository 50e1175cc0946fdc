"""Who does the tasks: this process, or worker processes of this machine."""

import multiprocessing
import os
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from typing import Callable, Dict, List, Optional, Protocol

from emomask.offline.course import Task
from emomask.offline.files import Done, FileMasker
from emomask.offline.plan import Plan


class WorkerDied(Exception):
    """A worker ended in the middle of a task: killed, or out of memory. Its text says what is known of it."""


class Crew(Protocol):
    """Does up to ``size`` tasks at a time. A context manager, which leaves no worker behind."""

    size: int

    def start(self, task: Task) -> Future:
        """Begin ``task``; call it only when less than ``size`` futures are open."""

    def finish(self, future: Future) -> Done:
        """What became of the task, once its ``future`` is done. Raises WorkerDied."""

    def __enter__(self) -> "Crew": ...

    def __exit__(self, *exception): ...


class Alone:
    """This process; ``progress`` is called for each frame of a video, twice."""

    size = 1

    def __init__(self, plan: Plan, progress: Callable[[], None]):
        self._masker = FileMasker(plan, progress)

    def start(self, task: Task) -> Future:
        """See ``Crew.start``; the task is done when this returns."""
        future = Future()
        future.set_result(self._masker.outcome(task))
        return future

    def finish(self, future: Future) -> Done:
        """See ``Crew.finish``."""
        return future.result()

    def __enter__(self) -> "Alone":
        return self

    def __exit__(self, *exception):
        pass


class Processes:
    """``size`` processes, which share the threads that the settings leave open; each is started when it is needed."""

    def __init__(self, plan: Plan, size: int):
        self.size = size
        self._plan = plan._replace(settings=plan.settings.shared_among(size), preview=None)
        FileMasker(self._plan)  # what is wrong with the plan is said once, here
        self._idle: List[_Process] = []
        self._busy: Dict[Future, _Process] = {}

    def start(self, task: Task) -> Future:
        """See ``Crew.start``."""
        while True:
            process = self._idle.pop() if self._idle else _Process(self._plan)
            try:
                future = process.executor.submit(_work, task)
                break
            except BrokenProcessPool:  # it died while it had nothing to do
                process.end()
        self._busy[future] = process
        return future

    def finish(self, future: Future) -> Done:
        """See ``Crew.finish``."""
        process = self._busy.pop(future)
        try:
            done = future.result()
        except BrokenProcessPool as error:
            process.end()
            raise WorkerDied("its worker process died: there was too little memory, or it was killed") from error
        self._idle.append(process)
        return done

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *exception):
        for process in [*self._idle, *self._busy.values()]:
            process.end()


class _Process:
    """One worker: a pool of one process, so that its death concerns no other task."""

    def __init__(self, plan: Plan):
        # A forked process would inherit the networks' threads in an undefined state.
        context = multiprocessing.get_context("spawn")
        self.executor = ProcessPoolExecutor(1, mp_context=context, initializer=_prepare, initargs=(plan,))
        # Ctrl-C in a terminal goes to all its processes; the first one ends the others, which inherit this mask.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._pid = self.executor.submit(os.getpid)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def end(self) -> None:
        """End the process at once, whatever it does."""
        if self._pid.done() and not self._pid.exception():
            try:
                os.kill(self._pid.result(), signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.executor.shutdown(wait=False)


_masker: Optional[FileMasker] = None


def _prepare(plan: Plan) -> None:
    global _masker
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _masker = FileMasker(plan)


def _end_with_parent() -> None:
    """Without this, a worker whose parent was killed would wait for the next task for ever."""
    connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _work(task: Task) -> Done:
    return _masker.outcome(task)
