"""Masks files: pictures at one go, videos in steps, live sources frame by frame."""

import os
import sys
from pathlib import Path
from typing import Callable, Dict, NamedTuple, Optional, Union
from urllib.parse import urlsplit

from emomask.errors import EmomaskError, described
from emomask.masker import Masker
from emomask.media.address import CAMERA, DEMO, STREAM, parse_address
from emomask.media.download import download
from emomask.media.picture_reader import is_picture
from emomask.media.suffixes import CONTAINERS, PICTURES
from emomask.offline.course import Task, course
from emomask.offline.file_settings import FileSettings
from emomask.offline.inputs import STANDARD, Job
from emomask.offline.live import mask_live
from emomask.offline.movies import MovieMasker
from emomask.offline.painter import Painter
from emomask.offline.pieces import Division
from emomask.offline.plan import Counts, Plan
from emomask.offline.still import mask_picture
from emomask.outputs import check_is_not_input, unwritable
from emomask.perception.perceiver import Perceiver
from emomask.settings import Settings


def mask_file(
    source: Union[str, Path],
    output: Union[str, Path],
    settings: Optional[Settings] = None,
    files: Optional[FileSettings] = None,
    progress: Callable[[], None] = lambda: None,
) -> Counts:
    """Mask the picture or video ``source`` (path or URL) into the file ``output``.

    The result is written beside its name and renamed when it is whole. ``progress`` is called for each frame of a
    video, twice. Raises SourceError when the input cannot be read, SinkError when the result cannot be written or is
    the input itself, FrameError when a picture cannot be masked, and ModelError when the networks cannot be loaded.
    """
    masker = FileMasker(Plan(settings or Settings(), files or FileSettings()), progress)
    steps = course(masker.plan, Job(str(source), str(output)))
    try:
        tasks = next(steps)
        while True:
            tasks = steps.send([masker.do(task) for task in tasks])
    except StopIteration as end:
        return end.value


class Done(NamedTuple):
    """What a task gave, or the error that it failed with; either can be sent to another process."""

    value: object = None
    error: Optional[EmomaskError] = None


class FileMasker:
    """Does tasks as ``plan`` says, one at a time; loads the networks once, when they are needed first.

    ``progress`` is called for each frame of a video, twice. Raises ModelError when the style's pictures cannot be read
    and SettingsError when the plan makes no sense.
    """

    def __init__(self, plan: Plan, progress: Callable[[], None] = lambda: None):
        self.plan = plan
        self._painter = Painter(plan)
        self._movies = MovieMasker(plan, self._painter, self.perceiver, progress)
        self._perceivers: Dict[int, Perceiver] = {}

    def perceiver(self, threads: int) -> Perceiver:
        """The networks, with so many threads each. Raises ModelError when one of them is missing or damaged."""
        if threads not in self._perceivers:
            self._perceivers[threads] = Perceiver(self.plan.settings.replace(threads=threads))
        return self._perceivers[threads]

    def do(self, task: Task):
        """Do one task of a ``course``; raises what its step raises."""
        step = self.begin if task.step == "begin" else getattr(self._movies, task.step)
        return step(task.job, *task.arguments)

    def outcome(self, task: Task) -> Done:
        """Do one task, whatever goes wrong."""
        try:
            return Done(self.do(task))
        except EmomaskError as error:
            return Done(error=error)
        except Exception as error:  # one file must not end the work on the others
            return Done(error=EmomaskError(described(error)))

    def begin(self, job: Job) -> Union[Counts, Division, None]:
        """The first step of a job, which is all of it unless it is a video: the division of that one.

        None when the result was there already and is left alone.
        """
        check_is_not_input(job.source, job.output)
        if self.plan.resume and job.output != STANDARD and os.path.exists(job.output):
            return None
        if job.into:
            for path in filter(None, (job.output, job.report)):
                _make_folder(Path(path).parent)
        if job.source == STANDARD:
            return self._picture(job, sys.stdin.buffer.read(), "standard input")
        address = parse_address(job.source)
        is_web = address.kind == STREAM and job.source.lower().startswith("http")
        if is_web and Path(urlsplit(job.source).path).suffix.lower() in PICTURES:
            return self._picture(job, download(job.source), address.shown)
        if address.kind in (CAMERA, DEMO) or (address.kind == STREAM and not is_web):
            return mask_live(job, self.plan, Masker(self.plan.settings))
        path = address.target
        becomes_video = Path(job.output).suffix.lower() in CONTAINERS
        if is_picture(path) and not (becomes_video and path.lower().endswith(".gif")):
            return self._picture(job, path, "")
        return self._movies.begin(job)

    def _picture(self, job: Job, source, name: str) -> Counts:
        perceiver = None if self.plan.from_report else self.perceiver(self.plan.settings.threads)
        return mask_picture(job, source, name, self.plan, self._painter, perceiver)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable("The folder %s" % folder, error) from error
