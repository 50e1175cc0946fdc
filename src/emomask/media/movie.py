"""Video files, read: every frame, upright, in its colours and at its exact time."""

import re
from fractions import Fraction
from pathlib import Path
from typing import Iterator, List, NamedTuple, Optional, Union

import av
import cv2
import numpy as np

from emomask.errors import SourceError
from emomask.media.address import STREAM
from emomask.media.audio import AudioTrack
from emomask.media.container import is_cut_off, open_container, reason
from emomask.media.metadata import Metadata, descriptive

_UNKNOWN_RATE = Fraction(25)
_ATTACHED_PICTURE = 0x400  # FFmpeg's AV_DISPOSITION_ATTACHED_PIC
_PICTURE_CODECS = ("png", "mjpeg", "bmp", "gif", "webp", "tiff")
# A clock that goes back by more than this, in seconds, has been set anew: what follows is shifted behind what was.
_NEW_CLOCK = 1
# A file that ends this much, in seconds, before the length in its header is incomplete; headers are off by some frames.
_MISSING = Fraction(1, 2)
# FFmpeg's names of the matrices of H.273 between RGB and YCbCr, by their numbers there.
_MATRICES = {1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}
_LIMITED_RANGE, _FULL_RANGE = 1, 2
_LIMITED_TO_FULL = ((np.arange(256) - 16) * (255 / 219)).round().clip(0, 255).astype(np.uint8)
# Codecs whose pictures without colour have the limited range unless they say otherwise.
_LIMITED_GREY = ("h264", "hevc", "av1", "vp9", "libdav1d", "libaom-av1")


class MovieFrame(NamedTuple):
    """One frame of a movie.

    Attributes
    ----------
    image: uint8 ``(H, W, 3)`` BGR, upright, owned by the receiver.
    pts: when it is shown, in ticks of the movie's ``time_base`` from the first frame.
    time: the same in seconds.
    duration: until the next frame, in ticks; of the last one as the file says, or one frame at the average rate.
    """

    image: np.ndarray
    pts: int
    time: float
    duration: int


class Movie:
    """A video with a length: a file, or a recording behind a URL. A context manager.

    The video is the largest one in the file that is not an attached picture. Its frames are turned upright as the file
    asks, transparent ones are shown on black, interlaced ones stay woven, and deeper ones become 8 bits.

    Attributes
    ----------
    width, height: pixels of the frames, upright.
    aspect: width over height of a pixel, upright.
    rate: average frames/s.
    time_base: seconds of one tick.
    origin: when the first frame is shown on the file's own clock, seconds, which other tracks share.
    frame_count: how many frames there are, as far as the header tells; 0 when it does not.
    duration: seconds, as far as the header tells; 0 when it does not.
    has_audio: whether there is sound.
    colors: H.273's numbers of the primaries and the transfer curve, which the frames keep; for ``VideoSink``.
    metadata: the tags that describe what is shown; for ``VideoSink``.

    Raises SourceError with one line when it cannot be opened or holds no video that can be decoded.
    """

    def __init__(self, source: Union[str, Path]):
        self._source = str(source)
        self._passes = []
        first = self._pass()
        try:
            self._shown = first.shown
            frame = next(first.frames(), None)
            if frame is None:
                why = reason(first.failure) if first.failure else "it is damaged or incomplete"
                raise SourceError("%s holds no frame that can be decoded: %s." % (self._shown, why))
            stream, container = first.stream, first.container
            self.time_base = stream.time_base
            self._first_pts = frame.pts or 0
            self.origin = self._first_pts * self.time_base
            self._size = frame.width, frame.height
            self._orientation = _orientation(frame)
            swaps = self._orientation.swaps
            self.width, self.height = self._size[::-1] if swaps else self._size
            aspect = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or Fraction(1)
            self.aspect = Fraction(1) if aspect <= 0 else 1 / aspect if swaps else aspect
            rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
            self.rate = next((Fraction(rate) for rate in rates if rate and 0 < rate <= 1000), _UNKNOWN_RATE)
            self.duration = float(first.length or 0)
            self.frame_count = stream.frames or round(self.duration * self.rate)
            sounds = container.streams.audio
            self.has_audio = bool(sounds)
            context = stream.codec_context
            self.colors = int(context.color_primaries), int(context.color_trc)
            self.metadata = Metadata(
                descriptive(container.metadata),
                descriptive(stream.metadata),
                descriptive(sounds[0].metadata) if sounds else {},
            )
            if first.is_live:
                raise SourceError("%s has no length: it is a live stream, not a recording." % self._shown)
        finally:
            self._end(first)

    def frames(
        self,
        start: Union[Fraction, float, None] = None,
        end: Union[Fraction, float, None] = None,
        beyond: bool = False,
        exact: bool = True,
    ) -> Iterator[MovieFrame]:
        """The frames from ``start`` (seconds from the first frame) to before ``end``; None: all.

        Their times strictly grow: a missing one is made up at the average rate, one that does not grow is moved as
        little as possible, and where the clock starts anew the rest follows on. ``beyond``: also the first frame from
        ``end`` on, of unknown duration (0), if there is one. ``exact``: False takes a tenth of the time to convert the
        colours and is off by one or two levels, more at the edges of colours: for networks, not for eyes.

        Raises SourceError when the size of the frames changes, and, after the last frame that can be decoded, when some
        could not be or the file breaks off: what was yielded is then right, but not all.
        """
        begin = round((start or 0) / self.time_base)
        stop = None if end is None else round(end / self.time_base)
        can_wind = self.can_wind_to(begin)
        reading = self._pass()
        try:
            if can_wind:
                reading.seek(self._first_pts + begin)
            yield from self._timed(reading, begin, stop, beyond, exact)
        finally:
            self._end(reading)

    def can_wind_to(self, pts: int) -> bool:
        """Whether the file can be entered at or before ``pts`` (ticks from the first frame) but after its beginning."""
        if pts <= 0:
            return False
        wound = self._pass()
        try:
            wound.seek(self._first_pts + pts)
            frame = next(wound.frames(), None)
            return frame is not None and frame.pts is not None and frame.pts - self._first_pts <= pts
        finally:
            self._end(wound)

    def key_frames(self) -> List[int]:
        """The frames at which the file can be entered, in ticks from the first frame.

        None are told of a file that is incomplete, or whose time stamps do not grow throughout: there the time of a
        frame depends on the frames before it. Reads the whole file without decoding it.
        """
        keys, last, latest = [], None, None
        leap = round(_NEW_CLOCK / self.time_base)
        reading = self._pass()
        try:
            for packet in reading.packets():
                if packet.pts is None or packet.dts is None or (latest is not None and packet.pts < latest - leap):
                    return []
                if last is not None and packet.dts <= last:
                    return []
                last, latest = packet.dts, packet.pts if latest is None else max(latest, packet.pts)
                if packet.is_keyframe:
                    keys.append(packet.pts - self._first_pts)
            return [] if reading.is_incomplete else keys
        finally:
            self._end(reading)

    def audio(
        self, mode: str, start: Union[Fraction, float, None] = None, end: Union[Fraction, float, None] = None
    ) -> Optional[AudioTrack]:
        """The sound for a ``VideoSink``: None when ``mode`` is ``drop`` or there is none, see ``AudioTrack``.

        ``start`` is the time of the first frame that is written, ``end`` where the span ends, in seconds as above.
        """
        if mode == "drop" or not self.has_audio:
            return None
        return AudioTrack(self._source, mode, self.origin, start, end)

    def close(self) -> None:
        """Close the file; iterators over its frames end."""
        for reading in list(self._passes):
            self._end(reading)

    def _timed(
        self, reading: "_Pass", begin: int, stop: Optional[int], beyond: bool, exact: bool
    ) -> Iterator[MovieFrame]:
        step = max(1, round(1 / (self.rate * self.time_base)))
        clock = _Clock(self._first_pts, step, round(_NEW_CLOCK / self.time_base))
        convert = _Converter(reading.stream.codec_context.name, exact)
        held = None  # until the next frame tells for how long it is shown
        for frame in reading.frames():
            if (frame.width, frame.height) != self._size:
                raise SourceError(
                    "%s changes its size from %dx%d to %dx%d at %.1f s; cut it there and mask the parts one by one."
                    % ((self._shown, *self._size, frame.width, frame.height, clock.time * self.time_base))
                )
            pts = clock.next(frame.pts)
            if held is not None:
                yield self._finished(convert, *held, pts - held[1])
                held = None
            if stop is not None and pts >= stop:
                if beyond:
                    yield self._finished(convert, frame, pts, 0)
                reading.check_decoded(self.origin + stop * self.time_base)
                return
            if pts >= begin:
                held = frame, pts
        if held is not None:
            yield self._finished(convert, *held, self._last_duration(reading, *held, step))
        reading.check(float((clock.time + step) * self.time_base))

    def _finished(self, convert, frame, pts: int, duration: int) -> MovieFrame:
        return MovieFrame(self._orientation.upright(convert(frame)), pts, float(pts * self.time_base), duration)

    def _last_duration(self, reading: "_Pass", frame, pts: int, step: int) -> int:
        if reading.lists_durations and not reading.is_incomplete:
            # The durations in the list are those between frames in the order of decoding; their sum is right.
            stream = reading.stream
            length = (stream.start_time or 0) + (stream.duration or 0) - self._first_pts - pts
            if length > 0:
                return length
        last_pts, duration = reading.last
        return duration if last_pts == frame.pts and duration else step

    def _pass(self) -> "_Pass":
        reading = _Pass(self._source)
        self._passes.append(reading)
        return reading

    def _end(self, reading: "_Pass") -> None:
        if reading in self._passes:
            self._passes.remove(reading)
            reading.container.close()

    def __enter__(self) -> "Movie":
        return self

    def __exit__(self, *exception):
        self.close()


class _Pass:
    """One reading of the file.

    Attributes
    ----------
    shown: the file, for people, at the start of a sentence.
    container, stream: PyAV's.
    last: pts and duration in ticks of the packet that is shown last, so far.
    failure: the error that ended the reading, or None.
    """

    def __init__(self, source: str):
        self.container, address = open_container(source)
        self.shown = address.shown[:1].upper() + address.shown[1:]
        self.last = (-1, 0)
        self.failure: Optional[Exception] = None
        try:
            self.stream = _best(self.container, self.shown)
        except SourceError:
            self.container.close()
            raise
        self.stream.thread_type = "AUTO"
        self._decoder = _alpha_decoder(self.stream) or self.stream.codec_context
        self._packets = 0
        self._undecoded = []  # seconds on the container's clock
        self._ends_undecoded = False
        self._has_frames = False
        self._reached = Fraction(0)  # on the container's clock, over all tracks
        self._is_wound = False
        self.is_live = address.kind == STREAM and not self.container.duration

    @property
    def lists_durations(self) -> bool:
        """Whether the container has an exact table of all frames: the family of MP4."""
        return self.container.format.name.startswith("mov")

    @property
    def length(self) -> Optional[Fraction]:
        """Seconds of the video by the header; None when it does not tell."""
        if self.stream.duration:
            return self.stream.duration * self.stream.time_base
        tagged = re.match(r"(\d+):(\d+):(\d+(\.\d+)?)", _tag(self.stream, "duration"))
        if tagged:
            hours, minutes, seconds = (Fraction(part) for part in tagged.groups()[:3])
            return 3600 * hours + 60 * minutes + seconds
        return Fraction(self.container.duration, av.time_base) if self.container.duration else None

    @property
    def is_incomplete(self) -> bool:
        """Whether the file broke off, at its end."""
        if self.failure is not None or self._ends_undecoded:
            return True
        if self.lists_durations and self.stream.duration and not self._is_wound:
            end = (self.stream.start_time or 0) + self.stream.duration
            is_short = sum(self.last) < end - max(1, self.last[1]) / 2
            return is_short and self._packets < self.stream.frames
        if not self.container.duration:
            return False
        # Matroska counts the length from 0 whenever the first frame comes, MPEG-TS has found it by reading.
        end = Fraction(min(0, self.container.start_time or 0) + self.container.duration, av.time_base)
        return self._reached < end - _MISSING

    def seek(self, pts: int) -> None:
        """Go to the key frame at or before ``pts``; where the file cannot, reading starts anywhere."""
        self._is_wound = True
        try:
            self.container.seek(pts, stream=self.stream)
        except Exception as error:
            self.failure = error

    def frames(self) -> Iterator[av.VideoFrame]:
        """The frames in the order in which they are shown; stops where reading fails, see ``failure``."""
        if self.failure is not None:
            return
        for packet in self.packets():
            yield from self._decoded(packet)
        yield from self._decoded(None)

    def packets(self) -> Iterator[av.Packet]:
        """The packets of the video as they lie in the file; stops where reading fails, see ``failure``."""
        others = [stream for stream in self.container.streams.audio if stream.codec_context is not None]
        packets = self.container.demux([self.stream, *others])
        while True:
            try:
                packet = next(packets, None)
            except Exception as error:
                self.failure = error
                return
            if packet is None:
                return
            self._note(packet)
            if packet.stream_index != self.stream.index or not packet.size:
                continue
            self._packets += 1
            if packet.pts is not None and packet.pts >= self.last[0]:
                self.last = packet.pts, packet.duration or 0
            yield packet

    def check(self, reached: float) -> None:
        """Raise SourceError when not everything could be read up to here; ``reached``: seconds of the last frame."""
        if self.is_incomplete:
            of = " of %.1f s" % self.length if self.length else ""
            raise SourceError("%s is damaged or incomplete: it can be read up to %.1f s%s." % (self.shown, reached, of))
        self.check_decoded(None)

    def check_decoded(self, end: Optional[Fraction]) -> None:
        """Raise SourceError when packets before ``end`` (seconds on the file's clock; None: all) were not decoded."""
        undecoded = [time for time in self._undecoded if end is None or time < end]
        if undecoded:
            raise SourceError(
                "%s is damaged: %d of its packets could not be decoded, the first at %.1f s."
                % (self.shown, len(undecoded), undecoded[0])
            )

    def _note(self, packet) -> None:
        if packet.pts is not None and packet.time_base:
            self._reached = max(self._reached, (packet.pts + (packet.duration or 0)) * packet.time_base)

    def _decoded(self, packet) -> Iterator[av.VideoFrame]:
        try:
            if packet is not None and is_cut_off(packet):
                raise ValueError("half a packet")
            frames = self._decoder.decode(packet)
        except EOFError:
            return
        except Exception:
            # Before the first frame it is only the rest of a group of pictures whose beginning the file lacks.
            if self._has_frames:
                self._undecoded.append(float(self._reached))
                self._ends_undecoded = True
            return
        self._ends_undecoded = self._ends_undecoded and packet is None
        self._has_frames = self._has_frames or bool(frames)
        yield from frames


class _Clock:
    """Makes time stamps strictly grow. ``time``: the last one, in ticks from the first frame."""

    def __init__(self, first: int, step: int, leap: int):
        self._shift, self._step, self._leap = -first, step, leap
        self.time = -1

    def next(self, pts: Optional[int]) -> int:
        follows = self.time + self._step if self.time >= 0 else 0
        value = follows if pts is None else pts + self._shift
        if value <= self.time:
            if self.time - value > self._leap:
                self._shift += follows - value
                value = follows
            else:
                value = self.time + 1
        self.time = value
        return value


class _Orientation(NamedTuple):
    """How a stored frame becomes upright: rows and columns swapped, then mirrored left-right and top-bottom."""

    swaps: bool
    mirrors: bool
    flips: bool

    def upright(self, image: np.ndarray) -> np.ndarray:
        if self.swaps:
            image = cv2.transpose(image)
        if self.mirrors or self.flips:
            # OpenCV's code: 1 flips left and right, 0 top and bottom, -1 both.
            image = cv2.flip(image, -1 if self.mirrors and self.flips else int(self.mirrors))
        return image


def _orientation(frame) -> _Orientation:
    """From the display matrix a b u, c d v, x y w: a stored pixel (p, q) is shown at (ap + cq, bp + dq)."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return _Orientation(False, False, False)
    a, b, _, c, d = (int(value) for value in np.frombuffer(matrix, np.int32)[:5])
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return _Orientation(False, a < 0, d < 0)
    return _Orientation(True, c < 0, b < 0)


class _Converter:
    """Frames of any pixel format as uint8 ``(H, W, 3)`` BGR, by the matrix and range that each says it has."""

    def __init__(self, codec: str, exact: bool):
        self._is_grey_limited = codec in _LIMITED_GREY
        # swscale's quick way to BGR is off by one to two levels; these flags make it right.
        self._flags = "bilinear+accurate_rnd+full_chroma_int" if exact else "bilinear"
        self._graphs = {}

    def __call__(self, frame) -> np.ndarray:
        form = frame.format
        has_alpha = form.has_palette or any(part.is_alpha for part in form.components)
        is_full = "full" if frame.color_range == _FULL_RANGE or form.name.startswith("yuvj") else "limited"
        # What says nothing is high definition above the size of standard definition, as players take it.
        guess = "bt709" if frame.height > 576 or frame.width > 1024 else "smpte170m"
        key = form.name, _MATRICES.get(int(frame.colorspace), guess), is_full
        if key not in self._graphs:
            self._graphs[key] = self._graph(frame, *key, "bgra" if has_alpha else "bgr24")
        graph = self._graphs[key]
        frame.pts = None
        graph.push(frame)
        image = graph.pull().to_ndarray()
        if form.name.startswith("gray") and (
            frame.color_range == _LIMITED_RANGE or (not frame.color_range and self._is_grey_limited)
        ):
            image = cv2.LUT(image, _LIMITED_TO_FULL)  # swscale takes all grey for full range
        if has_alpha:
            return (image[..., :3].astype(np.uint16) * image[..., 3:] // 255).astype(np.uint8)
        return image

    def _graph(self, frame, form: str, matrix: str, value_range: str, wanted: str):
        scale = "flags=%s:interl=-1:out_range=full" % self._flags
        if form.startswith(("yuv", "nv", "p0", "p2", "p4", "gray", "uyvy", "yuyv", "ya", "xyz", "vuy", "y2")):
            scale += ":in_color_matrix=%s:in_range=%s" % (matrix, value_range)
        graph = av.filter.Graph()
        nodes = [
            graph.add_buffer(width=frame.width, height=frame.height, format=form, time_base=Fraction(1, 1000)),
            graph.add("scale", scale),
            graph.add("format", wanted),
            graph.add("buffersink"),
        ]
        for before, after in zip(nodes, nodes[1:]):
            before.link_to(after)
        graph.configure()
        return graph


def _best(container, shown: str):
    """The video stream that is meant: not an attached picture, more than one frame, and the largest."""
    streams = [stream for stream in container.streams.video if not _is_picture(stream)]
    if not streams:
        what = "only sound" if container.streams.audio else "no video and no sound"
        raise SourceError("%s holds %s: there is nothing to see in it." % (shown, what))
    stream = max(streams, key=lambda stream: (stream.frames != 1, _pixels(stream)))
    if stream.codec_context is None:
        raise SourceError("%s holds a video whose codec this FFmpeg cannot decode." % shown)
    return stream


def _pixels(stream) -> int:
    context = stream.codec_context
    return context.width * context.height if context is not None else 0


def _is_picture(stream) -> bool:
    if hasattr(stream, "disposition"):  # PyAV 13 and later
        return bool(stream.disposition.value & _ATTACHED_PICTURE)
    context = stream.codec_context
    return context is not None and context.name in _PICTURE_CODECS and not stream.average_rate


def _alpha_decoder(stream):
    """libvpx's decoder for a VP8 or VP9 stream with transparency, which FFmpeg's own one passes over."""
    name = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(stream.codec_context.name)
    if name is None or _tag(stream, "alpha_mode") != "1":
        return None
    try:
        return av.CodecContext.create(name, "r")
    except Exception:  # this FFmpeg has none: shown as if it were opaque
        return None


def _tag(stream, name: str) -> str:
    return next((value for tag, value in stream.metadata.items() if tag.lower() == name), "")
