"""Video files, written."""

import os
from fractions import Fraction
from pathlib import Path
from typing import Optional, Union

import av
import cv2
import numpy as np

from emomask.errors import SinkError

# Ticks per second of the time stamps in the file: whole for every usual rate and fine enough for a camera's stamps.
_TICKS = 90000


class VideoSink:
    """Writes frames to an MP4 file: H.264, yuv420p, no sound.

    The file is written beside its final name and gets that name only when it is complete (``close``); ``abort`` removes
    it. As a context manager it is closed at the end, or aborted when the block raises.

    Parameters
    ----------
    path: the final name; an existing file is replaced on ``close``.
    width, height: pixels of the frames. H.264 needs even sizes: odd ones grow by repeating the last column and row.
    rate: frames/s of frames without a time, exact as a Fraction (``Fraction(30000, 1001)``).
    quality: the encoder's constant rate factor, 0 (lossless) to 51; 20 is visually close to the input.
    preset: the encoder's effort; ``ultrafast`` takes 0.4 times the time of ``veryfast`` and 3.5 times the space.

    Raises SinkError when the folder is missing, the file cannot be written, the disk is full, or a frame does not fit.
    """

    def __init__(
        self,
        path: Union[str, Path],
        width: int,
        height: int,
        rate: Union[Fraction, float],
        quality: int = 20,
        preset: str = "veryfast",
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
        self._last_ticks = -1
        self._closed = False
        self._container = None
        self._part = self.path.with_name(".%s.%d.part" % (self.path.name, os.getpid()))
        if self.path.is_dir():
            raise SinkError("Cannot write the video %s: it is a folder." % self.path)
        try:
            self._file = _File(str(self._part))
        except OSError as error:
            raise self._error(error) from error
        try:
            self._container = av.open(self._file, "w", format="mp4")
            stream = self._container.add_stream("libx264", rate=self._rate)
            stream.width, stream.height = width + width % 2, height + height % 2
            stream.pix_fmt = "yuv420p"
            stream.options = {"preset": preset, "crf": str(quality)}
            stream.codec_context.time_base = Fraction(1, _TICKS)
            # Without these tags players guess the colours from the size: 6 is SMPTE 170M, 1 the limited range.
            stream.codec_context.colorspace = stream.codec_context.color_primaries = stream.codec_context.color_trc = 6
            stream.codec_context.color_range = 1
            self._stream = stream
        except Exception as error:
            self.abort()
            raise self._error(error) from error

    def write(self, image: np.ndarray, time: Optional[float] = None) -> None:
        """Append a frame, uint8 ``(height, width, 3)`` BGR.

        ``time`` is when it is shown, in seconds from the start of the video, and must grow from frame to frame; without
        it the frame follows its predecessor at the rate. Give it for every frame or for none.
        """
        if image.shape != (self.height, self.width, 3) or image.dtype != np.uint8:
            raise SinkError(
                "%s takes uint8 frames of %dx%d pixels, not %s of shape %s."
                % (self.path, self.width, self.height, image.dtype, image.shape)
            )
        if self._closed:
            raise SinkError("The video %s is closed or failed before." % self.path)
        ticks = round((self.frames / self._rate if time is None else time) * _TICKS)
        if ticks <= self._last_ticks:
            raise SinkError("%s: frame %d is not after the frame before it." % (self.path, self.frames))
        if self.width % 2 or self.height % 2:
            image = cv2.copyMakeBorder(image, 0, self.height % 2, 0, self.width % 2, cv2.BORDER_REPLICATE)
        # FFmpeg's own conversion truncates, which darkens a picture by two levels and tints it, and is half as fast.
        frame = av.VideoFrame.from_ndarray(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420), "yuv420p")
        frame.pts, frame.time_base = ticks, Fraction(1, _TICKS)
        try:
            self._container.mux(self._stream.encode(frame))
            self._file.check()
        except Exception as error:
            self.abort()
            raise self._error(error) from error
        self._last_ticks = ticks
        self.frames += 1

    def close(self) -> None:
        """Complete the file and give it its name; without a single frame nothing is left. Does nothing twice."""
        if self._closed:
            return
        if not self.frames:
            self.abort()
            return
        try:
            self._container.mux(self._stream.encode())
            self._container.close()
            self._file.close()
            os.replace(str(self._part), str(self.path))
            self._closed = True
        except Exception as error:
            self.abort()
            raise self._error(error) from error

    def abort(self) -> None:
        """Give up and remove what was written."""
        self._closed = True
        self._file.discard()
        if self._container is not None:
            self._container.close()
        self._part.unlink(missing_ok=True)

    def __enter__(self) -> "VideoSink":
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.close()
        else:
            self.abort()

    def _error(self, error: Exception) -> SinkError:
        folder = self.path.parent
        if not folder.is_dir():
            reason = "there is no folder %s" % folder
        else:
            reason = getattr(error, "strerror", None) or "%s: %s" % (type(error).__name__, error)
        return SinkError("Cannot write the video %s: %s." % (self.path, reason))


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
