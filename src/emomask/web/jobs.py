"""Videos that are masked one after the other: their progress, and their removal as soon as they are not needed."""

import asyncio
import contextlib
import json
import logging
import secrets
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, AsyncIterator, Dict, Optional

from emomask.settings import Settings
from emomask.web.errors import Refusal
from emomask.web.faults import log_fault
from emomask.web.limits import Places
from emomask.web.private_folder import PrivateFolder
from emomask.web.processes import start_process
from emomask.web.video_worker import VideoJob, output_name, serve

_log = logging.getLogger(__name__)

WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
_LONGEST_MESSAGE = 1 << 16  # bytes
# Seconds of work for each second of video, and at least; a video that takes longer is given up.
_WORK_FACTOR, _WORK_SECONDS = 20.0, 120.0
_RESULTS = 16  # that wait for being fetched
_PATIENCE = 0.2  # seconds between looks at a process


class Job:
    """A video on its way.

    Attributes
    ----------
    id: what the visitor names it by; cannot be guessed.
    state: WAITING, RUNNING, DONE or FAILED.
    progress: 0 to 1; stays 0 when the video does not tell its length.
    counts: what was done, once it is.
    error: why it failed.
    """

    def __init__(self, folder: Path, visitor: str, settings: Settings):
        self.id = secrets.token_urlsafe(16)
        self.state = WAITING
        self.progress = 0.0
        self.counts: Optional[Dict[str, int]] = None
        self.error: Optional[str] = None
        self.folder = folder / self.id
        self.visitor = visitor
        self.settings = settings
        self.cancelled = False
        self.finished = 0.0

    def told(self, ahead: int) -> Dict[str, Any]:
        """The job for JSON; ``ahead``: how many are done before it."""
        return {
            "job": self.id,
            "state": self.state,
            "ahead": ahead,
            "progress": round(self.progress, 3),
            "counts": self.counts,
            "error": self.error,
        }


class Jobs:
    """All video jobs.

    Parameters
    ----------
    folder: where uploads and results lie.
    places: how many there may be until they are masked.
    seconds: how long a video may last.
    kept: seconds for which a result waits for being fetched.
    """

    def __init__(self, folder: PrivateFolder, places: Places, seconds: float, kept: float):
        self._folder = folder
        self._places = places
        self._seconds = seconds
        self._kept = kept
        self._jobs: Dict[str, Job] = {}
        self._line = None
        self._tasks = []
        # Its own: what else waits in threads, for slow name servers, is not to keep it waiting.
        self._thread = ThreadPoolExecutor(1, "video")

    def start(self) -> None:
        """Begin to work; to be called in the event loop."""
        self._line = asyncio.Queue()
        self._tasks = [asyncio.ensure_future(self._work()), asyncio.ensure_future(self._expire())]

    async def close(self) -> None:
        """Give up what is under way, and wait for its end; the folder is its owner's to remove."""
        for job in self._jobs.values():
            job.cancelled = True
        self._line.put_nowait(None)
        working, expiring = self._tasks
        await working
        expiring.cancel()
        await asyncio.gather(expiring, return_exceptions=True)
        self._thread.shutdown()

    async def add(self, parts: AsyncIterator[bytes], visitor: str, settings: Settings) -> Dict[str, Any]:
        """Take a video in and put it into the line, as one of ``visitor``'s. Raises Refusal as ``parts`` do."""
        self._places.take(visitor)
        job = Job(self._folder.path, visitor, settings)
        try:
            job.folder.mkdir(0o700)
            with open(str(job.folder / "upload"), "wb") as file:
                async for part in parts:
                    file.write(part)
                if not file.tell():
                    raise Refusal(400, "There is no video in the request: send the file as its body.")
        except OSError as error:
            self._drop(job)
            raise Refusal(507, "There is no room for the video here; try again later.", 60) from error
        except BaseException:
            self._drop(job)
            raise
        self._jobs[job.id] = job
        self._line.put_nowait(job)
        return self.told(job.id)

    def told(self, name: str) -> Dict[str, Any]:
        """How far a job is. Raises Refusal (404) when there is none of this name."""
        job = self._job(name)
        waiting = [other for other in self._jobs.values() if other.state in (WAITING, RUNNING)]
        return job.told(waiting.index(job) if job in waiting else 0)

    def result(self, name: str) -> Path:
        """The masked video. Raises Refusal: 404 when there is no such job, 409 when it is not done."""
        job = self._job(name)
        if job.state != DONE:
            raise Refusal(409, job.error or "The video is not done yet.", None if job.error else 2)
        return output_name(job.folder)

    def remove(self, name: str) -> None:
        """Forget a job and what belongs to it; one under way is given up. Raises Refusal (404)."""
        job = self._job(name)
        job.cancelled = True
        if job.state != RUNNING:
            self._forget(job)

    def _job(self, name: str) -> Job:
        job = self._jobs.get(name)
        if job is None or job.cancelled:
            raise Refusal(404, "There is no such video, or no longer: a result is kept until it was fetched.")
        return job

    def _forget(self, job: Job) -> None:
        if self._jobs.pop(job.id, None) is not None:
            self._remove_files(job)
            if job.state == WAITING:
                self._places.free(job.visitor)

    def _drop(self, job: Job) -> None:
        """Forget a job that never got into the line."""
        self._remove_files(job)
        self._places.free(job.visitor)

    def _remove_files(self, job: Job) -> None:
        shutil.rmtree(str(job.folder), ignore_errors=True)

    async def _work(self) -> None:
        while True:
            job = await self._line.get()
            if job is None:  # the end
                return
            if job.cancelled:
                continue
            job.state = RUNNING
            try:
                await asyncio.get_running_loop().run_in_executor(self._thread, self._run, job)
            except Exception as error:  # the line goes on, whatever becomes of one video
                log_fault(_log, "A video job failed", error)
                job.error = "Something went wrong here; nothing of the video is kept."
            finally:
                is_done = job.counts is not None and job.error is None
                if is_done:
                    with contextlib.suppress(OSError):
                        (job.folder / "upload").unlink()
                else:
                    self._remove_files(job)
                job.finished = time.monotonic()
                job.state = DONE if is_done else FAILED  # nothing that must go is there any more when this is told
                self._places.free(job.visitor)
                if job.cancelled:
                    self._forget(job)
                self._make_room()

    def _run(self, job: Job) -> None:
        """Mask the video of ``job`` in a process of its own; returns when its ``counts`` or its ``error`` is set."""
        work = VideoJob(str(job.folder / "upload"), str(output_name(job.folder)), job.settings, self._seconds)
        process, ours = start_process(serve, work)
        deadline = time.monotonic() + max(_WORK_SECONDS, _WORK_FACTOR * self._seconds)
        try:
            while job.counts is None and job.error is None:
                if job.cancelled or time.monotonic() > deadline:
                    job.error = "The video took too long; make it shorter or smaller."
                elif ours.poll(_PATIENCE):
                    _note(job, json.loads(ours.recv_bytes(_LONGEST_MESSAGE).decode("utf-8")))
        except (EOFError, OSError, ValueError):
            job.error = "The video could not be masked: it is damaged, or needs too much memory."
        finally:
            process.kill()
            process.join()
            ours.close()

    def _make_room(self) -> None:
        """Let the oldest results go when there are many, so that those that nobody fetches do not fill the disk."""
        done = [job for job in self._jobs.values() if job.state == DONE]
        for job in sorted(done, key=lambda job: job.finished)[:-_RESULTS]:
            self._forget(job)

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            for job in list(self._jobs.values()):
                if job.state in (DONE, FAILED) and now - job.finished > self._kept:
                    self._forget(job)


def _note(job: Job, message: Dict[str, Any]) -> None:
    """Take in what the process of ``job`` says."""
    if "progress" in message:
        job.progress = min(1.0, max(0.0, float(message["progress"])))
    elif "counts" in message:
        job.counts = {name: int(message["counts"][name]) for name in ("frames", "faces", "withheld")}
    else:
        job.error = str(message.get("error"))[:500]
