"""Small video files that the tests make."""

import struct
from fractions import Fraction

import av
import cv2
import numpy as np

from emomask.media.movie import Movie
from emomask.media.video import VideoSink


def numbered(number, width=64, height=48):
    """A frame that tells its number, 0 to 38, by its brightness; the left half is blue, the upper half darker."""
    image = np.full((height, width, 3), 20 + 6 * number, np.uint8)
    image[:, : width // 2, 0] = 255
    image[: height // 2] //= 2
    return image


def number_of(image):
    """The number that ``numbered`` wrote into a frame, from its lower right quarter."""
    height, width = image.shape[:2]
    return round((float(image[-height // 4 :, -width // 4 :].mean()) - 20) / 6)


def write_clip(path, count=24, rate=12, **size):
    """An MP4 of ``count`` numbered frames."""
    first = numbered(0, **size)
    with VideoSink(path, first.shape[1], first.shape[0], rate, quality=5) as sink:
        for number in range(count):
            sink.write(numbered(number, **size))
    return path


def write_clip_as(path, count=36, rate=12):
    """The same in the container that the suffix of ``path`` names; every frame is a key frame with some noise."""
    random = np.random.RandomState(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.gop_size = 1
        stream.bit_rate = 4000000
        for number in range(count):
            image = numbered(number)
            image[:16] = random.randint(0, 256, (16, 64, 3))
            yuv = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(yuv, "yuv420p")))
        container.mux(stream.encode())
    return path


def cut(path, fraction):
    """Break a file off after ``fraction`` of its bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * fraction)])
    return path


def write_images(folder, names, size=(40, 30)):
    """One picture for each name; its number is that of its place in ``names``."""
    for number, name in enumerate(names):
        cv2.imwrite(str(folder / name), numbered(number, *size))
    return folder


def write_movie(
    path,
    pts=range(10),
    tick=Fraction(1001, 30000),
    rate=Fraction(30000, 1001),
    codec="libx264",
    form="yuv420p",
    size=(64, 48),
    options=None,
    sound=None,
    sound_from=0.0,
    samples=None,
    tags=None,
    aspect=1,
    look=(6, 1),
    picture=numbered,
):
    """A file by FFmpeg alone: numbered frames at ``pts`` in ``tick`` seconds, with exactly these encoder settings.

    ``sound``: codec of a stereo track of ``samples`` (float32, 48000/s, -1..1) that starts at ``sound_from`` seconds.
    ``look``: H.273's matrix and FFmpeg's range (1 limited, 2 full) of the pixels. ``tags``: metadata everywhere.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = size[0], size[1], form
        stream.options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
        stream.options = dict(stream.options, **(options or {}))
        stream.codec_context.time_base = tick
        stream.codec_context.sample_aspect_ratio = aspect
        stream.codec_context.colorspace, stream.codec_context.color_range = look
        track = None
        if sound:
            track = container.add_stream(sound, rate=48000)
            track.codec_context.layout = "stereo"
        for tagged in (container, stream, track):
            if tagged is not None:
                tagged.metadata.update(tags or {})
        for number, stamp in enumerate(pts):
            container.mux(stream.encode(_frame(picture(number, *size), form, look, stamp, tick)))
        container.mux(stream.encode())
        if track is not None:
            frame = av.AudioFrame.from_ndarray(np.stack([samples, samples]), format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = 48000, round(48000 * sound_from), Fraction(1, 48000)
            container.mux(track.encode(frame))
            container.mux(track.encode())
    return path


def _frame(image, form, look, stamp, tick):
    """The image in a pixel format, by FFmpeg's exact conversion to the matrix and range in ``look``."""
    height, width = image.shape[:2]
    if form == "gray":  # FFmpeg's versions differ in its range
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image[..., 0]), "gray")
        frame.pts, frame.time_base = stamp, tick
        return frame
    nodes = av.filter.Graph()
    source = nodes.add_buffer(width=width, height=height, format="bgr24", time_base=Fraction(1, 1000))
    flags = "flags=accurate_rnd+full_chroma_int"
    if not form.startswith(("bgr", "rgb")):
        matrix = {1: "bt709", 6: "smpte170m"}[look[0]]
        flags += ":out_color_matrix=%s:out_range=%s" % (matrix, "full" if look[1] == 2 else "limited")
    scale, formed, sink = nodes.add("scale", flags), nodes.add("format", form), nodes.add("buffersink")
    source.link_to(scale)
    scale.link_to(formed)
    formed.link_to(sink)
    nodes.configure()
    nodes.push(av.VideoFrame.from_ndarray(image, "bgr24"))
    frame = nodes.pull()
    frame.pts, frame.time_base = stamp, tick
    return frame


def turn(path, a, b, c, d):
    """Write the display matrix a b 0, c d 0, 0 0 1 into the first track of an MP4."""
    data = path.read_bytes()
    place = data.index(b"tkhd") + 4 + 40  # version 0: 40 bytes before the matrix
    matrix = struct.pack(">9i", *(value << 16 for value in (a, b, 0, c, d, 0, 0, 0)), 1 << 30)
    path.write_bytes(data[:place] + matrix + data[place + len(matrix) :])
    return path


def copied(path, output, mode="drop", start=None, end=None, **arguments):
    """Write the span of the movie ``path`` into ``output``, its sound by ``mode``, and return ``output``."""
    with Movie(path) as movie:
        with VideoSink(
            output,
            movie.width,
            movie.height,
            movie.rate,
            time_base=movie.time_base,
            aspect=movie.aspect,
            colors=movie.colors,
            audio=movie.audio(mode, start, end),
            **arguments,
        ) as sink:
            first = None
            for frame in movie.frames(start, end):
                first = frame.pts if first is None else first
                sink.write(frame.image, (frame.pts - first) * movie.time_base, frame.duration * movie.time_base)
    return output
