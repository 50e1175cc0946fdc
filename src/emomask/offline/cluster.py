"""The same work on the machines of a Ray cluster (Moritz et al., OSDI 2018)."""

import logging
import os
import socket
from concurrent.futures import Future
from typing import Dict, List

from emomask.errors import EmomaskError, SettingsError, first_line
from emomask.offline.course import Task
from emomask.offline.crews import WorkerDied
from emomask.offline.files import Done, FileMasker
from emomask.offline.inputs import Job
from emomask.offline.plan import Plan

PATIENCE = 10.0  # seconds to wait for the cluster to answer


class Cluster:
    """The existing Ray cluster at ``address`` (``host:port``, ``ray://...``, auto), as a ``Crew``.

    As many workers as the cluster has processors for, each with ``plan.settings.threads`` of them (0: one); each is
    started when it is needed and loads the networks once. The paths must mean the same files on all machines (see
    ``absolute``), and emomask must be installed there.

    Raises EmomaskError when Ray is not installed, and SettingsError when the cluster cannot be reached.
    """

    def __init__(self, plan: Plan, address: str):
        try:
            import ray
        except ImportError as error:
            raise EmomaskError("--cluster needs Ray (%s): pip install 'emomask[cluster]'" % error) from error
        threads = plan.settings.threads or 1
        report = plan.from_report and os.path.abspath(plan.from_report)
        settings = plan.settings.replace(threads=threads)
        self._plan = plan._replace(settings=settings, from_report=report, preview=None)
        FileMasker(self._plan)  # what is wrong with the plan is said once, here
        try:
            host, colon, port = address.rpartition("://")[2].rpartition(":")
            if colon:  # Ray itself would try for minutes
                socket.create_connection((host, int(port)), PATIENCE).close()
            ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
        except Exception as error:  # Ray raises many kinds, some of several lines
            raise SettingsError("The Ray cluster %s cannot be reached: %s" % (address, first_line(error))) from error
        self._ray = ray
        self._worker = ray.remote(num_cpus=threads, max_restarts=0)(_Worker)
        self.size = max(1, int(ray.cluster_resources().get("CPU", 1)) // threads)
        self._idle: List = []
        self._busy: Dict[Future, object] = {}

    def start(self, task: Task) -> Future:
        """See ``Crew.start``."""
        worker = self._idle.pop() if self._idle else self._worker.remote(self._plan)
        future = worker.outcome.remote(task).future()
        self._busy[future] = worker
        return future

    def finish(self, future: Future) -> Done:
        """See ``Crew.finish``."""
        worker = self._busy.pop(future)
        try:
            done = future.result()
        except self._ray.exceptions.RayActorError as error:
            raise WorkerDied("its worker died (%s)" % first_line(error)) from error
        self._idle.append(worker)
        return done

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *exception):
        for worker in [*self._idle, *self._busy.values()]:
            self._ray.kill(worker)
        self._ray.shutdown()


def absolute(job: Job) -> Job:
    """``job`` with paths that do not depend on where a process was started."""
    source = job.source if "://" in job.source else os.path.abspath(job.source)
    return job._replace(
        source=source, output=os.path.abspath(job.output), report=job.report and os.path.abspath(job.report)
    )


class _Worker:
    """What runs on the cluster."""

    def __init__(self, plan: Plan):
        self._masker = FileMasker(plan)

    def outcome(self, task: Task) -> Done:
        return self._masker.outcome(task)
