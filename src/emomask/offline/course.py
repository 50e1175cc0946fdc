"""The way of one job through its steps."""

from typing import Generator, List, NamedTuple, Optional, Tuple

from emomask.offline.inputs import Job
from emomask.offline.pieces import Division, seams_hold
from emomask.offline.plan import Counts, Plan


class Task(NamedTuple):
    """A step of a job: ``begin``, or one of those of ``MovieMasker``, with what it needs besides the job."""

    job: Job
    step: str
    arguments: Tuple = ()


def course(plan: Plan, job: Job) -> Generator[List[Task], List, Optional[Counts]]:
    """Yields tasks that may be done side by side and is sent their values, in order, when all of them are done.

    Returns what became of the file, None when it was there already. What a task raises ends the job.
    """
    (begun,) = yield [Task(job, "begin")]
    if not isinstance(begun, Division):
        return begun
    division = begun
    if not plan.from_report:
        looks = yield [Task(job, "look", (piece,)) for piece in division.pieces]
        if not seams_hold(looks):
            division = division.undivided()
            yield [Task(job, "look", (piece,)) for piece in division.pieces]
    yield [Task(job, "follow", (division,))]
    yield [Task(job, "write", (division, piece)) for piece in division.pieces]
    (counts,) = yield [Task(job, "join", (division,))]
    return counts
