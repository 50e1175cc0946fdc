"""Frames to packets of a video codec; where the packets go is another matter (``media.video``)."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Optional, Tuple, Union

import av
import cv2
import numpy as np

from emomask.errors import SinkError
from emomask.media import encoders
from emomask.media.container import reason

# Ticks per second of the time stamps in the file: whole for every usual rate and fine enough for a camera's stamps.
_TICK = Fraction(1, 90000)
# MP4 counts a frame's duration in 32 bits: with finer ticks it may last no longer than some seconds.
_FINEST_TICK = Fraction(1, 10**7)
# H.273's number of SMPTE 170M, the colours of standard definition.
_SMPTE_170M = 6
_GLOBAL_HEADER = 1 << 22  # FFmpeg's AV_CODEC_FLAG_GLOBAL_HEADER


class EncodedPacket(NamedTuple):
    """What a player decodes, mostly one frame; ``pts``, ``dts`` and ``duration`` in ticks, 0 if that is not known."""

    data: bytes
    pts: int
    dts: int
    duration: int
    is_keyframe: bool


@dataclass(frozen=True)
class VideoSpec:
    """How a video file is encoded.

    Attributes
    ----------
    path: the file's name. Its suffix chooses the container (.mp4, .mov, .mkv, .webm, .avi).
    width, height: pixels of the frames. H.264 and H.265 need even sizes: odd ones grow by repeating the last column and
        row; the other codecs keep them.
    rate: frames/s of frames without a time, exact as a Fraction (``Fraction(30000, 1001)``).
    quality: on the encoder's own scale, 0 the best: x264's constant rate factor to 51, VP9's to 63, MPEG-4's quantiser
        to 31 ... None: close to the input for the eye (20 for x264).
    preset: the effort of libx264 and libx265. ``superfast`` takes half the time of ``veryfast`` and a tenth more space,
        ``ultrafast`` a little less time and three times the space. None: superfast, and veryfast for libx265.
    codec: FFmpeg's name of an encoder: libx264, libx265, libvpx-vp9, libsvtav1, mpeg4, ffv1 (lossless), h264_nvenc ...
        Empty: libx264, or VP9 for .webm.
    options: further options of the encoder by FFmpeg's names; they come last.
    time_base: seconds of one tick, at least 1e-7. Times that are whole ticks are exact in .mp4 and .mov. Matroska
        (.mkv, .webm) rounds to its milliseconds, AVI to 1/``rate``.
    aspect: width over height of a pixel.
    colors: H.273's numbers of the primaries and the transfer curve that the frames have.

    Raises SinkError when the path is a folder, the container is none of ours, the size or the rate cannot be written,
    the codec is not there, or the quality or preset is none of its own.
    """

    path: Path
    width: int
    height: int
    rate: Union[Fraction, float]
    quality: Optional[int] = None
    preset: Optional[str] = None
    codec: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    time_base: Fraction = _TICK
    aspect: Fraction = Fraction(1)
    colors: Tuple[int, int] = (_SMPTE_170M, _SMPTE_170M)

    def __post_init__(self):
        if self.width < 1 or self.height < 1:
            raise SinkError("A video of %dx%d pixels cannot be written." % (self.width, self.height))
        try:
            rate = Fraction(self.rate).limit_denominator(100000)
        except (ValueError, OverflowError):  # not a number, infinite
            rate = Fraction(0)
        if not 0 < rate <= 1000:
            raise SinkError("A video of %s frames/s cannot be written; the rate must lie between 0 and 1000." % rate)
        object.__setattr__(self, "rate", rate)
        object.__setattr__(self, "path", Path(self.path))
        if self.path.is_dir():
            raise SinkError("Cannot write the video %s: it is a folder." % self.path)
        object.__setattr__(self, "codec", self.codec or encoders.default_codec(self.container))
        try:
            self.pixel_format  # noqa: B018  raises when there is no such codec
        except SinkError as error:
            raise self.unfit(str(error)) from error
        try:
            self._encoder_options()
        except SinkError as error:
            raise SinkError("Cannot write the video %s: %s." % (self.path, error)) from error

    @property
    def container(self) -> str:
        """FFmpeg's name of the container."""
        return encoders.container_of(self.path)

    @property
    def pixel_format(self) -> str:
        """FFmpeg's name of the format in which the codec is given its frames."""
        return encoders.pixel_format(self.codec)

    @property
    def tick(self) -> Fraction:
        """Seconds of one tick of the file's time stamps."""
        return 1 / self.rate if self.container == "avi" else max(_FINEST_TICK, Fraction(self.time_base))

    @property
    def coded_size(self) -> Tuple[int, int]:
        """Width and height of what is encoded."""
        if not encoders.needs_even_size(self.codec, self.pixel_format):
            return self.width, self.height
        return self.width + self.width % 2, self.height + self.height % 2

    def open(self, context) -> None:
        """Configure and open ``context``, PyAV's new one of the codec. Raises SinkError when that fails."""
        context.width, context.height = self.coded_size
        context.pix_fmt = self.pixel_format
        context.time_base = 1 / self.rate if encoders.counts_frames(self.codec) else self.tick
        context.sample_aspect_ratio = self.aspect
        if self.pixel_format != "bgr0":
            # Without these tags players guess the colours from the size; 1 is the limited range.
            context.colorspace, context.color_range = _SMPTE_170M, 1
        context.color_primaries, context.color_trc = self.colors
        context.options = self._encoder_options()
        try:
            context.open()
        except Exception as error:
            raise self.unfit("it cannot be opened here (%s)" % reason(error)) from error
        unknown = set(self.options).intersection(context.options)  # what the encoder did not take
        if unknown:
            raise SinkError("%s: %s has no option %s." % (self.path, self.codec, ", ".join(sorted(unknown))))

    def unfit(self, why: str) -> SinkError:
        """The error that says why the codec cannot be used, and which can."""
        usable = ", ".join(encoders.usable_encoders(self.container)) or "none"
        return SinkError(
            "Cannot write the video %s with %s: %s. Usable for %s: %s."
            % (self.path, self.codec, why, self.path.suffix, usable)
        )

    def _encoder_options(self) -> Dict[str, str]:
        return encoders.encoder_options(self.codec, self.container, self.quality, self.preset, self.options)


class VideoEncoder:
    """Encodes frames by ``spec``.

    ``context``: PyAV's of a stream that ``spec`` has opened; None: one of its own, for packets that several encoders
    make for one file. Raises SinkError when the codec cannot be opened.
    """

    def __init__(self, spec: VideoSpec, context=None):
        self._spec = spec
        if context is None:
            context = av.CodecContext.create(spec.codec, "w")
            context.framerate = spec.rate
            if spec.container in encoders.GLOBAL_HEADERS:
                context.flags |= _GLOBAL_HEADER
            spec.open(context)
        self._context = context
        self._pixels, self._coded = spec.pixel_format, spec.coded_size
        self._counts = encoders.counts_frames(spec.codec)
        self._frames = 0
        self._last_ticks = -1
        # What of each frame in the encoder the packet must be told: start and duration in ticks, by the encoder's time.
        self._shown = {}

    @property
    def header(self) -> bytes:
        """What the file's header must hold for the packets to be decoded."""
        return bytes(self._context.extradata or b"")

    def encode(self, image: np.ndarray, ticks: int, duration: int = 0) -> List[EncodedPacket]:
        """The packets that are ready once the next frame, uint8 ``(height, width, 3)`` BGR, has been taken in.

        ``ticks``: when it is shown, 0 or more and later than the frame before. ``duration``: for how many ticks, 0 when
        that is not known. Raises SinkError when the frame does not fit or the encoder fails.
        """
        spec = self._spec
        if image.shape != (spec.height, spec.width, 3) or image.dtype != np.uint8:
            raise SinkError(
                "%s takes uint8 frames of %dx%d pixels, not %s of shape %s."
                % (spec.path, spec.width, spec.height, image.dtype, image.shape)
            )
        if ticks <= self._last_ticks:
            advice = "; AVI knows only a constant rate, use .mp4 or .mkv" if spec.container == "avi" else ""
            raise SinkError("%s: frame %d is not after the frame before it%s." % (spec.path, self._frames, advice))
        frame = self._encodable(image)
        frame.pts, frame.time_base = self._frames if self._counts else ticks, self._context.time_base
        self._shown[frame.pts] = ticks, duration
        self._last_ticks = ticks
        self._frames += 1
        return self._packets(frame)

    def flush(self) -> List[EncodedPacket]:
        """The packets that are left when there are no more frames."""
        return self._packets(None) if self._frames else []

    def _packets(self, frame) -> List[EncodedPacket]:
        try:
            encoded = self._context.encode(frame)
        except Exception as error:
            why = "%s failed at frame %d (%s)" % (self._spec.codec, self._frames, reason(error))
            raise SinkError("Cannot write the video %s: %s." % (self._spec.path, why)) from error
        packets = []
        for packet in encoded:
            ticks, duration = self._shown.pop(packet.pts)
            # Encoders that count have no frames out of order, so that both times are one.
            dts = ticks if self._counts else packet.dts
            packets.append(EncodedPacket(bytes(packet), ticks, dts, duration, packet.is_keyframe))
        return packets

    def _encodable(self, image: np.ndarray) -> av.VideoFrame:
        width, height = self._spec.width, self._spec.height
        if self._pixels == "bgr0":
            return _filled(self._pixels, width, height, [cv2.cvtColor(image, cv2.COLOR_BGR2BGRA)])
        if width % 2 or height % 2:
            image = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
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


def _filled(form: str, width: int, height: int, planes) -> av.VideoFrame:
    """A frame of the pixel format ``form`` with ``planes``, uint8 ``(H, W)`` or ``(H, W, C)`` each, copied into it."""
    frame = av.VideoFrame(width, height, form)
    for plane, given in zip(frame.planes, planes):
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        rows[: len(given), : given[0].size] = given.reshape(len(given), -1)
    return frame
