"""Masks pictures, page by page."""

import sys
from pathlib import Path
from typing import Iterator, List, Optional, Tuple

from emomask.errors import DataError, FrameError, SinkError, SourceError, described
from emomask.faces import Box
from emomask.masks.styles import pixelated_frame
from emomask.media.picture import Picture
from emomask.media.picture_reader import read_pictures
from emomask.media.picture_writer import MaskedPage, output_format, write_pictures
from emomask.offline.inputs import STANDARD, Job
from emomask.offline.painter import Painter
from emomask.offline.plan import Counts, Plan
from emomask.offline.report import Frame, open_report, read_report
from emomask.perception.perceiver import Perceiver, check_frame


def mask_picture(
    job: Job, source, name: str, plan: Plan, painter: Painter, perceiver: Optional[Perceiver]
) -> Counts:
    """Do ``job``, whose picture is ``source``: a path, or the bytes of a picture that is called ``name``.

    ``perceiver`` is None when a report is applied. Raises SourceError when the input cannot be read or is too small or
    too large, SinkError when the result cannot be written or the picture cannot be masked, and DataError when the
    report to be applied does not fit.
    """
    output = sys.stdout.buffer if job.output == STANDARD else job.output
    form = "png" if job.output == STANDARD else ""
    output_format(output, form)  # what cannot be written need not be masked first
    edited = read_report(Path(plan.from_report))[1] if plan.from_report else None
    frames: List[Frame] = []
    sizes: List[Tuple[int, int]] = []

    def masked() -> Iterator[MaskedPage]:
        for number, picture in enumerate(read_pictures(source, name)):
            if edited is None:
                image, covered, frame = _page(picture, number, plan, painter, perceiver)
            else:
                image, covered, frame = _edited_page(picture, number, plan, painter, edited)
            if plan.preview:
                plan.preview(image)
            frames.append(frame)
            sizes.append(picture.frame.shape[1::-1])
            yield picture, image, covered

    write_pictures(masked(), output, form, plan.files.keep_metadata)
    if job.report:
        models = perceiver.models if perceiver else {}
        with open_report(job, "picture", sizes[0], {"pages": len(frames)}, plan.settings, models) as report:
            for frame in frames:
                report(frame)
    withheld = sum(frame.error is not None for frame in frames)
    return Counts(len(frames), sum(len(frame.marks) for frame in frames), withheld)


def _page(picture: Picture, number: int, plan: Plan, painter: Painter, perceiver: Perceiver):
    """A page, masked, the boxes that were covered in it, and what the report says of it."""
    try:
        check_frame(picture.frame)
        marks = painter.marks(perceiver.picture(picture.frame))
        image, covered = painter.painted(picture.frame, marks)
        return image, _boxes(covered), Frame(number, 0.0, marks)
    except FrameError as error:
        raise SourceError("%s cannot be masked: %s" % (picture.name, error)) from error
    except Exception as error:  # any failure at all withholds the picture
        reason = described(error)
        if plan.settings.on_failure != "pixelate":
            raise SinkError("%s could not be masked (%s); nothing was written." % (picture.name, reason)) from error
        whole = Box(0, 0, picture.frame.shape[1], picture.frame.shape[0])
        return pixelated_frame(picture.frame), [whole], Frame(number, 0.0, [], reason)


def _edited_page(picture: Picture, number: int, plan: Plan, painter: Painter, edited: List[Frame]):
    """The same by a report."""
    if number >= len(edited):
        raise DataError(
            "The report %s does not fit the input: it tells of %d pages, and there are more. Give the file that it was "
            "made of." % (plan.from_report, len(edited))
        )
    frame = edited[number]._replace(marks=painter.selected(edited[number].marks))
    image, covered = painter.painted(picture.frame, frame.marks)
    return image, _boxes(covered), frame


def _boxes(covered: List[Optional[Box]]) -> List[Box]:
    return [box for box in covered if box is not None]
