"""The same work on the machines of a Ray cluster (Moritz et al., OSDI 2018)."""

import logging
import os
import socket
from collections import Counter, deque
from typing import Iterator, Sequence

from emomask.errors import EmomaskError, SettingsError, first_line
from emomask.offline.batch import Outcome, outcome_of, remove_leftovers
from emomask.offline.files import FileMasker, Plan
from emomask.offline.inputs import STANDARD, Job

PATIENCE = 10.0  # seconds to wait for the cluster to answer
TRIES = 3  # how often a job is given to a worker that dies


def mask_on_cluster(plan: Plan, jobs: Sequence[Job], address: str) -> Iterator[Outcome]:
    """Do all ``jobs`` as ``plan`` says on the existing cluster at ``address`` (``host:port``, ``ray://...``, auto).

    As many workers as the cluster has processors for, each with ``plan.settings.threads`` of them (0: one); each loads
    the networks once. The paths must mean the same files on all machines, and emomask must be installed there. A job
    whose worker dies is done again elsewhere, up to ``TRIES`` times; since results are renamed when they are whole,
    none is there twice or in part. Yields an outcome for each job, as it comes.

    Raises EmomaskError when Ray is not installed, and SettingsError when the cluster cannot be reached.
    """
    try:
        import ray
    except ImportError as error:
        raise EmomaskError("--cluster needs Ray (%s): pip install 'emomask[cluster]'" % error) from error
    if any(STANDARD in (job.source, job.output) for job in jobs):
        raise SettingsError("Standard input and output are not there on a cluster; name files.")
    FileMasker(plan)  # what is wrong with the plan is said once, here
    threads = plan.settings.threads or 1
    report = plan.from_report and os.path.abspath(plan.from_report)
    plan = plan._replace(settings=plan.settings.replace(threads=threads), progress=False, from_report=report)
    jobs = [_absolute(job) for job in jobs]
    try:
        host, colon, port = address.rpartition("://")[2].rpartition(":")
        if colon:  # Ray itself would try for minutes
            socket.create_connection((host, int(port)), PATIENCE).close()
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except Exception as error:  # Ray raises many kinds, some of several lines
        raise SettingsError("The Ray cluster %s cannot be reached: %s" % (address, first_line(error))) from error
    try:
        processors = int(ray.cluster_resources().get("CPU", 1))
        yield from _spread(ray, plan, jobs, max(1, processors // threads), threads)
    finally:
        ray.shutdown()


def _absolute(job: Job) -> Job:
    """``job`` with paths that do not depend on where a process was started."""
    source = job.source if "://" in job.source else os.path.abspath(job.source)
    return job._replace(
        source=source, output=os.path.abspath(job.output), report=job.report and os.path.abspath(job.report)
    )


def _spread(ray, plan: Plan, jobs: Sequence[Job], workers: int, threads: int) -> Iterator[Outcome]:
    """Give each idle worker the next job, and a dead one's job to a new one."""
    remote = ray.remote(num_cpus=threads, max_restarts=0)(_Worker)
    waiting, tries, busy = deque(jobs), Counter(), {}
    idle = [remote.remote(plan) for _ in range(min(workers, len(jobs)))]
    while waiting or busy:
        while waiting and idle:
            worker, job = idle.pop(), waiting.popleft()
            tries[job] += 1
            busy[worker.mask.remote(job)] = worker, job
        (done,), _ = ray.wait(list(busy), num_returns=1)
        worker, job = busy.pop(done)
        try:
            outcome = ray.get(done)
            idle.append(worker)
        except ray.exceptions.RayActorError as error:
            idle.append(remote.remote(plan))
            remove_leftovers(job)
            if tries[job] < TRIES:
                waiting.append(job)
                continue
            outcome = Outcome(job, None, "its worker died %d times (%s)" % (TRIES, first_line(error)))
        yield outcome


class _Worker:
    """What runs on the cluster."""

    def __init__(self, plan: Plan):
        self._masker = FileMasker(plan)

    def mask(self, job: Job) -> Outcome:
        return outcome_of(self._masker, job)
