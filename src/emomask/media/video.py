"""Video files, written."""

import os
from fractions import Fraction
from pathlib import Path
from typing import Mapping, Optional, Tuple, Union

import av
import cv2
import numpy as np

from emomask.errors import EmomaskError, SinkError
from emomask.media import encoders
from emomask.media.audio import AudioTrack
from emomask.media.container import reason
from emomask.media.metadata import Metadata
from emomask.outputs import unfinished

# Ticks per second of the time stamps in the file: whole for every usual rate and fine enough for a camera's stamps.
_TICK = Fraction(1, 90000)
# MP4 counts a frame's duration in 32 bits: with finer ticks it may last no longer than some seconds.
_FINEST_TICK = Fraction(1, 10**7)
# H.273's number of SMPTE 170M, the colours of standard definition.
_SMPTE_170M = 6


class VideoSink:
    """Writes frames to a video file; by default MP4 with H.264, yuv420p, no sound and no metadata.

    The file is written beside its final name and gets that name only when it is complete (``close``); ``abort`` removes
    it. As a context manager it is closed at the end, or aborted when the block raises.

    Parameters
    ----------
    path: the final name; an existing file is replaced on ``close``. Its suffix chooses the container (.mp4, .mov, .mkv,
        .webm, .avi).
    width, height: pixels of the frames. H.264 and H.265 need even sizes: odd ones grow by repeating the last column and
        row; the other codecs keep them.
    rate: frames/s of frames without a time, exact as a Fraction (``Fraction(30000, 1001)``).
    quality: on the encoder's own scale, 0 the best: x264's constant rate factor to 51, VP9's to 63, MPEG-4's quantiser
        to 31 ... None: close to the input for the eye (20 for x264).
    preset: the effort of libx264 and libx265; ``ultrafast`` takes 0.4 times the time of ``veryfast`` and 3.5 times the
        space.
    codec: FFmpeg's name of an encoder: libx264, libx265, libvpx-vp9, libsvtav1, mpeg4, ffv1 (lossless), h264_nvenc ...
    options: further options of the encoder by FFmpeg's names; they come last.
    time_base: seconds of one tick, at least 1e-7. Times that are whole ticks are exact in .mp4 and .mov. Matroska
        (.mkv, .webm) rounds to its milliseconds, AVI to 1/``rate``.
    aspect: width over height of a pixel.
    colors: H.273's numbers of the primaries and the transfer curve that the frames have.
    metadata: tags to write; None: none.
    audio: the sound; see ``AudioTrack``.

    Raises SinkError when the folder is missing, the file cannot be written, the disk is full, a frame does not fit, the
    codec is not there, does not open or does not go into the container, or an option is not known to it.
    """

    def __init__(
        self,
        path: Union[str, Path],
        width: int,
        height: int,
        rate: Union[Fraction, float],
        quality: Optional[int] = None,
        preset: str = "veryfast",
        codec: str = "libx264",
        options: Optional[Mapping[str, str]] = None,
        time_base: Fraction = _TICK,
        aspect: Fraction = Fraction(1),
        colors: Tuple[int, int] = (_SMPTE_170M, _SMPTE_170M),
        metadata: Optional[Metadata] = None,
        audio: Optional[AudioTrack] = None,
    ):
        self.path = Path(path)
        self.width, self.height = width, height
        self.frames = 0
        if width < 1 or height < 1:
            raise SinkError("A video of %dx%d pixels cannot be written." % (width, height))
        try:
            self._rate = Fraction(rate).limit_denominator(100000)
        except (ValueError, OverflowError):  # not a number, infinite
            self._rate = Fraction(0)
        if not 0 < self._rate <= 1000:
            raise SinkError("A video of %s frames/s cannot be written; the rate must lie between 0 and 1000." % rate)
        self._closed = False
        self._container = None
        self._audio = audio
        self._part = unfinished(self.path)
        if self.path.is_dir():
            raise SinkError("Cannot write the video %s: it is a folder." % self.path)
        self._format = encoders.container_of(self.path)
        self._tick = 1 / self._rate if self._format == "avi" else max(_FINEST_TICK, Fraction(time_base))
        self._last_ticks = -1
        # What of each frame in the encoder the packet must be told: start and duration in ticks, by the encoder's time.
        self._shown = {}
        self._first_ticks = self._first_dts = self._end = None
        try:
            self._pixels = encoders.pixel_format(codec)
        except SinkError as error:
            raise self._unfit(codec, str(error)) from error
        try:
            asked = encoders.encoder_options(codec, self._format, quality, preset, options or {})
        except SinkError as error:
            raise SinkError("Cannot write the video %s: %s." % (self.path, error)) from error
        even = encoders.needs_even_size(codec, self._pixels)
        self._coded = (width + width % 2, height + height % 2) if even else (width, height)
        self._counts = encoders.counts_frames(codec)
        try:
            self._file = _File(str(self._part))
        except OSError as error:
            raise self._error(error) from error
        try:
            self._open(codec, asked, set(options or ()), aspect, colors, metadata)
        except EmomaskError:
            self.abort()
            raise
        except Exception as error:
            self.abort()
            raise self._error(error) from error

    def _open(self, codec, asked, own_options, aspect, colors, metadata) -> None:
        # Bit-exact is FFmpeg's word for: no name of the writing program, no date.
        self._container = av.open(self._file, "w", format=self._format, options={"fflags": "+bitexact"})
        try:
            stream = self._container.add_stream(codec, rate=self._rate)
        except ValueError as error:
            raise self._unfit(codec, "%s cannot hold it" % self.path.suffix) from error
        self._stream = stream
        context = stream.codec_context
        context.width, context.height = self._coded
        context.pix_fmt = self._pixels
        stream.time_base = self._tick  # before the encoder's, which PyAV 12 sets with it
        context.time_base = 1 / self._rate if self._counts else self._tick
        context.sample_aspect_ratio = aspect
        if self._pixels != "bgr0":
            # Without these tags players guess the colours from the size; 1 is the limited range.
            context.colorspace, context.color_range = _SMPTE_170M, 1
        context.color_primaries, context.color_trc = colors
        context.options = asked
        try:
            context.open()
        except Exception as error:
            raise self._unfit(codec, "it cannot be opened here (%s)" % reason(error)) from error
        unknown = own_options.intersection(context.options)  # what the encoder did not take
        if unknown:
            raise SinkError("%s: %s has no option %s." % (self.path, codec, ", ".join(sorted(unknown))))
        if metadata is not None:
            self._container.metadata.update(metadata.container)
            stream.metadata.update(metadata.video)
        if self._audio is not None:
            self._audio.attach(self._container, metadata.audio if metadata else {})

    def write(
        self,
        image: np.ndarray,
        time: Union[Fraction, float, None] = None,
        duration: Union[Fraction, float, None] = None,
    ) -> None:
        """Append a frame, uint8 ``(height, width, 3)`` BGR.

        ``time`` is when it is shown, in seconds from the start of the video, and must grow from frame to frame; without
        it the frame follows its predecessor at the rate. Give it for every frame or for none. As a Fraction it is exact
        (see ``time_base``). ``duration`` is for how long it is shown, in seconds; that of the last frame makes the
        length of the video.
        """
        if image.shape != (self.height, self.width, 3) or image.dtype != np.uint8:
            raise SinkError(
                "%s takes uint8 frames of %dx%d pixels, not %s of shape %s."
                % (self.path, self.width, self.height, image.dtype, image.shape)
            )
        if self._closed:
            raise SinkError("The video %s is closed or failed before." % self.path)
        ticks = round((self.frames / self._rate if time is None else time) / self._tick)
        if ticks <= self._last_ticks:
            advice = "; AVI knows only a constant rate, use .mp4 or .mkv" if self._format == "avi" else ""
            raise SinkError("%s: frame %d is not after the frame before it%s." % (self.path, self.frames, advice))
        length = 0 if duration is None else max(1, round(duration / self._tick))
        context = self._stream.codec_context
        frame = self._encodable(image)
        frame.pts, frame.time_base = self.frames if self._counts else ticks, context.time_base
        self._shown[frame.pts] = ticks, length
        self._last_ticks, self._end = ticks, ticks + length if length else None
        if self._first_ticks is None:
            self._first_ticks = ticks
        try:
            self._mux(self._stream.encode(frame))
            if self._audio is not None:
                for packet in self._audio.packets(ticks * self._tick):
                    self._container.mux(packet)
            self._file.check()
        except EmomaskError:
            self.abort()
            raise
        except Exception as error:
            self.abort()
            raise self._error(error) from error
        self.frames += 1

    def close(self) -> None:
        """Complete the file and give it its name; without a single frame nothing is left. Does nothing twice."""
        if self._closed:
            return
        if not self.frames:
            self.abort()
            return
        try:
            self._mux(self._stream.encode(), is_end=True)
            if self._audio is not None:
                for packet in self._audio.packets(None):
                    self._container.mux(packet)
                self._audio.close()
            self._container.close()
            self._file.close()
            os.replace(str(self._part), str(self.path))
            self._closed = True
        except EmomaskError:
            self.abort()
            raise
        except Exception as error:
            self.abort()
            raise self._error(error) from error

    def abort(self) -> None:
        """Give up and remove what was written."""
        self._closed = True
        self._file.discard()
        if self._container is not None:
            self._container.close()
        if self._audio is not None:
            self._audio.close()
        self._part.unlink(missing_ok=True)

    def _encodable(self, image: np.ndarray) -> av.VideoFrame:
        if self._pixels == "bgr0":
            return _filled(self._pixels, self.width, self.height, [cv2.cvtColor(image, cv2.COLOR_BGR2BGRA)])
        if self.width % 2 or self.height % 2:
            image = cv2.copyMakeBorder(image, 0, self.height % 2, 0, self.width % 2, cv2.BORDER_REPLICATE)
        # FFmpeg's own conversion truncates, which darkens a picture by two levels and tints it, and is half as fast.
        yuv = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)
        wide, high = self._coded
        if wide % 2 or high % 2:
            height, width = image.shape[:2]
            chroma = yuv[height:].reshape(2, height // 2, width // 2)
            frame = _filled("yuv420p", wide, high, [yuv[:high, :wide], chroma[0], chroma[1]])
        else:
            frame = av.VideoFrame.from_ndarray(yuv, "yuv420p")
        return frame if self._pixels == "yuv420p" else frame.reformat(format=self._pixels)

    def _mux(self, packets, is_end: bool = False) -> None:
        packets = list(packets)
        for packet in packets:
            ticks, length = self._shown.pop(packet.pts)
            if self._counts:  # without frames out of order, so that both times are one
                packet.time_base = self._tick
                packet.pts = packet.dts = ticks
            if self._first_dts is None:
                self._first_dts = packet.dts
            if length:
                packet.duration = length
            if is_end and packet is packets[-1] and self._end and self._format in encoders.LISTED_DURATIONS:
                # The sum of the durations is the video's length, and they are counted in the order of decoding.
                packet.duration = max(1, length, self._end - self._first_ticks + self._first_dts - packet.dts)
            self._container.mux(packet)

    def _error(self, error: Exception) -> SinkError:
        folder = self.path.parent
        if not folder.is_dir():
            why = "there is no folder %s" % folder
        else:
            why = getattr(error, "strerror", None) or "%s: %s" % (type(error).__name__, error)
        return SinkError("Cannot write the video %s: %s." % (self.path, why))

    def _unfit(self, codec: str, why: str) -> SinkError:
        usable = ", ".join(encoders.usable_encoders(self._format)) or "none"
        return SinkError(
            "Cannot write the video %s with %s: %s. Usable for %s: %s."
            % (self.path, codec, why, self.path.suffix, usable)
        )

    def __enter__(self) -> "VideoSink":
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.close()
        else:
            self.abort()


def _filled(form: str, width: int, height: int, planes) -> av.VideoFrame:
    """A frame of the pixel format ``form`` with ``planes``, uint8 ``(H, W)`` or ``(H, W, C)`` each, copied into it."""
    frame = av.VideoFrame(width, height, form)
    for plane, given in zip(frame.planes, planes):
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        rows[: len(given), : given[0].size] = given.reshape(len(given), -1)
    return frame


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
