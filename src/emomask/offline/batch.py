"""Many files, and the pieces of long ones, one after the other or side by side."""

import heapq
import itertools
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Set

from emomask.errors import EmomaskError, SinkError
from emomask.offline.course import Task, course
from emomask.offline.crews import Crew, Done, WorkerDied
from emomask.offline.inputs import Job
from emomask.offline.plan import Counts, Plan
from emomask.offline.work_folder import WorkFolder
from emomask.outputs import remove_unfinished

TRIES = 3  # how often a task is given to a worker that dies


class Outcome(NamedTuple):
    """What became of a job: the counts, or one line that says why it failed; neither when it was done before."""

    job: Job
    counts: Optional[Counts] = None
    error: Optional[str] = None


def mask_all(
    plan: Plan, jobs: Sequence[Job], crew: Crew, watch: Callable[[Task, object], None] = lambda task, value: None
) -> Iterator[Outcome]:
    """Let ``crew`` do all ``jobs`` as ``plan`` says; yields an outcome for each, as it comes.

    A job that fails leaves the others alone. A task whose worker dies is done again, up to ``TRIES`` times; since
    results are renamed when they are whole, none is there twice or in part. ``watch`` is told of each task that is done
    and of its value.
    """
    queue = _Queue()
    for rank, job in enumerate(jobs):
        way = _Way(plan, job, rank)
        queue.add(way, way.next())
    running: Dict[Future, _Assignment] = {}
    under_way: Set[_Way] = set()
    try:
        with crew:
            while queue or running:
                while queue and len(running) < crew.size:
                    assignment = queue.pop()
                    under_way.add(assignment.way)
                    assignment.way.running += 1
                    running[crew.start(assignment.task)] = assignment
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    assignment = running.pop(future)
                    outcome = _finished(assignment, future, crew, queue, watch)
                    if outcome is not None:
                        under_way.discard(assignment.way)
                        yield outcome
    finally:  # all workers have ended
        for way in under_way:
            _remove_unfinished(way.job)


class _Way:
    """How far a job is."""

    def __init__(self, plan: Plan, job: Job, rank: int):
        self.job = job
        self.rank = rank  # earlier jobs go first, so that few videos are begun at a time
        self.running = 0
        self.error: Optional[EmomaskError] = None
        self.failed_step = ""
        self._course = course(plan, job)
        self._values: Dict[int, object] = {}
        self._tasks: List[Task] = []

    def next(self) -> List[Task]:
        """The tasks that are to be done next. Raises StopIteration with what became of the file at its end."""
        if not self._tasks:
            self._tasks = next(self._course)
        else:
            self._tasks = self._course.send([self._values[index] for index in range(len(self._tasks))])
        self._values = {}
        return self._tasks

    def take(self, assignment: "_Assignment", done: Done) -> None:
        """Note what became of one of the tasks."""
        if done.error is None:
            self._values[assignment.index] = done.value
        elif self.error is None:
            self.error, self.failed_step = done.error, assignment.task.step

    @property
    def can_go_on(self) -> bool:
        """Whether all tasks are done."""
        return len(self._values) == len(self._tasks)


class _Assignment:
    """One of the tasks of a ``way``, the ``index``-th of those that may be done side by side."""

    def __init__(self, way: _Way, index: int, task: Task):
        self.way, self.index, self.task = way, index, task
        self.tries = 0


class _Queue:
    """What waits for a worker. False when that is nothing."""

    def __init__(self):
        self._heap = []
        self._serial = itertools.count()

    def add(self, way: _Way, tasks: Sequence[Task]) -> None:
        for index, task in enumerate(tasks):
            self.put(_Assignment(way, index, task))

    def put(self, assignment: _Assignment) -> None:
        heapq.heappush(self._heap, (assignment.way.rank, next(self._serial), assignment))

    def pop(self) -> _Assignment:
        return heapq.heappop(self._heap)[-1]

    def drop(self, way: _Way) -> None:
        """Forget what waits of a job."""
        self._heap = [entry for entry in self._heap if entry[-1].way is not way]
        heapq.heapify(self._heap)

    def __len__(self) -> int:
        return len(self._heap)


def _finished(assignment: _Assignment, future: Future, crew: Crew, queue: _Queue, watch) -> Optional[Outcome]:
    """Take in what became of a task; the outcome of its job when that has come to its end."""
    way = assignment.way
    way.running -= 1
    try:
        done = crew.finish(future)
    except WorkerDied as death:
        assignment.tries += 1
        _remove_unfinished(way.job)
        if assignment.tries < TRIES and way.error is None:
            queue.put(assignment)
            return None
        done = Done(error=EmomaskError("%s (%d times)" % (death, assignment.tries)))
    way.take(assignment, done)
    if way.error is not None:
        queue.drop(way)
        return None if way.running else Outcome(way.job, None, _failed(way))
    watch(assignment.task, done.value)
    if not way.can_go_on:
        return None
    try:
        queue.add(way, way.next())
        return None
    except StopIteration as end:
        return Outcome(way.job, end.value)


def _failed(way: _Way) -> str:
    """Remove what a job that failed has left; says why it failed."""
    _remove_unfinished(way.job)
    folder = WorkFolder(way.job.output)
    if isinstance(way.error, SinkError) and way.failed_step != "begin" and folder.path.exists():
        # The disk is full, a share is away: that can be put right, and hours of work may be in the folder.
        return "%s What was done is kept in %s for --resume." % (way.error, folder.path)
    folder.remove()
    return str(way.error)


def _remove_unfinished(job: Job) -> None:
    for path in filter(None, (job.output, job.report)):
        remove_unfinished(Path(path))
