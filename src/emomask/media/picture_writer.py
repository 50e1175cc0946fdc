"""Writes masked pictures with what belongs to them; a file gets its name only when it is whole."""

import contextlib
import io
import math
import os
from pathlib import Path
from typing import BinaryIO, Iterable, Iterator, Sequence, Tuple, Union

import cv2
import numpy as np

from emomask.errors import SinkError
from emomask.faces import Box
from emomask.media.address import one_line
from emomask.media.picture import Picture
from emomask.media.picture_formats import FORMATS, Format, Page, encode
from emomask.media.suffixes import PICTURES
from emomask.outputs import unfinished, unwritable

# A picture, the masked uint8 (H, W, 3) BGR frame, and the boxes that were covered in it.
MaskedPage = Tuple[Picture, np.ndarray, Sequence[Box]]


def write_picture(
    picture: Picture,
    image: np.ndarray,
    boxes: Sequence[Box],
    output: Union[str, Path, BinaryIO],
    format: str = "",
    keep_metadata: bool = False,
) -> None:
    """Write ``picture`` with the pixels of ``image`` where they were masked.

    Parameters
    ----------
    picture: as it was read.
    image: uint8 ``(H, W, 3)`` BGR, ``picture.frame`` with the faces covered.
    boxes: what was covered, in pixels of ``image``; a pixel counts as covered, too, when it differs from the frame's.
    output: a path, whose suffix names the format, or a binary stream, which need not be seekable.
    format: ``png``, ``jpg``, ``webp``, ``tiff``, ``bmp``, ``ppm`` or ``heic``; empty for that of the suffix.
    keep_metadata: keep EXIF (camera, date, place ...), with its orientation set to 1. Thumbnails, MakerNote, XMP and
        Photoshop's resources are never kept: they may show the faces. Without it, nothing but the picture is written.

    Kept where the format can hold it: grey, alpha (opaque where covered), 16 bits (where covered, 8 bits spread over
    them), the ICC profile. JPEG and WebP are written with quality 95, JPEG with colours at full resolution. A format
    without alpha shows the colours that the picture has there, and white where it was fully transparent: what nobody
    could see does not come to light.

    The file is written beside its final name and renamed when it is whole. Raises SinkError, in one line, when the
    format is unknown or cannot hold the picture, or the output cannot be written; nothing is left then.
    """
    write_pictures([(picture, image, boxes)], output, format, keep_metadata)


def write_pictures(
    pages: Iterable[MaskedPage], output: Union[str, Path, BinaryIO], format: str = "", keep_metadata: bool = False
) -> None:
    """As ``write_picture`` for one page or, into a TIFF, more; they are taken from ``pages`` one at a time.

    An error that ``pages`` raises passes through; nothing is left of the output then.
    """
    chosen = output_format(output, format)
    made = (_page(picture, image, boxes, chosen, keep_metadata) for picture, image, boxes in pages)
    if isinstance(output, (str, Path)):
        _write_file(Path(output), chosen, made)
    else:
        buffer = io.BytesIO()
        try:
            encode(buffer, chosen, made)
            output.write(buffer.getvalue())
            output.flush()
        except (OSError, ValueError) as error:
            raise unwritable("The picture", error) from error


def output_format(output: Union[str, Path, BinaryIO], format: str = "") -> Format:
    """The format in which ``output`` is written. Raises SinkError when there is none of that name."""
    is_path = isinstance(output, (str, Path))
    suffix = "." + (format or (Path(output).suffix if is_path else "")).lower().lstrip(".")
    if suffix not in PICTURES:
        name = one_line(str(output)) if is_path else repr(format)
        raise SinkError("A picture is written as %s; %s is not." % (", ".join(PICTURES), name))
    return FORMATS[PICTURES[suffix]]


def _write_file(path: Path, chosen: Format, pages: Iterator[Page]) -> None:
    part = unfinished(path)
    made = False
    try:
        if path.is_dir():
            raise SinkError("%s cannot be written: it is a folder." % one_line(str(path)))
        with open(str(part), "w+b") as file:
            made = True
            encode(file, chosen, pages)
            file.flush()
            os.fsync(file.fileno())  # a full disk shows now at the latest
        os.replace(str(part), str(path))
        made = False
    except (OSError, ValueError) as error:
        raise unwritable(str(path), error, path.parent) from error
    finally:
        if made:
            with contextlib.suppress(OSError):
                part.unlink()


def _page(picture: Picture, image: np.ndarray, boxes: Sequence[Box], chosen: Format, keep_metadata: bool) -> Page:
    """What is written of ``picture``."""
    if image.dtype != np.uint8 or image.shape != picture.frame.shape:
        raise SinkError(
            "%s is uint8 of shape %s; %s of shape %s cannot take its place."
            % (picture.name, picture.frame.shape, image.dtype, image.shape)
        )
    pixels = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY if picture.grey else cv2.COLOR_BGR2RGB)
    alpha, full = picture.alpha, 255
    if alpha is not None or picture.deep is not None:
        covered = _covered(picture, image, boxes)
    if picture.deep is not None and chosen.deep:
        spread = ((pixels.astype(np.uint32) * picture.white + 127) // 255).astype(np.uint16)
        deep = picture.deep if picture.grey else picture.deep[..., ::-1]
        pixels, full = np.where(covered if picture.grey else covered[..., None], spread, deep), 65535
    if alpha is not None and chosen.alpha:
        if alpha.dtype == np.uint16 and full == 255:
            alpha = (alpha >> 8).astype(np.uint8)
        alpha = np.where(covered, alpha.dtype.type(full), alpha)
        pixels = np.dstack([pixels, alpha])
    elif alpha is not None:
        pixels[(alpha == 0) & ~covered] = full
    return Page(np.ascontiguousarray(pixels), picture.profile, picture.exif if keep_metadata else b"")


def _covered(picture: Picture, image: np.ndarray, boxes: Sequence[Box]) -> np.ndarray:
    """bool (H, W): True where the original must not show."""
    covered = (image != picture.frame).any(axis=2)
    for box in boxes:
        left, top = max(0, math.floor(box.left)), max(0, math.floor(box.top))
        covered[top : max(0, math.ceil(box.bottom)), left : max(0, math.ceil(box.right))] = True
    return covered
