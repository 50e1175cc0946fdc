"""Who does the tasks: this process, or worker processes of this machine."""

import multiprocessing
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import connection
from typing import Callable, Dict, List, Protocol

from emomask.interrupts import interrupts_held
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
        self._threads = ThreadPoolExecutor(size)  # each waits for one process
        self._idle: List[_Process] = []
        self._busy: Dict[Future, _Process] = {}

    def start(self, task: Task) -> Future:
        """See ``Crew.start``."""
        process = self._idle.pop() if self._idle else _Process(self._plan)
        future = self._threads.submit(process.outcome, task)
        self._busy[future] = process
        return future

    def finish(self, future: Future) -> Done:
        """See ``Crew.finish``."""
        process = self._busy.pop(future)
        try:
            done = future.result()
        except (EOFError, OSError) as error:
            process.end()
            raise WorkerDied("its worker process died: there was too little memory, or it was killed") from error
        self._idle.append(process)
        return done

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *exception):
        for process in [*self._idle, *self._busy.values()]:
            process.end()
        self._threads.shutdown()


class _Process:
    """One worker process."""

    def __init__(self, plan: Plan):
        # A forked process would inherit the networks' threads in an undefined state.
        context = multiprocessing.get_context("spawn")
        self._pipe, end = context.Pipe()
        self._process = context.Process(target=_serve, args=(plan, end), daemon=True)
        # Ctrl-C in a terminal goes to all its processes; the first one ends the others, which inherit this. One that is
        # interrupted in the middle of this call would leave half a process behind, with a traceback.
        with interrupts_held():
            self._process.start()
        end.close()

    def outcome(self, task: Task) -> Done:
        """Let the process do ``task``. Raises EOFError or OSError when it dies."""
        self._pipe.send(task)
        return self._pipe.recv()

    def end(self) -> None:
        """End the process at once, whatever it does."""
        self._process.kill()
        self._process.join()


def _serve(plan: Plan, pipe) -> None:
    """The life of a worker process."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    masker = FileMasker(plan)
    while True:
        pipe.send(masker.outcome(pipe.recv()))


def _end_with_parent() -> None:
    """Without this, a worker whose parent was killed would finish its task first."""
    connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
