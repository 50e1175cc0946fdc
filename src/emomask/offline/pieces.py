"""A long video in pieces, which can be worked on apart: by several workers, or later."""

import zlib
from typing import List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from emomask.media.address import STREAM, parse_address
from emomask.media.movie import Movie, MovieFrame

LENGTH = 10.0  # seconds of a piece at least; the next key frame ends it


class Piece(NamedTuple):
    """A part of a video: the frames from ``start`` to before ``end``, in ticks from the video's first frame.

    ``end`` is None where the piece ends with the video.
    """

    start: int
    end: Optional[int]

    @property
    def name(self) -> str:
        """For the names of files."""
        return "%d-%s" % (self.start, "end" if self.end is None else self.end)


class Division(NamedTuple):
    """How a video is divided.

    Attributes
    ----------
    pieces: in order, without gaps.
    first: when the first frame that is written is shown, in ticks.
    frames: how many there are, as far as the header tells; 0 when it does not.
    """

    pieces: Tuple[Piece, ...]
    first: int
    frames: int

    def undivided(self) -> "Division":
        """The same video in one piece."""
        return self._replace(pieces=(Piece(self.pieces[0].start, self.pieces[-1].end),))


class Looked(NamedTuple):
    """What is remembered of a look at a piece, to tell whether it fits the next one.

    ``frames``: how many the piece has. ``first``, ``beyond``: its first frame and the first one after it as ``mark_of``
    describes them; None when there is none.
    """

    frames: int
    first: Optional[Tuple[int, int]]
    beyond: Optional[Tuple[int, int]]


def mark_of(frame: MovieFrame) -> Tuple[int, int]:
    """What tells a frame from others: its time in ticks, and the CRC-32 of its pixels."""
    return frame.pts, zlib.crc32(np.ascontiguousarray(frame.image))


def seams_hold(looks: Sequence[Looked]) -> bool:
    """Whether each piece begins with the very frame that follows the one before it.

    They do not where a key frame cannot be decoded without what is before it.
    """
    return all(
        before.beyond is not None and before.beyond == after.first for before, after in zip(looks, looks[1:])
    )


def divided(movie: Movie, source: str, start: float, end: float) -> List[Piece]:
    """The pieces of the span from ``start`` to ``end`` (seconds; 0: to the end), cut at key frames.

    One piece where times or key frames do not allow more, and for a URL, which would be read once more for it.
    """
    begin = round(start / movie.time_base)
    stop = round(end / movie.time_base) if end else None
    whole = [Piece(begin, stop)]
    length = round(LENGTH / movie.time_base)
    if parse_address(source).kind == STREAM or 0 < movie.duration < 2 * LENGTH:
        return whole
    cuts = [begin]
    for key in movie.key_frames():
        if key - cuts[-1] >= length and (stop is None or key < stop):
            cuts.append(key)
    if len(cuts) == 1 or not movie.can_wind_to(cuts[-1]):
        return whole
    return [Piece(*ends) for ends in zip(cuts, [*cuts[1:], stop])]
