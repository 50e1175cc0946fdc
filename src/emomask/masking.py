"""Masks one file: a picture, or anything that is a source of frames."""

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from emomask.errors import SinkError, SourceError
from emomask.masker import Masker
from emomask.media.address import IMAGE_SUFFIXES
from emomask.media.sources import SourceSettings, open_source
from emomask.media.video import VideoSink
from emomask.settings import Settings

DEFAULT_RATE = 25.0  # frames/s of the output when the source does not know its own


class Counts(NamedTuple):
    """What became of a file: frames read, faces covered in them, frames withheld because they could not be masked."""

    frames: int
    faces: int
    failed: int


def mask_file(source: str, output: Path, settings: Settings) -> Counts:
    """Mask the picture or video ``source`` into ``output`` (a picture's suffix, or ``.mp4``).

    The output is written beside its name and renamed when it is whole. Raises SourceError when the input cannot be read
    and SinkError when the output cannot be written, is the input itself, or when its picture could not be masked.
    """
    output = Path(output)
    if Path(source).exists() and output.exists() and os.path.samefile(source, output):
        raise SinkError("The output is the input itself (%s); name another file." % output)
    if Path(source).suffix.lower() in IMAGE_SUFFIXES and Path(source).is_file():
        return _mask_picture(Path(source), output, settings)
    if output.suffix.lower() != ".mp4":
        raise SinkError("A video is written as .mp4; %s is not." % output)
    return _mask_video(source, output, settings)


def _mask_picture(source: Path, output: Path, settings: Settings) -> Counts:
    try:
        data = np.fromfile(str(source), np.uint8)
        frame = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except (OSError, cv2.error) as error:
        raise SourceError("%s cannot be read: %s" % (source, error)) from error
    if frame is None:
        raise SourceError("%s is not a picture that can be decoded." % source)
    masked = Masker(settings).process(frame)
    if masked.image is None:
        raise SinkError("%s could not be masked (%s); nothing was written." % (source, masked.error))
    part = output.with_name(output.name + ".part")
    try:
        encoded, data = cv2.imencode(output.suffix, masked.image)
        if not encoded:
            raise SinkError("%s cannot be encoded." % output)
        part.write_bytes(data.tobytes())
        os.replace(str(part), str(output))
    except (OSError, cv2.error) as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise SinkError("%s cannot be written: %s" % (output, getattr(error, "strerror", None) or error)) from error
    return Counts(1, len(masked.faces), int(masked.error is not None))


def _mask_video(source: str, output: Path, settings: Settings) -> Counts:
    frames = faces = failed = 0
    masker = Masker(settings)
    sink = None
    with open_source(SourceSettings(source=source, realtime=False)) as frames_in, contextlib.ExitStack() as stack:
        rate = frames_in.rate or DEFAULT_RATE
        for masked in masker.stream(_timed(frames_in)):
            frames += 1
            faces += len(masked.faces)
            failed += masked.error is not None
            if masked.image is not None:
                if sink is None:  # only now the size is known
                    height, width = masked.image.shape[:2]
                    sink = stack.enter_context(VideoSink(output, width, height, rate))
                sink.write(masked.image)
    if sink is None:
        raise SinkError("%s gave no frame that could be masked; nothing was written." % source)
    return Counts(frames, faces, failed)


def _timed(source):
    captured = source.read()
    while captured is not None:
        yield captured.image, captured.position
        captured = source.read()
