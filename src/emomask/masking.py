"""Masks one file: a picture, or anything that is a source of frames."""

import contextlib
import os
from pathlib import Path
from typing import Iterator, List, NamedTuple

from emomask.errors import FrameError, SinkError, SourceError
from emomask.faces import Box
from emomask.masker import Masker
from emomask.media.address import IMAGE_SUFFIXES
from emomask.media.pictures import MaskedPage, is_picture, output_format, read_pictures, write_pictures
from emomask.media.sources import SourceSettings, open_source
from emomask.media.video import VideoSink
from emomask.settings import Settings

DEFAULT_RATE = 25.0  # frames/s of the output when the source does not know its own


class Counts(NamedTuple):
    """What became of a file: frames read, faces covered in them, frames withheld because they could not be masked."""

    frames: int
    faces: int
    failed: int


def mask_file(source: str, output: Path, settings: Settings, keep_metadata: bool = False) -> Counts:
    """Mask the picture or video ``source`` into ``output`` (a picture's suffix, or ``.mp4``).

    ``keep_metadata``: keep a picture's EXIF, see ``write_picture``; of a video nothing is kept.

    The output is written beside its name and renamed when it is whole. Raises SourceError when the input cannot be read
    and SinkError when the output cannot be written, is the input itself, or when its picture could not be masked.
    """
    output = Path(output)
    if Path(source).exists() and output.exists() and os.path.samefile(source, output):
        raise SinkError("The output is the input itself (%s); name another file." % output)
    is_video = output.suffix.lower() == ".mp4"
    if Path(source).is_file() and (
        Path(source).suffix.lower() in IMAGE_SUFFIXES or (not is_video and is_picture(source))
    ):
        return _mask_picture(Path(source), output, settings, keep_metadata)
    if not is_video:
        raise SinkError("A video is written as .mp4; %s is not." % output)
    return _mask_video(source, output, settings)


def _mask_picture(source: Path, output: Path, settings: Settings, keep_metadata: bool) -> Counts:
    output_format(output)  # what cannot be written need not be masked first
    counts = []
    write_pictures(_masked_pages(source, Masker(settings), counts), output, keep_metadata=keep_metadata)
    return Counts(*map(sum, zip(*counts)))


def _masked_pages(source: Path, masker: Masker, counts: List[Counts]) -> Iterator[MaskedPage]:
    """The pages of the picture ``source``, masked; the counts of each are appended to ``counts``."""
    for picture in read_pictures(source):
        try:
            masked = masker.process(picture.frame)
        except FrameError as error:
            raise SourceError("%s cannot be masked: %s" % (picture.name, error)) from error
        if masked.image is None:
            raise SinkError("%s could not be masked (%s); nothing was written." % (picture.name, masked.error))
        boxes = [face.covered for face in masked.faces if face.covered is not None]
        if masked.error is not None:  # the frame is pixelated as a whole
            boxes.append(Box(0, 0, masked.image.shape[1], masked.image.shape[0]))
        counts.append(Counts(1, len(masked.faces), int(masked.error is not None)))
        yield picture, masked.image, boxes


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
