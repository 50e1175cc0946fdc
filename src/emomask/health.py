"""How a node that passes frames on is doing: what it counts, and what of that is worth a warning."""

import enum
import statistics
import threading
import time
from collections import deque
from typing import Callable, Deque, Iterable, List, NamedTuple, Optional, Tuple

WINDOW = 10.0  # seconds over which is counted: long enough for a few frames of a slow stream, short enough for "now"
# Without a frame for so long a stream counts as broken off: four of the slowest cameras' frames (2 a second).
SILENCE = 2.0
# A frame that is published later than this after its stamp shows the past to whoever acts on it. Frames wait for those
# of the lookahead and for those in work, and in no queue when they are old: with clocks in step it takes a much slower
# machine than two cores, or a stamp that is not that of the grab.
LATE = 1.0
# A stamp may lie this far ahead: the clocks of two machines that are kept in step differ by less.
AHEAD = 0.05
# Frames that are skipped for newer ones are how a slow machine keeps up; from this share on it shows less than half.
SKIPPED = 0.5


class Level(enum.IntEnum):
    """As diagnostic_msgs/DiagnosticStatus numbers them."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


class Figures(NamedTuple):
    """What became of the frames of the last ``seconds``, at most ``WINDOW``.

    Attributes
    ----------
    arrived, published, failed, dropped: frames that came in, went out, could not be used, and gave way to newer ones.
    silence: seconds since a frame came in, or since the start.
    begun: whether a frame ever came in.
    age, longest_age: median and maximum of the seconds from the stamp to the publishing; None: no frame with a stamp.
    work: median of the seconds from the arrival to the publishing; None: no frame.
    """

    seconds: float
    arrived: int
    published: int
    failed: int
    dropped: int
    silence: float
    begun: bool
    age: Optional[float]
    longest_age: Optional[float]
    work: Optional[float]

    @property
    def rate(self) -> float:
        """Frames published a second."""
        return self.published / self.seconds if self.seconds else 0.0

    @property
    def arrival_rate(self) -> float:
        """Frames that came in a second."""
        return self.arrived / self.seconds if self.seconds else 0.0


class Meter:
    """Counts what becomes of frames; several threads may use it at a time. ``clock``: seconds that run forward."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._lock = threading.Lock()
        self._start = clock()
        self._last: Optional[float] = None
        self._arrived: Deque[_Count] = deque()
        self._failed: Deque[_Count] = deque()
        self._dropped: Deque[_Count] = deque()
        self._dropped_so_far = 0
        self._published: Deque[_Output] = deque()

    def arrived(self) -> None:
        """A frame came in."""
        with self._lock:
            self._last = self._clock()
            self._note(self._arrived, _Count(self._last, 1))

    def dropped_so_far(self, total: int) -> None:
        """How many frames gave way to newer ones since the start."""
        with self._lock:
            new, self._dropped_so_far = total - self._dropped_so_far, total
            self._note(self._dropped, _Count(self._clock(), new))

    def failed(self) -> None:
        """A frame could not be used."""
        with self._lock:
            self._note(self._failed, _Count(self._clock(), 1))

    def published(self, age: Optional[float] = None, work: Optional[float] = None) -> None:
        """A frame went out, so many seconds after its stamp and after it came in; None: not known."""
        with self._lock:
            self._note(self._published, _Output(self._clock(), age, work))

    @staticmethod
    def _note(entries: deque, entry) -> None:
        entries.append(entry)
        while entries[0].time < entry.time - WINDOW:
            entries.popleft()

    def figures(self) -> Figures:
        """What was counted up to now."""
        with self._lock:
            now = self._clock()
            since = now - WINDOW
            published = [output for output in self._published if output.time >= since]
            ages = [output.age for output in published if output.age is not None]
            works = [output.work for output in published if output.work is not None]
            return Figures(
                seconds=min(WINDOW, now - self._start),
                arrived=_count(self._arrived, since),
                published=len(published),
                failed=_count(self._failed, since),
                dropped=_count(self._dropped, since),
                silence=now - (self._start if self._last is None else self._last),
                begun=self._last is not None,
                age=statistics.median(ages) if ages else None,
                longest_age=max(ages) if ages else None,
                work=statistics.median(works) if works else None,
            )


class _Count(NamedTuple):
    """So many frames at a time."""

    time: float
    number: int


class _Output(NamedTuple):
    """A frame that was published at a time; its age and the work on it in seconds, where known."""

    time: float
    age: Optional[float]
    work: Optional[float]


def _count(counts: Iterable[_Count], since: float) -> int:
    return sum(count.number for count in counts if count.time >= since)


def judged(figures: Figures, hint: str = "") -> Tuple[Level, str]:
    """The level of a stream with these ``figures``, and one line that says why.

    STALE: no frame comes, or came yet. ERROR: frames come, and none of them can be used. WARN: some cannot, or more
    than ``SKIPPED`` of them are skipped, or their stamps are more than ``LATE`` old or ``AHEAD`` of the clock. OK else.
    ``hint``: what is known of why no frame comes.
    """
    if figures.silence > SILENCE:
        what = "No frame for %.0f s" % figures.silence if figures.begun else "No frame yet"
        return Level.STALE, "%s: %s" % (what, hint) if hint else what
    if figures.failed and not figures.published:
        return Level.ERROR, "All %d frames of the last %.0f s failed" % (figures.failed, figures.seconds)
    faults: List[str] = []
    if figures.failed:
        faults.append("%d frames of the last %.0f s failed" % (figures.failed, figures.seconds))
    if figures.age is not None and figures.age > LATE:
        faults.append("frames are %.1f s old when they are published" % figures.age)
    if figures.age is not None and figures.age < -AHEAD:
        faults.append("stamps are %.2f s ahead of this machine's clock" % -figures.age)
    if figures.dropped > SKIPPED * figures.arrived:
        faults.append("%d of %d frames were skipped for newer ones" % (figures.dropped, figures.arrived))
    if faults:
        return Level.WARN, "; ".join(faults)
    return Level.OK, "%.1f frames/s" % figures.rate
