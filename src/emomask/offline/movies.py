"""Masks videos with a length, in steps that can be done in pieces, by several workers, and later.

begin: how the video is divided. look, for each piece: what the networks see. follow: whose face is whose in the whole
video, so that no seam between pieces is a seam for a track. write, for each piece: the masked frames, encoded. join:
the file. Each step leaves its result in the work folder under a name that it gets when it is whole, and is passed over
when it is there: so a step can be done again at any time, anywhere, by whoever finds it undone.
"""

import contextlib
import functools
import json
import os
from itertools import zip_longest
from pathlib import Path
from typing import Callable, Iterator, List, Optional, Tuple

import numpy as np

from emomask.errors import DataError, SinkError, SourceError
from emomask.media.address import without_secrets
from emomask.media.movie import Movie, MovieFrame
from emomask.media.video import VideoFile
from emomask.media.video_encoder import EncodedPacket, VideoEncoder, VideoSpec
from emomask.offline import look
from emomask.offline.ahead import reading_ahead, working_ahead
from emomask.offline.face_rows import packed, unpacked
from emomask.offline.inputs import Job
from emomask.offline.painter import Painter
from emomask.offline.pieces import Division, Looked, Piece, divided
from emomask.offline.plan import Counts, Plan
from emomask.offline.records import Records, RecordWriter
from emomask.offline.report import Frame, open_report, read_report
from emomask.offline.work_folder import WorkFolder, state_of
from emomask.perception.follow import Sight, backwards, forwards
from emomask.perception.perceiver import Perceiver
from emomask.perception.scene import Change

_VERSION = 3  # of what the steps leave; what another one has left is not taken up
_SIGHT = ("time", "error", "faces", "change")
_FRAME = ("frame",)
_DEPTH = 3  # frames that are read ahead
_CLOSE = 1e-3  # seconds by which the times in a report may be off


class MovieMasker:
    """The steps, as ``plan`` says.

    ``perceiver`` gives the networks for so many threads each; ``progress`` is called for each frame, twice. The steps
    raise SourceError when the input cannot be read or has changed, SinkError when something cannot be written,
    DataError when the report to be applied does not fit, and ModelError when the networks cannot be loaded.
    """

    def __init__(
        self,
        plan: Plan,
        painter: Painter,
        perceiver: Callable[[int], Perceiver],
        progress: Callable[[], None],
    ):
        self._plan = plan
        self._painter = painter
        self._perceiver = perceiver
        self._progress = progress

    def begin(self, job: Job) -> Division:
        """Divide the video, and make sure that the result can be written."""
        files = self._plan.files
        with Movie(job.source) as movie:
            pieces = divided(movie, job.source, files.start, files.end)
            frames = movie.frames(files.start or None, files.end or None)
            with contextlib.closing(frames):
                first = next(frames, None)
            if first is None:
                raise SourceError("%s has no frame from %g s on." % (without_secrets(job.source), files.start))
            seconds = min(files.end or movie.duration, movie.duration) - files.start
            division = Division(tuple(pieces), first.pts, max(0, round(seconds * movie.rate)))
            self._file(job, movie, division).abort()
        # How many threads and workers there are may change from run to run.
        plan = self._plan._replace(settings=self._plan.settings.replace(threads=0), resume=False, preview=None)
        work = dict(state_of(job.source), plan=plan, version=_VERSION, division=division)
        if plan.from_report:
            work["report"] = state_of(plan.from_report)
        else:
            work["models"] = self._networks()[0].models
        WorkFolder(job.output).begin(work, self._plan.resume)
        return division

    def look(self, job: Job, piece: Piece) -> Looked:
        """Write down what the networks see in ``piece``."""
        log = WorkFolder(job.output).looked(piece)
        if log.exists():
            about = _about(log)
            return Looked(about["frames"], *(value and tuple(value) for value in (about["first"], about["beyond"])))
        perceiver, workers = self._networks()
        with Movie(job.source) as movie, RecordWriter(log, look.COLUMNS) as writer:
            frames = movie.frames(*_span(movie, piece), beyond=True, exact=False)
            with reading_ahead(frames, _DEPTH) as shots:
                looked = look.look(perceiver, shots, piece, writer, workers, self._progress)
            writer.about.update(looked._asdict(), models=perceiver.models)
        return looked

    def follow(self, job: Job, division: Division) -> None:
        """Write down what is to be covered in each piece."""
        folder = WorkFolder(job.output)
        if all(folder.marks(piece).exists() for piece in division.pieces):
            return
        with Movie(job.source) as movie:
            size, time_base = (movie.height, movie.width), movie.time_base
        if self._plan.from_report:
            self._apply(folder, division, time_base)
            return
        settings = self._plan.settings
        number = 0
        sights = forwards(settings, size, _looked(folder, division, time_base))
        for piece in division.pieces:
            with RecordWriter(folder.followed(piece), _SIGHT) as writer, Records(folder.looked(piece)) as log:
                for index in range(log.about["frames"]):
                    sight = next(sights)
                    writer.add(index, sight.time, sight.error, packed(sight.faces), json.dumps(sight.change))
                    number += 1
        sights = backwards(settings, size, _followed(folder, division))
        for piece in reversed(division.pieces):
            with RecordWriter(folder.marks(piece), _FRAME) as writer, Records(folder.looked(piece)) as log:
                for index in reversed(range(log.about["frames"])):
                    sight = next(sights)
                    number -= 1
                    frame = Frame(number, sight.time, self._painter.marks(sight.faces), sight.error)
                    writer.add(index, json.dumps(frame.as_dict()))
        for piece in division.pieces:
            folder.followed(piece).unlink()

    def write(self, job: Job, division: Division, piece: Piece) -> int:
        """Mask and encode the frames of ``piece``; returns how many there are."""
        folder = WorkFolder(job.output)
        if folder.packets(piece).exists():
            return _about(folder.packets(piece))["frames"]
        count = 0
        with contextlib.ExitStack() as stack:
            movie = stack.enter_context(Movie(job.source))
            spec = self._spec(job, movie)
            encoder = VideoEncoder(spec)
            packets = _Packets(stack.enter_context(RecordWriter(folder.packets(piece), EncodedPacket._fields)))
            told = stack.enter_context(RecordWriter(folder.shown(piece), _FRAME))
            # Reading, painting and encoding go on side by side.
            shots = stack.enter_context(reading_ahead(movie.frames(*_span(movie, piece)), _DEPTH))
            marks = stack.enter_context(Records(folder.marks(piece)))
            paint = functools.partial(self._painted, job)
            painted = stack.enter_context(working_ahead(paint, zip_longest(shots, marks), 1))
            for (shot, _), future in painted:
                image, frame = future.result()
                ticks = round((shot.pts - division.first) * movie.time_base / spec.tick)
                duration = max(1, round(shot.duration * movie.time_base / spec.tick))
                packets.add(encoder.encode(image, ticks, duration))
                told.add(count, json.dumps(frame.as_dict()))
                if self._plan.preview:
                    self._plan.preview(image)
                count += 1
                self._progress()
            packets.add(encoder.flush())
            packets.writer.about.update(frames=count, header=encoder.header.hex())
        return count

    def join(self, job: Job, division: Division) -> Counts:
        """Make the result and the report of all pieces, and remove what the steps have left."""
        folder = WorkFolder(job.output)
        count = faces = failed = 0
        with contextlib.ExitStack() as stack:
            movie = stack.enter_context(Movie(job.source))
            file = stack.enter_context(self._file(job, movie, division))
            header = VideoEncoder(file.spec, file.context).header.hex()
            report = None
            if job.report:
                models = {} if self._plan.from_report else _about(folder.looked(division.pieces[0]))["models"]
                about = {"rate": str(movie.rate)}
                size = movie.width, movie.height
                report = stack.enter_context(open_report(job, "video", size, about, self._plan.settings, models))
            for piece in division.pieces:
                with Records(folder.packets(piece)) as packets, Records(folder.shown(piece)) as told:
                    if packets.about["header"] != header:
                        raise SinkError(
                            "%s: its pieces were encoded differently on different machines; install the same versions "
                            "of emomask and av on all, or use one." % job.output
                        )
                    file.write(EncodedPacket(*row[1:]) for row in packets)
                    for _, text in told:
                        frame = Frame.from_dict(json.loads(text))
                        if report:
                            report(frame)
                        count, faces, failed = count + 1, faces + len(frame.marks), failed + (frame.error is not None)
        folder.remove()
        return Counts(count, faces, failed)

    def _networks(self) -> Tuple[Perceiver, int]:
        """The networks, and in how many frames they seek faces at the same time."""
        settings = self._plan.settings
        # Frames side by side use the processor better than a frame that is shared among threads; the libraries of the
        # other detectors are not made for that.
        workers = (settings.threads or os.cpu_count() or 1) if settings.detector == "centerface" else 1
        return self._perceiver(1 if workers > 1 else settings.threads), workers

    def _apply(self, folder: WorkFolder, division: Division, time_base) -> None:
        """Take what is to be covered from the report to be applied."""
        _, frames = read_report(Path(self._plan.from_report))
        frames.reverse()  # to be taken from the end
        for piece in division.pieces:
            end = None if piece.end is None else float(piece.end * time_base) - _CLOSE / 2
            with RecordWriter(folder.marks(piece), _FRAME) as writer:
                count = 0
                while frames and (end is None or frames[-1].time < end):
                    frame = frames.pop()
                    frame = frame._replace(marks=self._painter.selected(frame.marks))
                    writer.add(count, json.dumps(frame.as_dict()))
                    count += 1
        if frames:
            raise self._misfit(None, frames[-1].time)

    def _painted(self, job: Job, pair: Tuple[Optional[MovieFrame], Optional[Tuple]]) -> Tuple[np.ndarray, Frame]:
        """A masked frame, and what the report is to tell of it, from the frame and the row of its marks."""
        shot, row = pair
        frame = row and Frame.from_dict(json.loads(row[1]))
        if shot is None or frame is None or abs(frame.time - shot.time) > _CLOSE:
            raise self._misfit(job, shot.time if shot else frame.time)
        return self._painter.shown(shot.image, frame)

    def _misfit(self, job: Optional[Job], time: float) -> Exception:
        if self._plan.from_report:
            return DataError(
                "The report %s does not fit the input: at %.3f s one has a frame and the other has none. Give the file "
                "that it was made of, with the same start and end." % (self._plan.from_report, time)
            )
        return SourceError("%s has changed while it was read." % without_secrets(job.source))

    def _spec(self, job: Job, movie: Movie) -> VideoSpec:
        return VideoSpec(
            Path(job.output),
            movie.width,
            movie.height,
            movie.rate,
            time_base=movie.time_base,
            aspect=movie.aspect,
            colors=movie.colors,
            **self._plan.files.encoding(),
        )

    def _file(self, job: Job, movie: Movie, division: Division) -> VideoFile:
        files = self._plan.files
        # The sound begins with the first frame that is written.
        begin = division.first * movie.time_base if division.first else None
        return VideoFile(
            self._spec(job, movie),
            metadata=movie.metadata if files.keep_metadata else None,
            audio=movie.audio(files.audio, begin, files.end or None),
        )


class _Packets:
    """Numbers packets while it writes them."""

    def __init__(self, writer: RecordWriter):
        self.writer = writer
        self._count = 0

    def add(self, packets: List[EncodedPacket]) -> None:
        for packet in packets:
            self.writer.add(self._count, *packet)
            self._count += 1


def _span(movie: Movie, piece: Piece) -> Tuple:
    """Start and end of ``piece`` in seconds, exact."""
    return piece.start * movie.time_base, None if piece.end is None else piece.end * movie.time_base


def _about(path: Path) -> dict:
    """What is kept beside the rows of a file; empty when it is not there."""
    if not path.exists():
        return {}
    with Records(path) as records:
        return records.about


def _looked(folder: WorkFolder, division: Division, time_base) -> Iterator[Sight]:
    into = Change()  # the next piece: whoever looked at it does not know the frame before it
    for piece in division.pieces:
        with Records(folder.looked(piece)) as log:
            for number, ticks, error, faces, change in log:
                known = Change(*json.loads(change)) if number else into
                yield Sight(float(ticks * time_base), unpacked(faces), error, known)
            into = Change(*log.about.get(look.CHANGE, ()))


def _followed(folder: WorkFolder, division: Division) -> Iterator[Sight]:
    for piece in reversed(division.pieces):
        with Records(folder.followed(piece)) as log:
            for _, time, error, faces, change in reversed(log):
                yield Sight(time, unpacked(faces), error, Change(*json.loads(change)))
