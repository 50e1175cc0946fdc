"""What FFmpeg's encoders and containers want to be told: the differences between them, and nothing else."""

import os
from fractions import Fraction
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Optional, Tuple

import av

from emomask.errors import SinkError
from emomask.media.suffixes import CONTAINERS

# Containers with a list of exact durations, in the order in which frames are decoded.
LISTED_DURATIONS = ("mp4", "mov")
# Containers that want what a decoder needs to start with in their header instead of in the packets.
GLOBAL_HEADERS = ("mp4", "mov", "matroska", "webm")
# Of libx264 and libx265.
PRESETS = "ultrafast superfast veryfast faster fast medium slow slower veryslow placebo".split()
# What frames are handed over as, best first: 4:2:0 in the two layouts, RGB without loss, 4:2:2 for ProRes.
_PIXEL_FORMATS = ("yuv420p", "nv12", "bgr0", "yuv422p10le")
_MPEG = ("mpeg1video", "mpeg2video", "mpeg4")
# Their clocks are coarse (MPEG: a usual rate; libvpx: rounds to 0.1 us and back): exact times must go around them.
_COUNTING = (*_MPEG, "libvpx", "libvpx-vp9")
_ENCODERS = (
    "libx264 libx265 libvpx-vp9 libsvtav1 libaom-av1 mpeg4 ffv1 prores_ks h264_nvenc hevc_nvenc av1_nvenc h264_qsv "
    "hevc_qsv h264_amf hevc_amf h264_videotoolbox hevc_videotoolbox h264_v4l2m2m"
).split()


class _Quality(NamedTuple):
    """The encoder's own scale of quality.

    Attributes
    ----------
    usual: close to the input for the eye.
    worst: the other end of the scale; 0 is the best.
    options: FFmpeg's names of the options that take the value.
    others: options without which those have no effect.
    """

    usual: int
    worst: int
    options: Tuple[str, ...]
    others: Mapping[str, str]


def _quality_of(codec: str) -> Optional[_Quality]:
    known = {
        "libx264": _Quality(20, 51, ("crf",), {}),
        "libx265": _Quality(22, 51, ("crf",), {}),
        "libvpx-vp9": _Quality(28, 63, ("crf",), {"b": "0"}),
        "libaom-av1": _Quality(28, 63, ("crf",), {"b": "0"}),
        "libsvtav1": _Quality(28, 63, ("crf",), {}),
    }
    if codec in known:
        return known[codec]
    if codec in _MPEG:
        return _Quality(3, 31, ("qmin", "qmax"), {})
    if codec.endswith("_nvenc"):
        return _Quality(22, 51, ("cq",), {"rc": "vbr", "b": "0"})
    if codec.endswith("_qsv"):
        return _Quality(22, 51, ("global_quality",), {})
    return None


def container_of(path: Path) -> str:
    """FFmpeg's name of the container that the suffix of ``path`` asks for. Raises SinkError when it is none of ours."""
    try:
        return CONTAINERS[path.suffix.lower()]
    except KeyError:
        raise SinkError("A video is written as %s; %s is not." % (", ".join(CONTAINERS), path)) from None


def default_codec(container: str) -> str:
    """FFmpeg's name of the encoder for ``container`` when none is asked for."""
    return "libvpx-vp9" if container == "webm" else "libx264"


def pixel_format(codec: str) -> str:
    """The format in which ``codec`` is given its frames. Raises SinkError when this FFmpeg has no such encoder."""
    try:
        taken = [form.name for form in av.codec.Codec(codec, "w").video_formats or ()]
    except Exception as error:  # the class of PyAV's error has moved between its versions
        raise SinkError("this FFmpeg has no video encoder %r" % codec) from error
    for form in ("bgr0",) if codec == "ffv1" else _PIXEL_FORMATS:
        if form in taken:
            return form
    raise SinkError("%s is no video encoder that takes frames from memory" % codec)


def needs_even_size(codec: str, form: str) -> bool:
    """Whether odd widths and heights cannot be written: H.264, H.265 and ProRes with shared colours."""
    return form != "bgr0" and not (codec in _COUNTING or codec.startswith(("libaom", "libsvtav1")))


def counts_frames(codec: str) -> bool:
    """Whether the encoder's clock is too coarse for time stamps, so that it has to count frames instead."""
    return codec in _COUNTING


def encoder_options(
    codec: str, container: str, quality: Optional[int], preset: Optional[str], options: Mapping[str, str]
) -> Dict[str, str]:
    """All options for ``codec``; ``options``, the user's own, come last. Raises SinkError for a value without sense."""
    result = {}
    scale = _quality_of(codec)
    if scale is not None:
        value = scale.usual if quality is None else quality
        if not 0 <= value <= scale.worst:
            raise SinkError("the quality of %s lies between 0 (best) and %d, not %s" % (codec, scale.worst, quality))
        # The quantisers of MPEG-1, 2 and 4 start at 1.
        result.update({option: str(max(1, value) if codec in _MPEG else value) for option in scale.options})
        result.update(scale.others)
    elif quality is not None:
        raise SinkError("the quality of %s cannot be set by one number; use its own options" % codec)
    if codec in ("libx264", "libx265"):
        preset = preset or ("superfast" if codec == "libx264" else "veryfast")
        if preset not in PRESETS:
            raise SinkError("there is no preset %r; there are %s" % (preset, ", ".join(PRESETS)))
        result["preset"] = preset
        if codec == "libx264" and options.get("preset", preset) == "superfast":
            # Bits spread over time as in the slower presets: without this it takes up to three times the space.
            result.update({"mbtree": "1", "rc-lookahead": "10"})
    if codec == "libx265":
        result["x265-params"] = "log-level=none"
    elif codec == "libvpx-vp9":
        result.update({"deadline": "good", "cpu-used": "4", "row-mt": "1"})
    elif codec == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "1")  # its own lines go to the terminal otherwise; 1: errors
    if container == "avi" or codec in _COUNTING:
        result["bf"] = "0"  # AVI and the counting cannot tell the order of frames that are coded out of it
    result.update(options)
    return result


def usable_encoders(container: str) -> List[str]:
    """The names of common encoders that open here and that ``container`` can hold."""
    return [codec for codec in _ENCODERS if _fits(codec, container) and _opens(codec)]


def _fits(codec: str, container: str) -> bool:
    try:
        with av.open(os.devnull, "w", format=container) as probe:
            probe.add_stream(codec, rate=25)
        return True
    except Exception:
        return False


def _opens(codec: str) -> bool:
    try:
        context = av.CodecContext.create(codec, "w")
        context.width, context.height, context.pix_fmt = 256, 256, pixel_format(codec)
        context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
        context.options = encoder_options(codec, "mp4", None, None, {})
        context.open()
        return True
    except Exception:
        return False
