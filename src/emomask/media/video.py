"""Video files, written."""

import os
from fractions import Fraction
from pathlib import Path
from typing import Iterable, Optional, Union

import av
import numpy as np

from emomask.errors import EmomaskError, SinkError
from emomask.media import encoders
from emomask.media.audio import AudioTrack
from emomask.media.metadata import Metadata
from emomask.media.video_encoder import EncodedPacket, VideoEncoder, VideoSpec
from emomask.outputs import unfinished, unwritable


class VideoFile:
    """A file of encoded packets, with sound and metadata when they are given.

    The file is written beside its final name and gets that name only when it is complete (``close``); ``abort`` removes
    it. As a context manager it is closed at the end, or aborted when the block raises.

    ``spec``: how its packets are encoded; an existing file is replaced on ``close``. ``metadata``: tags to write; None:
    none. ``audio``: see ``AudioTrack``.

    Raises SinkError when the folder is missing, the file cannot be written, the disk is full, the codec does not open
    or does not go into the container, or an option is not known to it.
    """

    def __init__(self, spec: VideoSpec, metadata: Optional[Metadata] = None, audio: Optional[AudioTrack] = None):
        self.spec = spec
        self.path = spec.path
        self.is_closed = False
        self._container = None
        self._audio = audio
        self._part = unfinished(self.path)
        self._waiting: Optional[EncodedPacket] = None  # the last packet, until it is known whether it ends the video
        self._first: Optional[EncodedPacket] = None
        self._last_dts = self._shown_last = self._end = None
        try:
            self._file = _File(str(self._part))
        except OSError as error:
            raise unwritable("The video %s" % self.path, error, self.path.parent) from error
        try:
            self._open(metadata)
        except Exception as error:
            raise self._failed(error) from error

    def _open(self, metadata: Optional[Metadata]) -> None:
        # Bit-exact is FFmpeg's word for: no name of the writing program, no date.
        options = {"fflags": "+bitexact"}
        self._container = av.open(self._file, "w", format=self.spec.container, options=options)
        try:
            self._stream = self._container.add_stream(self.spec.codec, rate=self.spec.rate)
        except ValueError as error:
            raise self.spec.unfit("%s cannot hold it" % self.path.suffix) from error
        self._stream.time_base = self.spec.tick  # before the encoder's, which PyAV 12 sets with it
        self.spec.open(self._stream.codec_context)
        if metadata is not None:
            self._container.metadata.update(metadata.container)
            self._stream.metadata.update(metadata.video)
        if self._audio is not None:
            self._audio.attach(self._container, metadata.audio if metadata else {})

    @property
    def context(self):
        """PyAV's encoder of the file's stream, open; its packets must come from it or from one with equal settings."""
        return self._stream.codec_context

    def write(self, packets: Iterable[EncodedPacket]) -> None:
        """Append the next packets in the order of decoding, and the sound up to them.

        Where one encoder's packets follow another's, decoding times are moved so that they grow.
        """
        if self.is_closed:
            raise SinkError("The video %s is closed or failed before." % self.path)
        try:
            for packet in packets:
                self._mux_waiting()
                self._waiting = packet
                if self._shown_last is None or packet.pts > self._shown_last:
                    self._shown_last = packet.pts
                    self._end = packet.pts + packet.duration if packet.duration else None
            self._file.check()
        except Exception as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Complete the file and give it its name; without a single packet nothing is left. Does nothing twice."""
        if self.is_closed:
            return
        if self._waiting is None:
            self.abort()
            return
        try:
            self._mux_waiting(is_end=True)
            if self._audio is not None:
                for packet in self._audio.packets(None):
                    self._container.mux(packet)
                self._audio.close()
            self._container.close()
            self._file.close()
            os.replace(str(self._part), str(self.path))
            self.is_closed = True
        except Exception as error:
            raise self._failed(error) from error

    def abort(self) -> None:
        """Give up and remove what was written."""
        self.is_closed = True
        self._file.discard()
        if self._container is not None:
            self._container.close()
        if self._audio is not None:
            self._audio.close()
        self._part.unlink(missing_ok=True)

    def _mux_waiting(self, is_end: bool = False) -> None:
        if self._waiting is None:
            return
        given = self._waiting
        self._first = self._first or given
        packet = av.Packet(given.data)
        packet.stream, packet.time_base = self._stream, self.spec.tick
        packet.pts = given.pts
        # An encoder starts with decoding times before its first frame: there the former encoder's may still be.
        packet.dts = given.dts if self._last_dts is None else max(given.dts, self._last_dts + 1)
        packet.is_keyframe = given.is_keyframe
        self._last_dts = packet.dts
        if given.duration:
            packet.duration = given.duration
        if is_end and self._end and self.spec.container in encoders.LISTED_DURATIONS:
            # The sum of the durations is the video's length, and they are counted in the order of decoding.
            packet.duration = max(1, given.duration, self._end - self._first.pts + self._first.dts - packet.dts)
        self._container.mux(packet)
        if self._audio is not None:
            for sound in self._audio.packets(given.pts * self.spec.tick):
                self._container.mux(sound)

    def _failed(self, error: Exception) -> EmomaskError:
        """Give up; the error to raise instead of ``error``."""
        self.abort()
        if isinstance(error, EmomaskError):
            return error
        return unwritable("The video %s" % self.path, error, self.path.parent)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.close()
        else:
            self.abort()


class VideoSink:
    """Writes frames to a video file; by default MP4 with H.264, yuv420p, no sound and no metadata.

    The file is there when it is complete, see ``VideoFile``, which also says what ``metadata`` and ``audio`` are and
    what is raised. ``path``, ``width``, ``height``, ``rate`` and ``spec`` are those of a ``VideoSpec``.
    """

    def __init__(
        self,
        path: Union[str, Path],
        width: int,
        height: int,
        rate: Union[Fraction, float],
        metadata: Optional[Metadata] = None,
        audio: Optional[AudioTrack] = None,
        **spec,
    ):
        self._file = VideoFile(VideoSpec(Path(path), width, height, rate, **spec), metadata, audio)
        self._encoder = VideoEncoder(self._file.spec, self._file.context)
        self.path = self._file.path
        self.width, self.height = width, height
        self.frames = 0

    def write(
        self,
        image: np.ndarray,
        time: Union[Fraction, float, None] = None,
        duration: Union[Fraction, float, None] = None,
    ) -> None:
        """Append a frame, uint8 ``(height, width, 3)`` BGR.

        ``time`` is when it is shown, in seconds from the start of the video, and must grow from frame to frame; without
        it the frame follows its predecessor at the rate. Give it for every frame or for none. As a Fraction it is exact
        (see ``VideoSpec.time_base``). ``duration`` is for how long it is shown, in seconds; that of the last frame
        makes the length of the video.
        """
        spec = self._file.spec
        if self._file.is_closed:
            raise SinkError("The video %s is closed or failed before." % self.path)
        ticks = round((self.frames / spec.rate if time is None else time) / spec.tick)
        length = 0 if duration is None else max(1, round(duration / spec.tick))
        self._file.write(self._encoder.encode(image, ticks, length))
        self.frames += 1

    def close(self) -> None:
        """Complete the file and give it its name; without a single frame nothing is left. Does nothing twice."""
        if not self._file.is_closed:
            self._file.write(self._encoder.flush())
        self._file.close()

    def abort(self) -> None:
        """Give up and remove what was written."""
        self._file.abort()

    def __enter__(self) -> "VideoSink":
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.close()
        else:
            self.abort()


class _File:
    """The file that PyAV writes through. FFmpeg's own files note a full disk and go on; this one can be asked.

    Nothing is raised while FFmpeg writes: not every version of PyAV survives that.
    """

    def __init__(self, path: str):
        self._file = open(path, "wb")
        self._failure: Optional[OSError] = None

    def write(self, data: bytes) -> int:
        if self._failure is None and not self._file.closed:
            try:
                self._file.write(data)
            except OSError as error:
                self._failure = error
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return 0 if self._failure or self._file.closed else self._file.seek(offset, whence)

    def tell(self) -> int:
        return 0 if self._failure or self._file.closed else self._file.tell()

    def check(self) -> None:
        """Raise what went wrong with a write so far."""
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Bring everything to the disk; raises OSError where that is not possible."""
        self.check()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def discard(self) -> None:
        """Close the file, whatever becomes of its content; later writes are ignored."""
        try:
            self._file.close()
        except OSError:
            pass  # no room for the rest of what is thrown away
