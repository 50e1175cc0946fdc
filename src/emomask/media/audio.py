"""The sound of a video on its way into another one: left out, kept, or with a voice that nobody recognises."""

import contextlib
import logging
from fractions import Fraction
from pathlib import Path
from typing import Dict, Iterator, Optional, Tuple, Union

import av
import numpy as np

from emomask.errors import SinkError, SourceError
from emomask.media.address import without_secrets
from emomask.media.container import is_cut_off, open_container, reason
from emomask.media.voice import RATE, VoiceDistorter

_log = logging.getLogger(__name__)

MODES = ("drop", "keep", "distort")
# What goes into a container as it is; everything else is encoded anew. AVI tells nothing of a start offset, so that a
# copy could play too early.
_COPIED = {
    "mp4": ("aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"),
    "mov": ("aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be"),
    "matroska": ("aac", "mp3", "ac3", "eac3", "opus", "vorbis", "flac", "alac", "pcm_s16le", "pcm_s24le", "pcm_f32le"),
    "webm": ("opus", "vorbis"),
    "avi": (),
}
# The codecs of decoders that have a name of their own.
_DECODED = {"mp3float": "mp3", "libopus": "opus", "libvorbis": "vorbis", "ac3_fixed": "ac3", "libfdk_aac": "aac"}
_ENCODERS = {"mp4": "aac", "mov": "aac", "matroska": "aac", "webm": "libopus", "avi": "ac3"}
_RATES = {"aac": (16000, 22050, 24000, 32000, 44100, 48000), "libopus": (16000, 24000, 48000), "ac3": (44100, 48000)}
_BITS_PER_CHANNEL = 96000  # bit/s
# Encoders put some samples in front of the first one, which players pass over; their packets start before 0.
_LEAD_IN = Fraction(1, 10)
# Time stamps that are off by less than this, in seconds, are those of a container with coarse ones.
_JITTER = 0.03
# A clock that goes back by more than this, in seconds, has been set anew, as in a Movie.
_NEW_CLOCK = 1
_SILENCE = 1 << 16  # samples of silence that are made at a time


class AudioTrack:
    """The first sound track of a file, for a ``VideoSink``; it reads the file on its own, as the video proceeds.

    Parameters
    ----------
    source: path or URL.
    mode: ``keep``: packets are copied where the container can hold them, otherwise encoded as AAC (.mp4, .mov, .mkv),
        Opus (.webm) or AC-3 (.avi) with at most two channels. ``distort``: all channels mixed to one and the voice made
        unrecognisable (see ``VoiceDistorter`` for what that protects against).
    origin: seconds on the file's clock of the video's first frame.
    start, end: the span, in seconds from the first frame; None: from the first frame, to the end of the sound. The
        written sound starts at 0 with ``start``.

    A track that starts later than the video does so in the output too. Damaged sound is silence, and where the file
    breaks off the sound ends, with a warning in the log. Raises SourceError when the file cannot be read or has no
    sound.
    """

    def __init__(
        self,
        source: Union[str, Path],
        mode: str,
        origin: Fraction = Fraction(0),
        start: Union[Fraction, float, None] = None,
        end: Union[Fraction, float, None] = None,
    ):
        if mode not in MODES[1:]:
            raise ValueError("mode must be keep or distort, not %r" % mode)
        self._shown = without_secrets(str(source))
        self._distorts = mode == "distort"
        self._is_cut = bool(start)
        self._zero = Fraction(origin) + Fraction(start or 0)  # on the file's clock
        self._length = None if end is None else Fraction(end) - Fraction(start or 0)
        self._input, _ = open_container(source)
        if not self._input.streams.audio:
            self._input.close()
            raise SourceError("%s has no sound." % self._shown)
        self._from = self._input.streams.audio[0]
        self._to = None
        self._packets: Iterator = iter(())
        self._waiting = None

    def attach(self, container, tags: Dict[str, str]) -> None:
        """Add the track to the output ``container`` before anything is written; ``tags`` become its metadata.

        Raises SinkError when no encoder for it is there.
        """
        form = container.format.name
        codec = _DECODED.get(self._from.codec_context.name, self._from.codec_context.name)
        if not self._distorts and codec in _COPIED[form]:
            self._to = _copied_stream(container, self._from)
            has_lead_in = form in ("mp4", "mov") or codec == "opus"
            self._packets = self._copied(0 if self._is_cut or not has_lead_in else -_LEAD_IN)
        else:
            codec = _ENCODERS[form]
            rate = RATE if self._distorts else self._from.codec_context.sample_rate
            written_rate = min([value for value in _RATES[codec] if value >= rate] or [48000])
            layout = "mono" if self._distorts or self._from.codec_context.channels == 1 else "stereo"
            try:
                self._to = container.add_stream(codec, rate=written_rate)
                self._to.codec_context.layout = layout
                self._to.codec_context.bit_rate = _BITS_PER_CHANNEL * (1 if layout == "mono" else 2)
                self._to.codec_context.open()
            except Exception as error:
                raise SinkError("The sound cannot be encoded with %s: %s." % (codec, reason(error))) from error
            self._packets = self._encoded(RATE if self._distorts else written_rate, layout)
        self._to.metadata.clear()
        self._to.metadata.update(tags)

    def packets(self, until: Optional[Fraction]) -> Iterator:
        """The packets, ready to be muxed, that start up to ``until`` seconds of the output; None: all that are left."""
        while True:
            packet = self._waiting or next(self._packets, None)
            if packet is not None and until is not None and packet.pts * packet.time_base > until:
                self._waiting = packet
                return
            self._waiting = None
            if packet is None:
                return
            yield packet

    def close(self) -> None:
        """Close the file."""
        self._input.close()

    def _read(self) -> Iterator:
        """The input's packets from a little before the span."""
        if self._is_cut:
            with contextlib.suppress(Exception):  # no index: read from the beginning
                self._input.seek(max(0, int((self._zero - 1) * av.time_base)))
        end, shift = None, 0
        try:
            for packet in self._input.demux(self._from):
                if not packet.size or packet.pts is None:
                    continue
                stamp = packet.pts + shift
                if end is not None and (end - stamp) * packet.time_base > _NEW_CLOCK:
                    shift += end - stamp
                    stamp = end
                packet.pts = packet.dts = stamp
                end = stamp + (packet.duration or 1)
                yield packet
        except Exception as error:
            _log.warning("The sound of %s breaks off: %s.", self._shown, reason(error))

    def _copied(self, earliest) -> Iterator:
        last = None
        for packet in self._read():
            time = packet.pts * packet.time_base - self._zero
            if self._length is not None and time >= self._length:
                return
            stamp = round(time / packet.time_base)
            if time < earliest or is_cut_off(packet) or (last is not None and stamp <= last):
                continue
            packet.pts = packet.dts = last = stamp
            packet.stream = self._to
            yield packet

    def _encoded(self, rate: int, layout: str) -> Iterator:
        position = 0
        blocks = self._placed(rate, layout)
        for block in _distorted(blocks) if self._distorts else blocks:
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, position, Fraction(1, rate)
            position += block.shape[1]
            yield from self._to.encode(frame)
        if position:
            yield from self._to.encode(None)

    def _placed(self, rate: int, layout: str) -> Iterator[np.ndarray]:
        """Float32 ``(channels, N)`` blocks without gaps from the output's time 0 on."""
        channels = 1 if layout == "mono" else 2
        limit = None if self._length is None else round(self._length * rate)
        written = 0
        for time, block in self._decoded(rate, layout):
            if limit is not None and written >= limit:
                return
            begin = round((time - self._zero) * rate)
            if written and abs(begin - written) < _JITTER * rate:
                begin = written
            gap = begin - written if limit is None else min(begin, limit) - written
            while gap > 0:
                silence = min(gap, _SILENCE)
                yield np.zeros((channels, silence), np.float32)
                written += silence
                gap -= silence
            block = block[:, max(0, written - begin) : None if limit is None else max(0, limit - begin)]
            if block.shape[1]:
                yield block
                written += block.shape[1]

    def _decoded(self, rate: int, layout: str) -> Iterator[Tuple[Fraction, np.ndarray]]:
        """Pairs of the time on the file's clock and float32 ``(channels, N)`` samples at ``rate``."""
        resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
        end = None
        for frame in self._frames():
            if frame is not None and frame.pts is None:
                frame.pts = 0 if end is None else round(end / frame.time_base)
            if frame is not None:
                end = frame.pts * frame.time_base + Fraction(frame.samples, frame.sample_rate)
            try:
                resampled = resampler.resample(frame)
            except ValueError:  # the sound has another rate or layout from here on
                resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
                resampled = resampler.resample(frame)
            for part in resampled:
                yield part.pts * part.time_base, part.to_ndarray()

    def _frames(self) -> Iterator:
        """Decoded frames and, to flush what is computed from them, None."""
        for packet in self._read():
            try:
                frames = packet.decode()
            except Exception:  # a damaged packet: a gap, which becomes silence
                continue
            yield from frames
        with contextlib.suppress(Exception):
            yield from self._from.codec_context.decode(None)
        yield None


def _distorted(blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    voice = VoiceDistorter()
    for block in blocks:
        made = voice.process(block[0])
        if len(made):
            yield made[None]
    made = voice.flush()
    if len(made):
        yield made[None]


def _copied_stream(container, stream):
    if hasattr(container, "add_stream_from_template"):  # PyAV 14 and later
        return container.add_stream_from_template(stream)
    return container.add_stream(template=stream)
