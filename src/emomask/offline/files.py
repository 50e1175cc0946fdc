"""Masks files: pictures at one go, videos in two passes, live sources frame by frame."""

import contextlib
import os
import sys
from pathlib import Path
from typing import Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple
from urllib.parse import urlsplit

import numpy as np
from tqdm import tqdm

from emomask.errors import DataError, FrameError, SinkError, SourceError, described
from emomask.faces import Box, Face
from emomask.masker import Masker
from emomask.masks.cover import Cover
from emomask.masks.styles import pixelated_frame
from emomask.media.address import CAMERA, DEMO, STREAM, parse_address
from emomask.media.download import download
from emomask.media.movie import Movie, MovieFrame
from emomask.media.picture import Picture
from emomask.media.picture_reader import is_picture, read_pictures
from emomask.media.picture_writer import MaskedPage, output_format, write_pictures
from emomask.media.sources import SourceSettings, open_source
from emomask.media.suffixes import CONTAINERS, PICTURES
from emomask.media.video import VideoSink
from emomask.offline.analysis import Analysis
from emomask.offline.file_settings import FileSettings
from emomask.offline.inputs import STANDARD, Job
from emomask.offline.marks import Mark
from emomask.offline.report import Frame, ReportWriter, Summary, read_report
from emomask.offline.selection import Selection
from emomask.outputs import check_is_not_input
from emomask.settings import Settings

LIVE_RATE = 25.0  # frames/s of the output when a live source does not know its own
WITHHELD = 128  # grey level of a frame that could not be masked


class Plan(NamedTuple):
    """What to do with every file of a run.

    Attributes
    ----------
    settings: how faces are found and covered.
    files: how files are read and written.
    only, excepted: whom to mask, see ``Selection``.
    from_report: a report, perhaps edited, that says what to cover; nothing is sought then.
    resume: leave results that are there already.
    progress: draw progress bars on a terminal.
    preview: called with each masked frame, uint8 ``(H, W, 3)`` BGR; None in worker processes.
    """

    settings: Settings
    files: FileSettings
    only: Tuple[str, ...] = ()
    excepted: Tuple[str, ...] = ()
    from_report: str = ""
    resume: bool = False
    progress: bool = False
    preview: Optional[Callable[[np.ndarray], None]] = None


class Counts(NamedTuple):
    """What became of a file: frames written, faces covered in them, frames withheld as they could not be masked."""

    frames: int
    faces: int
    failed: int


def mask_file(source, output, settings: Optional[Settings] = None, files: Optional[FileSettings] = None) -> Counts:
    """Mask the picture or video ``source`` (path or URL) into the file ``output``; see ``FileMasker.mask``."""
    plan = Plan(settings or Settings(), files or FileSettings())
    return FileMasker(plan).mask(Job(str(source), str(output)))


class FileMasker:
    """Does jobs as ``plan`` says, one at a time; loads the networks once, when they are needed first.

    Raises ModelError when the style's pictures cannot be read and SettingsError when the plan makes no sense.
    """

    def __init__(self, plan: Plan):
        self._plan = plan
        self._cover = Cover(plan.settings)
        self._selection = Selection(plan.only, plan.excepted)
        self._loaded: Optional[Masker] = None

    def load(self) -> Masker:
        """The networks. Raises ModelError when one of them is missing or damaged."""
        if self._loaded is None:
            self._loaded = Masker(self._plan.settings)
        return self._loaded

    def mask(self, job: Job) -> Optional[Counts]:
        """Do one job; None when its result was there already and was left alone.

        The result and the report are written beside their names and renamed when they are whole. Raises SourceError
        when the input cannot be read, SinkError when the result cannot be written or is the input itself, DataError
        when the report to be applied does not fit, and FrameError when a picture cannot be masked.
        """
        source, output = job.source, job.output
        check_is_not_input(source, output)
        if self._plan.resume and output != STANDARD and os.path.exists(output):
            return None
        if job.into:
            for path in filter(None, (output, job.report)):
                _make_folder(Path(path).parent)
        if source == STANDARD:
            return self._picture(job, sys.stdin.buffer.read(), "standard input")
        address = parse_address(source)
        is_web = address.kind == STREAM and source.lower().startswith("http")
        if is_web and Path(urlsplit(source).path).suffix.lower() in PICTURES:
            return self._picture(job, download(source), address.shown)
        if address.kind in (CAMERA, DEMO) or (address.kind == STREAM and not is_web):
            return self._live(job)
        path = address.target
        becomes_video = Path(output).suffix.lower() in CONTAINERS
        if is_picture(path) and not (becomes_video and path.lower().endswith(".gif")):
            return self._picture(job, path, "")
        return self._movie(job, path)

    def _picture(self, job: Job, source, name: str) -> Counts:
        """``source``: a path, or the bytes of a picture that is called ``name``."""
        output = sys.stdout.buffer if job.output == STANDARD else job.output
        form = "png" if job.output == STANDARD else ""
        output_format(output, form)  # what cannot be written need not be masked first
        edited = self._edited()
        pages: List[Frame] = []
        sizes: List[Tuple[int, int]] = []

        def masked() -> Iterator[MaskedPage]:
            for number, picture in enumerate(read_pictures(source, name)):
                image, covered, frame = self._page(picture, number, edited)
                if self._plan.preview:
                    self._plan.preview(image)
                pages.append(frame)
                sizes.append(picture.frame.shape[1::-1])
                yield picture, image, covered

        write_pictures(masked(), output, form, self._plan.files.keep_metadata)
        if job.report:
            with self._report(job, "picture", sizes[0], {"pages": len(pages)}) as report:
                for frame in pages:
                    report(frame)
        withheld = sum(frame.error is not None for frame in pages)
        return Counts(len(pages), sum(len(frame.marks) for frame in pages), withheld)

    def _page(self, picture: Picture, number: int, edited) -> Tuple[np.ndarray, List[Box], Frame]:
        """A page of a picture, masked, what was covered in it, and what the report says of it."""
        masker = None if edited else self.load()
        try:
            marks = edited(number, 0.0).marks if edited else self._chosen(masker.perceive(picture.frame))
            image, covered = self._painted(picture.frame, marks)
            return image, [box for box in covered if box is not None], Frame(number, 0.0, marks)
        except FrameError as error:
            raise SourceError("%s cannot be masked: %s" % (picture.name, error)) from error
        except DataError:
            raise
        except Exception as error:  # any failure at all withholds the picture
            reason = described(error)
            if self._plan.settings.on_failure != "pixelate":
                raise SinkError("%s could not be masked (%s); nothing was written." % (picture.name, reason)) from error
            whole = Box(0, 0, picture.frame.shape[1], picture.frame.shape[0])
            return pixelated_frame(picture.frame), [whole], Frame(number, 0.0, [], reason)

    def _movie(self, job: Job, path: str) -> Counts:
        edited = self._edited()
        with contextlib.ExitStack() as stack:
            movie = stack.enter_context(Movie(path))
            if edited is None:
                analysis = stack.enter_context(Analysis(self.load()))
                shots = self._bar(self._shots(movie), movie, "looking", job)
                for _ in analysis.look((shot.image, shot.time) for shot in shots):
                    pass
                frames = self._analysed(analysis)
            else:
                frames = edited
            return self._write(job, movie, frames)

    def _analysed(self, analysis: Analysis) -> Callable[[int, float], Frame]:
        def frame(number: int, time: float) -> Frame:
            if number >= analysis.frames:
                raise SourceError("The input has changed while it was read.")
            return Frame(number, time, self._chosen(analysis.faces(number)), analysis.failures.get(number))

        return frame

    def _shots(self, movie: Movie) -> Iterator[MovieFrame]:
        files = self._plan.files
        return movie.frames(files.start or None, files.end or None)

    def _write(self, job: Job, movie: Movie, frames: Callable[[int, float], Frame]) -> Counts:
        """The second pass: cover each frame as ``frames`` says for its number and time, and write it."""
        count = faces = failed = 0
        sink = first = None
        with contextlib.ExitStack() as stack:
            report = None
            if job.report:
                about = {"rate": str(movie.rate)}
                report = stack.enter_context(self._report(job, "video", (movie.width, movie.height), about))
            for number, shot in enumerate(self._bar(self._shots(movie), movie, "writing", job)):
                if sink is None:  # the sound begins with the first frame that is written
                    first = shot.pts
                    sink = stack.enter_context(self._sink(job, movie, first))
                image, frame = self._shown(shot.image, frames(number, shot.time))
                sink.write(image, (shot.pts - first) * movie.time_base, shot.duration * movie.time_base)
                if report:
                    report(frame)
                if self._plan.preview:
                    self._plan.preview(image)
                count, faces, failed = count + 1, faces + len(frame.marks), failed + (frame.error is not None)
            if sink is None:
                raise SourceError("%s has no frame from %g s on." % (job.source, self._plan.files.start))
        return Counts(count, faces, failed)

    def _sink(self, job: Job, movie: Movie, first: int) -> VideoSink:
        """The output for ``movie`` from the frame at ``first`` on (ticks)."""
        files = self._plan.files
        return VideoSink(
            job.output,
            movie.width,
            movie.height,
            movie.rate,
            None if files.quality < 0 else files.quality,
            codec=files.codec or ("libvpx-vp9" if job.output.lower().endswith(".webm") else "libx264"),
            options=files.encoder_values(),
            time_base=movie.time_base,
            aspect=movie.aspect,
            colors=movie.colors,
            metadata=movie.metadata if files.keep_metadata else None,
            audio=movie.audio(files.audio, first * movie.time_base if first else None, files.end or None),
        )

    def _shown(self, image: np.ndarray, frame: Frame) -> Tuple[np.ndarray, Frame]:
        """The masked frame; one that fails is withheld, and its place is kept so that the video keeps its length."""
        if frame.error is None:
            try:
                return self._painted(image, frame.marks)[0], frame
            except Exception as error:  # any failure at all withholds the frame
                frame = frame._replace(error=described(error))
        if self._plan.settings.on_failure == "pixelate":
            return pixelated_frame(image), frame
        return np.full_like(image, WITHHELD), frame

    def _live(self, job: Job) -> Counts:
        """A camera, a stream without an end or the demo clip: one pass, until it ends or is interrupted."""
        if self._plan.from_report or job.report:
            raise SourceError("%s is no file: reports are made of files and for them." % job.source)
        count = faces = failed = 0
        sink = None
        masker = self.load()
        masker.reset()
        settings = SourceSettings(source=job.source, realtime=False)
        with open_source(settings) as frames_in, contextlib.ExitStack() as stack:
            rate = frames_in.rate or LIVE_RATE
            for masked in masker.stream(_timed(frames_in)):
                count, faces, failed = count + 1, faces + len(masked.faces), failed + (masked.error is not None)
                if masked.image is not None:
                    if sink is None:  # only now the size is known
                        height, width = masked.image.shape[:2]
                        sink = stack.enter_context(VideoSink(job.output, width, height, rate))
                    sink.write(masked.image)
        if sink is None:
            raise SinkError("%s gave no frame that could be masked; nothing was written." % job.source)
        return Counts(count, faces, failed)

    def _chosen(self, faces: Sequence[Face]) -> List[Mark]:
        marks = [Mark.of(face, self._cover.region(face)) for face in faces]
        return [mark for mark in marks if self._selection.covers(mark)]

    def _painted(self, image: np.ndarray, marks: Sequence[Mark]) -> Tuple[np.ndarray, List[Optional[Box]]]:
        return self._cover.paint(image, [(mark.region, mark.emotion) for mark in marks])

    def _edited(self) -> Optional[Callable[[int, float], Frame]]:
        """What the report to be applied says of each frame; None without one."""
        if not self._plan.from_report:
            return None
        _, frames = read_report(Path(self._plan.from_report))

        def frame(number: int, time: float) -> Frame:
            if number >= len(frames) or abs(frames[number].time - time) > 1e-3:
                raise DataError(
                    "The report %s does not fit the input: at frame %d it tells of another time, or of none. Give the "
                    "file that it was made of, with the same start and end." % (self._plan.from_report, number)
                )
            marks = [mark for mark in frames[number].marks if self._selection.covers(mark)]
            return frames[number]._replace(marks=marks)

        return frame

    @contextlib.contextmanager
    def _report(self, job: Job, kind: str, size: Tuple[int, int], about: dict):
        """Gives a function that adds a frame to the report."""
        settings = self._plan.settings
        head = {"file": os.path.basename(job.source), "kind": kind, "width": size[0], "height": size[1]}
        head.update(about, settings=settings.as_dict(), models=self._loaded.models if self._loaded else {})
        summary = Summary(settings.detection_threshold, *size)
        with ReportWriter(Path(job.report), head, summary) as writer:

            def add(frame: Frame) -> None:
                summary.add(frame)
                writer.write(frame)

            yield add

    def _bar(self, shots: Iterator[MovieFrame], movie: Movie, verb: str, job: Job) -> Iterator[MovieFrame]:
        if not self._plan.progress:
            return shots
        name = os.path.basename(job.source)
        return tqdm(shots, "%s: %s" % (name, verb), movie.frame_count or None, leave=False, disable=None, unit="frame")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SinkError("The folder %s cannot be made: %s." % (folder, error.strerror or error)) from error


def _timed(source) -> Iterator[Tuple[np.ndarray, float]]:
    captured = source.read()
    while captured is not None:
        yield captured.image, captured.position
        captured = source.read()
