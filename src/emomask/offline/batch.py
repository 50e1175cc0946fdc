"""Many files, one after the other or side by side in worker processes."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Iterator, NamedTuple, Optional, Sequence

from emomask.errors import EmomaskError, described
from emomask.offline.files import Counts, FileMasker, Plan
from emomask.offline.inputs import Job
from emomask.outputs import remove_unfinished

_worker: Optional[FileMasker] = None


class Outcome(NamedTuple):
    """What became of a job: the counts, or one line that says why it failed; neither when it was done before."""

    job: Job
    counts: Optional[Counts] = None
    error: Optional[str] = None


def mask_all(plan: Plan, jobs: Sequence[Job], workers: int = 1) -> Iterator[Outcome]:
    """Do all ``jobs`` as ``plan`` says, ``workers`` at a time; yields an outcome for each, as it comes.

    A job that fails, or takes its worker process with it (too large for the memory), leaves the others alone: those
    that were under way then are done again, each by itself. Raises ModelError when the networks cannot be loaded.
    """
    if workers == 1 or len(jobs) < 2:
        masker = FileMasker(plan)
        yield from (outcome_of(masker, job) for job in jobs)
        return
    # Without progress: the bars of several processes would overwrite each other.
    plan = plan._replace(settings=plan.settings.shared_among(workers), progress=False)
    FileMasker(plan)  # what is wrong with the plan is said once, here
    lost = []
    with _pool(plan, min(workers, len(jobs))) as pool:
        futures = {pool.submit(_work, job): job for job in jobs}
        for future in as_completed(futures):
            try:
                yield future.result()
            except BrokenProcessPool:
                lost.append(futures[future])
    for job in lost:
        remove_leftovers(job)
        with _pool(plan, 1) as pool:
            try:
                yield pool.submit(_work, job).result()
            except BrokenProcessPool:
                remove_leftovers(job)
                yield Outcome(job, None, "its worker process died: there was too little memory, or it was killed")


def remove_leftovers(job: Job) -> None:
    """Remove what a worker that died has left beside the results of ``job``."""
    for path in filter(None, (job.output, job.report)):
        remove_unfinished(Path(path))


def _pool(plan: Plan, workers: int) -> ProcessPoolExecutor:
    # A forked process would inherit the networks' threads in an undefined state.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(plan,))


def _start(plan: Plan) -> None:
    global _worker
    _worker = FileMasker(plan)


def _work(job: Job) -> Outcome:
    return outcome_of(_worker, job)


def outcome_of(masker: FileMasker, job: Job) -> Outcome:
    """Do one job, whatever goes wrong."""
    try:
        return Outcome(job, masker.mask(job))
    except EmomaskError as error:
        return Outcome(job, None, str(error))
    except Exception as error:  # one file must not end the work on the others
        return Outcome(job, None, described(error))
