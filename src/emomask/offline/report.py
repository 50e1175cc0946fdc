"""Reports: what was covered where in a file, and what a person should look at. No pixels are in them."""

import contextlib
import csv
import json
import os
from pathlib import Path
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

from emomask.errors import DataError, SinkError
from emomask.faces import EMOTIONS, Box
from emomask.media.address import without_secrets
from emomask.offline.inputs import Job
from emomask.offline.marks import FOUND, REMEMBERED, Mark
from emomask.outputs import unfinished, unwritable
from emomask.settings import Settings

VERSION = 1
# What counts as uncertain.
WEAK = 1.5  # a face whose best score is below so many thresholds may be none; or one that is hard to see elsewhere
BRIEF = 3  # a face that was found in fewer frames
LONG_MEMORY = 0.3  # seconds for which a face was covered from memory only
SMALL = 24  # pixels: at this size faces are often missed


class Frame(NamedTuple):
    """One frame of a report: its number from 0, its time in seconds, what is covered, and why it was withheld if so."""

    number: int
    time: float
    marks: List[Mark]
    error: Optional[str] = None

    def as_dict(self) -> dict:
        """Plain values for JSON."""
        values = {"frame": self.number, "time": round(self.time, 6), "faces": [mark.as_dict() for mark in self.marks]}
        return dict(values, error=self.error) if self.error else values

    @classmethod
    def from_dict(cls, values: dict) -> "Frame":
        """The frame that ``as_dict`` wrote. Raises DataError when values are missing or of the wrong kind."""
        try:
            marks = [Mark.from_dict(face) for face in values["faces"]]
            return cls(int(values["frame"]), float(values["time"]), marks, values.get("error"))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DataError(repr(error)) from error


class Summary:
    """Counts, and the list of what should be looked at, gathered frame by frame.

    ``threshold``: the score from which a face counts; ``width``, ``height``: pixels of the frames.
    """

    def __init__(self, threshold: float, width: int, height: int):
        self.frames = self.faces = self.withheld = 0
        self._threshold = threshold
        self._border = Box(0, 0, width, height)
        self._tracks: Dict[int, _Track] = {}
        self._doubts: List[dict] = []

    def add(self, frame: Frame) -> None:
        """Count the next frame."""
        self.frames += 1
        self.faces += len(frame.marks)
        if frame.error:
            self.withheld += 1
            self._doubts.append(_doubt("withheld", None, frame.time, frame.time, frame.error))
        for mark in frame.marks:
            track = self._tracks.setdefault(mark.track, _Track(mark, frame.time))
            if track.remembered_since is not None and mark.origin != REMEMBERED:
                self._close_memory(track)
            track.add(mark, frame)

    def as_dict(self) -> dict:
        """The summary for a report; its list ``look_at`` is in the order of time."""
        doubts = list(self._doubts)
        for track in self._tracks.values():
            doubts += track.doubts(self._threshold, self._border)
        return {
            "frames": self.frames,
            "faces": self.faces,
            "withheld": self.withheld,
            "tracks": len(self._tracks),
            "look_at": sorted(doubts, key=lambda doubt: doubt["start"]),
        }

    def _close_memory(self, track: "_Track") -> None:
        self._doubts += track.memory()
        track.remembered_since = None


class _Track:
    """What is worth knowing of one face over its frames."""

    def __init__(self, first: Mark, time: float):
        self.first = first
        self.start = self.end = time
        self.best = 0.0
        self.found = 0
        self.smallest = float("inf")
        self.remembered_since: Optional[float] = None

    def add(self, mark: Mark, frame: Frame) -> None:
        self.end = frame.time
        self.smallest = min(self.smallest, mark.box.width)
        if mark.origin == FOUND:
            self.found += 1
            self.best = max(self.best, mark.score)
        elif mark.origin == REMEMBERED and self.remembered_since is None:
            self.remembered_since = frame.time

    def memory(self) -> List[dict]:
        """The doubt about a time in which the face was covered from memory, if it was long."""
        if self.remembered_since is None or self.end - self.remembered_since < LONG_MEMORY:
            return []
        what = "covered from memory only: is the face there, and covered?"
        return [_doubt("memory", self.first.track, self.remembered_since, self.end, what)]

    def doubts(self, threshold: float, border: Box) -> List[dict]:
        doubts = self.memory()

        def add(kind, what):
            doubts.append(_doubt(kind, self.first.track, self.start, self.end, what))

        if 0 < self.found < BRIEF:
            add("brief", "found in %d frames only: was it a face, and is it covered before and after?" % self.found)
        elif self.found and self.best < WEAK * threshold:
            add("weak", "best score %.2f: was it a face, and is it covered in all frames?" % self.best)
        if self.found and self.smallest < SMALL:
            add("small", "down to %.0f pixels wide: smaller faces near it may be missed" % self.smallest)
        around = self.first.box.grown(0.5)
        if self.found and self.start > 0 and around.intersection(border) == around:
            what = "first covered in the middle of the picture: was it there before?"
            doubts.append(_doubt("appears", self.first.track, self.start, self.start, what))
        return doubts


def _doubt(kind: str, track: Optional[int], start: float, end: float, what: str) -> dict:
    return {
        "kind": kind,
        "track": track,
        "start": round(start, 3),
        "end": round(end, 3),
        "timecode": timecode(start),
        "what": what,
    }


def timecode(seconds: float) -> str:
    """``seconds`` as h:mm:ss.mmm, as players show it."""
    milliseconds = round(seconds * 1000)
    return "%d:%02d:%02d.%03d" % (
        milliseconds // 3600000,
        milliseconds // 60000 % 60,
        milliseconds // 1000 % 60,
        milliseconds % 1000,
    )


COLUMNS = ("frame", "time", "track", "origin", "score", "emotion", "left", "top", "right", "bottom")
COLUMNS += ("region_x", "region_y", "region_half_width", "region_half_height", "region_angle", *EMOTIONS)


class ReportWriter:
    """Writes a report frame by frame: ``.json`` (whole, and can be applied again) or ``.csv`` (a row for each face).

    ``head``: what is known of the file at its start (size, settings ...). The file is written beside its name and gets
    it in ``close``. As a context manager it is given up when the block raises. Raises SinkError when it cannot be
    written.
    """

    def __init__(self, path: Path, head: dict, summary: Summary):
        self.path = Path(path)
        if self.path.suffix.lower() not in (".json", ".csv"):
            raise SinkError("A report is written as .json or .csv; %s is neither." % self.path)
        self._part = unfinished(self.path)
        self._head = head
        self._summary = summary
        self._rows = None
        try:
            self._file = open(str(self._part), "w", encoding="utf-8", newline="")
        except OSError as error:
            raise self._error(error) from error
        with self._failing():
            if self.path.suffix.lower() == ".csv":
                self._rows = csv.writer(self._file)
                self._rows.writerow(COLUMNS)
            else:
                start = json.dumps(dict({"version": VERSION}, **head), indent=1)
                self._file.write(start[: -len("\n}")] + ',\n "frames": [')
                self._separator = "\n"

    def write(self, frame: Frame) -> None:
        """Add the next frame."""
        with self._failing():
            if self._rows:
                self._rows.writerows(_row(frame, mark) for mark in frame.marks)
                return
            self._file.write(self._separator + "  " + json.dumps(frame.as_dict()))
            self._separator = ",\n"

    def close(self) -> None:
        """Complete the report and give it its name."""
        with self._failing():
            if not self._rows:
                summary = json.dumps(self._summary.as_dict(), indent=1).replace("\n", "\n ")
                self._file.write('\n ],\n "summary": %s\n}\n' % summary)
            self._file.close()
            os.replace(str(self._part), str(self.path))

    def abort(self) -> None:
        """Give up and remove what was written."""
        self._file.close()
        self._part.unlink(missing_ok=True)

    def __enter__(self) -> "ReportWriter":
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.close()
        else:
            self.abort()

    @contextlib.contextmanager
    def _failing(self):
        """Turns a failure to write into a SinkError, after which nothing is left."""
        try:
            yield
        except OSError as error:
            self.abort()
            raise self._error(error) from error

    def _error(self, error: OSError) -> SinkError:
        return unwritable("The report %s" % self.path, error, self.path.parent)


@contextlib.contextmanager
def open_report(
    job: Job, kind: str, size: Tuple[int, int], about: dict, settings: Settings, models: Dict[str, str]
) -> Iterator[Callable[[Frame], None]]:
    """Gives a function that adds a frame to the report of ``job``.

    ``kind``: picture or video, of ``size`` (width, height). ``about``: what else the report begins with, besides the
    ``settings`` and the ``models`` by what they do.
    """
    head = {"file": os.path.basename(without_secrets(job.source)), "kind": kind, "width": size[0], "height": size[1]}
    head.update(about, settings=settings.as_dict(), models=models)
    summary = Summary(settings.detection_threshold, *size)
    with ReportWriter(Path(job.report), head, summary) as writer:

        def add(frame: Frame) -> None:
            summary.add(frame)
            writer.write(frame)

        yield add


def _row(frame: Frame, mark: Mark) -> list:
    region = mark.region
    probabilities = mark.probabilities or ("",) * len(EMOTIONS)
    return [
        *(frame.number, "%.6f" % frame.time, mark.track, mark.origin, "%.4f" % mark.score, mark.emotion),
        *("%.1f" % value for value in mark.box),
        *("%.1f" % value for value in (region.x, region.y, region.half_width, region.half_height)),
        "%.4f" % region.angle,
        *("%.4f" % value if value != "" else "" for value in probabilities),
    ]


def read_report(path: Path) -> Tuple[dict, List[Frame]]:
    """The head and the frames of a JSON report, written by ``ReportWriter`` and perhaps edited.

    Raises DataError when it cannot be read or is not such a report; the message names the frame.
    """
    try:
        with open(str(path), encoding="utf-8") as file:
            report = json.load(file)
    except (OSError, ValueError) as error:
        raise DataError("The report %s cannot be read: %s." % (path, error)) from error
    if not isinstance(report, dict) or report.get("version") != VERSION or not isinstance(report.get("frames"), list):
        raise DataError("%s is not a JSON report of emomask (version %d)." % (path, VERSION))
    frames = []
    for number, entry in enumerate(report.pop("frames")):
        try:
            frame = Frame.from_dict(entry)
            if frame.number != number:
                raise DataError("it is numbered %d; no frame may be left out or moved" % frame.number)
        except DataError as error:
            raise DataError("The report %s is wrong at frame %d: %s." % (path, number, error)) from error
        frames.append(frame)
    return report, frames
