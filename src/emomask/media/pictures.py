"""Still pictures, read and written with what belongs to them: orientation, alpha, grey, 16 bits, colour profile."""

import contextlib
import ctypes
import errno
import io
import logging
import math
import os
import stat
import struct
import sys
import threading
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Callable, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import IFDRational, ImageFileDirectory_v2

from emomask.errors import EmomaskError, SinkError, SourceError
from emomask.faces import Box
from emomask.media.address import one_line
from emomask.outputs import unfinished

# Decoding, masking and writing hold up to 20 bytes for each pixel at a time (8-bit colour 12): 5 GB for so many. The
# largest cameras of telephones have 200 million.
LARGEST_PIXELS = 1 << 28
# A second compression at this quality, with the colours at full resolution, adds nothing that can be seen.
QUALITY = 95
# 16-bit pictures of cameras with 10 to 14 bits are nearly black; below this, full white is what the picture needs.
_DARK = 1 << 14

_DECODERS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM", "GIF")
_KNOWN = "JPEG, PNG, WebP, TIFF, BMP, PPM, GIF or HEIC"
_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"GIF8", b"BM")
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2")
_HEIF_SEQUENCES = (b"hevc", b"hevx", b"msf1")

_SUBFILE, _BITS, _PHOTOMETRIC, _ORIENTATION, _PLANES, _DNG = 254, 258, 262, 274, 284, 50706
_REDUCED, _TRANSPARENCY = 1, 4  # bits of _SUBFILE: a preview of another page, a mask for another page
_EXIF_FOLDER, _GPS_FOLDER, _WIDTH, _HEIGHT = 34665, 34853, 40962, 40963
# What may be kept of EXIF. Previews hide in what is not named: the thumbnail's directory, SubIFDs, MakerNote, XMP,
# Photoshop's resources. Text that is longer than any description is left out for the same reason.
_EXIF_TAGS = (270, 271, 272, 282, 283, 296, 305, 306, 315, 33432)
_NOT_EXIF_TAGS = (37500, 40965)  # MakerNote, the interoperability directory
_LONGEST_VALUE = 1000

_in_use = threading.Lock()
logging.getLogger("PIL").addHandler(logging.NullHandler())
try:
    # libtiff writes what is wrong with a file to the terminal; Pillow, which brings it, has no switch for that.
    _set_tiff_handler = ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler
    _set_tiff_handler.argtypes, _set_tiff_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
except (AttributeError, OSError):  # a Pillow without libtiff, or with one that it hides

    def _set_tiff_handler(handler):
        return None


@dataclass(eq=False)
class Picture:
    """A still picture, upright, and what is needed to write it back; no thumbnail or other preview.

    Attributes
    ----------
    frame: uint8 ``(H, W, 3)`` BGR; where the picture is transparent, the colours that lie there all the same.
    name: what it is called in messages; one line.
    grey: True when the picture has no colours; the three channels of ``frame`` are then equal.
    alpha: ``(H, W)``, uint8 or, when ``deep`` is there, uint16; None when the picture is opaque.
    deep: the values of a 16-bit picture, uint16 ``(H, W)`` when grey, else ``(H, W, 3)`` BGR; None with 8 bits.
    white: the 16-bit value that is 255 in ``frame``: 65535, or 2**n - 1 when a picture holds no more than n < 15 bits,
        which would be nearly black otherwise.
    profile: the ICC profile of ``frame``'s colours; empty when there is none.
    exif: EXIF as JPEG and PNG hold it, with orientation 1, without thumbnail and MakerNote; empty when there is none.
    """

    frame: np.ndarray
    name: str = "the picture"
    grey: bool = False
    alpha: Optional[np.ndarray] = None
    deep: Optional[np.ndarray] = None
    white: int = 65535
    profile: bytes = b""
    exif: bytes = b""


def is_picture(path: Union[str, Path]) -> bool:
    """Whether the file ``path`` begins as a picture does that ``read_picture`` takes, whatever its name."""
    try:
        with open(str(path), "rb") as file:
            return _starts_as_picture(file.read(16))
    except (OSError, ValueError):
        return False


def read_picture(source: Union[str, Path, bytes], name: str = "") -> Picture:
    """Read a picture: JPEG, PNG, WebP, TIFF, BMP, PPM, GIF or HEIC, told by the content and not by the file's name.

    ``source``: a path, or the bytes of a file. ``name``: what to call it in messages instead of the path.

    Orientation is applied. Palettes, CMYK and 1-bit pictures become 8-bit colour and grey. Of a telephone's JPEG or
    HEIC that carries further pictures (depth, gain map, second view), only the main one is read. 16 bits are kept for
    grey and RGB, with or without alpha, of PNG and TIFF, and for grey of PPM.

    Raises SourceError, in one line, when the file cannot be opened, is empty, damaged, incomplete or no picture, has
    more than ``LARGEST_PIXELS`` (found before anything is decoded), has 32 bits or floats, is an animation, has several
    pages (see ``read_pictures``), or is a HEIC and pillow-heif is not installed.
    """
    (picture,) = _read(source, name, several=False)
    return picture


def read_pictures(source: Union[str, Path, bytes], name: str = "") -> Iterator[Picture]:
    """The pages of a picture, one after the other; all but TIFFs have one. As ``read_picture`` otherwise.

    Previews of other pages, which TIFF calls reduced-resolution images, and transparency masks are left out.
    SourceError is raised while iterating; what came before is then only a part of the picture.
    """
    return _read(source, name, several=True)


def _read(source, name: str, several: bool) -> Iterator[Picture]:
    name = one_line(name or ("the picture" if isinstance(source, bytes) else str(source)))
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(io.BytesIO(source) if isinstance(source, bytes) else _opened(source, name))
        with _decoding(name):
            pages = _pages(_container(file, name), name)
        if len(pages) > 1 and not several:
            raise SourceError("%s has %d pages, not one." % (name, len(pages)))
        for page in pages:
            with _decoding(name):
                picture = _decoded(file, page, name)
            yield picture


def _opened(path: Union[str, Path], name: str) -> BinaryIO:
    try:
        # A pipe or a device would be waited for.
        if not stat.S_ISREG(os.stat(str(path)).st_mode):
            raise SourceError("%s cannot be read: it is not a file." % name)
        return open(str(path), "rb")
    except (OSError, ValueError) as error:
        raise SourceError("%s cannot be read: %s." % (name, getattr(error, "strerror", None) or error)) from error


@contextlib.contextmanager
def _decoding(name: str):
    """Pillow at work: quiet, with this module's limit in place of its own, and every failure a SourceError.

    Damaged files raise nearly every exception there is. What is changed here belongs to the whole process: one picture
    is decoded at a time.
    """
    log = logging.getLogger("PIL")
    with _in_use, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        former = log.propagate, Image.MAX_IMAGE_PIXELS
        log.propagate, Image.MAX_IMAGE_PIXELS = False, None
        tiff_handler = _set_tiff_handler(None)
        try:
            yield
        except SourceError:
            raise
        except MemoryError as error:
            raise SourceError("%s cannot be read: there is not enough memory for it." % name) from error
        except UnidentifiedImageError as error:
            raise _undecodable(name, "it is not a %s, or it is damaged" % _KNOWN) from error
        except Exception as error:
            fault = str(error) or type(error).__name__
            raise _undecodable(name, "it is damaged or incomplete (%s)" % fault) from error
        finally:
            log.propagate, Image.MAX_IMAGE_PIXELS = former
            _set_tiff_handler(tiff_handler)


def _undecodable(name: str, reason: str) -> SourceError:
    return SourceError("%s is not a picture that can be decoded: %s." % (name, one_line(reason)))


def _starts_as_picture(start: bytes) -> bool:
    if start[:2] in (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"):
        return start[2:3].isspace()
    is_webp = start[:4] == b"RIFF" and start[8:12] == b"WEBP"
    return start.startswith(_STARTS) or is_webp or _heif_brand(start) in _HEIF_BRANDS + _HEIF_SEQUENCES


def _heif_brand(start: bytes) -> bytes:
    return start[8:12] if start[4:8] == b"ftyp" else b""


def _container(file: BinaryIO, name: str) -> Image.Image:
    """The file opened by Pillow, with nothing decoded."""
    file.seek(0)
    start = file.read(16)
    file.seek(0)
    if not start:
        raise _undecodable(name, "it is empty (0 bytes)")
    brand = _heif_brand(start)
    if brand in _HEIF_SEQUENCES:
        raise _animation(name)
    if brand in _HEIF_BRANDS:
        try:
            from pillow_heif import HeifImageFile
        except ImportError as error:
            raise SourceError("%s is a HEIC, which needs pillow-heif: pip install 'emomask[heif]'" % name) from error
        return HeifImageFile(file)
    return Image.open(file, formats=_DECODERS)


def _animation(name: str) -> SourceError:
    return SourceError("%s is an animation: convert it to a video first (ffmpeg -i FILE clip.mp4)." % name)


def _pages(image: Image.Image, name: str) -> List[int]:
    """The indices of the pages that are pictures of their own."""
    if image.format in ("GIF", "PNG", "WEBP") and getattr(image, "is_animated", False):
        raise _animation(name)
    if image.format != "TIFF":
        return [0]
    if _DNG in image.tag_v2:
        raise SourceError("%s is a camera's raw picture: develop it into a TIFF or JPEG first." % name)
    pages = []
    for page in range(image.n_frames):
        image.seek(page)
        if not _number(image.tag_v2.get(_SUBFILE)) & (_REDUCED | _TRANSPARENCY):
            pages.append(page)
    if not pages:
        raise SourceError("%s holds nothing but previews: is it a camera's raw picture?" % name)
    return pages


def _number(value) -> int:
    """An integer that a file holds, 0 when it is something else."""
    return value if isinstance(value, int) else 0


def _decoded(file: BinaryIO, page: int, name: str) -> Picture:
    image = _at_page(file, page, name)
    width, height = image.size
    if width * height > LARGEST_PIXELS:
        raise SourceError(
            "%s has %d x %d pixels; more than %d cannot be masked in memory: scale it down or cut it up."
            % (name, width, height, LARGEST_PIXELS)
        )
    pixels, grey = _values(image, file, page, name)
    exif, alpha, deep, white = _exif(image), None, None, 65535
    # Pillow has turned TIFFs already, pillow-heif HEICs.
    pixels = _upright(pixels, 1 if image.format in ("HEIF", "TIFF") else exif.get(_ORIENTATION))
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4):
        pixels, alpha = pixels[..., :-1], np.ascontiguousarray(pixels[..., -1])
    if pixels.ndim == 3:
        pixels = pixels[..., 0] if grey else pixels[..., ::-1]
    pixels = np.ascontiguousarray(pixels)
    if pixels.dtype == np.uint16:
        deep, white = pixels, _white(pixels)
        pixels = (pixels >> 8 if white == 65535 else pixels.astype(np.uint32) * 255 // white).astype(np.uint8)
    frame = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR) if grey else pixels
    profile = _profile(image.info.get("icc_profile"), grey)
    return Picture(frame, name, grey, alpha, deep, white, profile, _kept_exif(exif, frame.shape[1], frame.shape[0]))


def _values(image: Image.Image, file: BinaryIO, page: int, name: str) -> Tuple[np.ndarray, bool]:
    """What ``image``, not loaded yet, holds, as ``_Page.pixels``; and whether it is grey."""
    raw_mode = _raw_mode(image)
    tags = dict(image.tag_v2) if image.format == "TIFF" else {}
    if tags.get(_PLANES) == 2 and image.mode in ("RGB", "RGBA") and 16 in tags.get(_BITS, ()):
        # Of these Pillow cannot give the low bytes, and takes them for pixels when the file is not compressed.
        raise SourceError("%s keeps 16-bit colours in separate planes: save it with interleaved ones." % name)
    image.load()
    deep = _sixteen_bits(image, file, page, raw_mode, name)
    if deep is None:
        mode = _eight_bit_mode(image, name)
        return np.asarray(image if image.mode == mode else image.convert(mode)), mode[0] == "L"
    if tags.get(_PHOTOMETRIC) == 0:  # white is zero
        deep = 65535 - deep
    return deep, deep.ndim == 2 or deep.shape[2] == 2


def _at_page(file: BinaryIO, page: int, name: str) -> Image.Image:
    image = _container(file, name)
    if page:
        image.seek(page)
    return image


def _raw_mode(image: Image.Image) -> str:
    """How the file holds the pixels of ``image``, which is not decoded yet, in Pillow's words ("RGB;16B")."""
    if not image.tile:
        return ""
    arguments = image.tile[0][3]
    return arguments if isinstance(arguments, str) else str(arguments[0]) if arguments else ""


def _sixteen_bits(image, file: BinaryIO, page: int, raw_mode: str, name: str) -> Optional[np.ndarray]:
    """The pixels of a 16-bit picture, uint16 ``(H, W)``, or ``(H, W, 2 to 4)``: grey and alpha, RGB, RGBA; else None.

    Pillow has no 16-bit colours: it keeps the high byte of each value. A file whose bytes are said to be in the other
    order gives it the low bytes.
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and (image.format == "PPM" or raw_mode == "I;16B")):
        return np.asarray(image).astype(np.uint16)
    if image.mode == "RGBA" and raw_mode == "LA;16B":
        pairs = np.asarray(_loaded_as("RGBA", file, page, name)).astype(np.uint16)
        return pairs[..., ::2] << 8 | pairs[..., 1::2]
    channels, _, order = raw_mode.partition(";16")
    if channels not in ("RGB", "RGBA", "RGBX") or order not in ("B", "L", "N"):
        return None
    if order == "N":
        order = "L" if sys.byteorder == "little" else "B"
    low = _loaded_as("%s;16%s" % (channels, "B" if order == "L" else "L"), file, page, name)
    deep = np.asarray(image).astype(np.uint16)
    deep <<= 8
    deep |= np.asarray(low)
    return deep


def _loaded_as(raw_mode: str, file: BinaryIO, page: int, name: str) -> Image.Image:
    """The page decoded as if the file held ``raw_mode``."""
    image = _at_page(file, page, name)
    image.tile = [_retold(tile, raw_mode) for tile in image.tile]
    image.load()
    return image


def _retold(tile, raw_mode: str):
    arguments = raw_mode if isinstance(tile[3], str) else (raw_mode,) + tuple(tile[3][1:])
    parts = tuple(tile[:3]) + (arguments,)
    return tile._make(parts) if hasattr(tile, "_make") else parts


def _eight_bit_mode(image: Image.Image, name: str) -> str:
    """L, LA, RGB or RGBA: what a picture of 8 bits or fewer is converted to."""
    transparent = "transparency" in image.info
    if image.mode in ("1", "L"):
        return "LA" if transparent else "L"
    if image.mode in ("LA", "La"):
        return "LA"
    if image.mode in ("PA", "RGBA", "RGBa"):
        return "RGBA"
    if image.mode in ("P", "RGB"):
        return "RGBA" if transparent else "RGB"
    if image.mode in ("CMYK", "HSV", "RGBX", "YCbCr"):
        return "RGB"
    raise SourceError(
        "%s holds values that cannot be masked (%s: floats, 32 bits or Lab): save it with 8 or 16 bits as grey or RGB."
        % (name, image.mode)
    )


def _upright(pixels: np.ndarray, orientation) -> np.ndarray:
    """``pixels`` (H, W, ...) turned and mirrored as EXIF's ``orientation`` (1 to 8) says."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _white(deep: np.ndarray) -> int:
    highest = int(deep.max())
    return 65535 if highest >= _DARK else max(255, (1 << highest.bit_length()) - 1)


def _profile(profile, grey: bool) -> bytes:
    """The ICC profile when it is one for the colours that are written; that of a CMYK picture no longer fits."""
    if not isinstance(profile, bytes) or len(profile) < 128 or profile[36:40] != b"acsp":
        return b""
    return profile if profile[16:20] == (b"GRAY" if grey else b"RGB ") else b""


def _exif(image: Image.Image) -> Image.Exif:
    try:
        return image.getexif()
    except Exception:  # as many kinds as there are of damage; the picture is worth more than its EXIF
        return Image.Exif()


def _kept_exif(exif: Image.Exif, width: int, height: int) -> bytes:
    """The parts of ``exif`` that cannot hold a picture, as for a picture of ``width`` x ``height`` pixels, upright."""
    try:
        details = _plain(exif.get_ifd(_EXIF_FOLDER), lambda tag: tag not in _NOT_EXIF_TAGS)
        place = _plain(exif.get_ifd(_GPS_FOLDER), lambda tag: tag < 32)
        main = _plain(dict(exif), lambda tag: tag in _EXIF_TAGS)
        if not (main or details or place):
            return b""
        kept = Image.Exif()
        for tag, value in main.items():
            kept[tag] = value
        kept[_ORIENTATION] = 1
        if details:
            kept[_EXIF_FOLDER] = {**details, _WIDTH: width, _HEIGHT: height}
        if place:
            kept[_GPS_FOLDER] = place
        return kept.tobytes()
    except Exception:  # see _exif
        return b""


def _plain(tags: dict, wanted: Callable[[int], bool]) -> dict:
    """Of an EXIF directory, the wanted tags that hold numbers or short text."""

    def is_short(value) -> bool:
        if isinstance(value, (str, bytes, tuple)):
            return len(value) <= _LONGEST_VALUE
        return isinstance(value, (int, float, IFDRational))

    return {tag: value for tag, value in tags.items() if wanted(tag) and is_short(value)}


class _Page(NamedTuple):
    """What is written: ``pixels`` uint8 or uint16, (H, W) or (H, W, 2 to 4), grey or RGB and alpha."""

    pixels: np.ndarray
    profile: bytes
    exif: bytes


class _Format(NamedTuple):
    """A format that can be written: its name, whether it holds alpha and 16 bits, and what writes a page."""

    name: str
    alpha: bool
    deep: bool
    write: Callable[[BinaryIO, _Page], None]


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
            _encode(buffer, chosen, made)
            output.write(buffer.getvalue())
            output.flush()
        except (OSError, ValueError) as error:
            raise _sink_error("The picture", error) from error


def output_format(output: Union[str, Path, BinaryIO], format: str = "") -> _Format:
    """The format in which ``output`` is written. Raises SinkError when there is none of that name."""
    is_path = isinstance(output, (str, Path))
    key = (format or (Path(output).suffix if is_path else "")).lower().lstrip(".")
    if key not in _FORMATS:
        name = one_line(str(output)) if is_path else "The picture"
        raise SinkError("%s cannot be written: its suffix must be one of .%s." % (name, ", .".join(sorted(_FORMATS))))
    return _FORMATS[key]


def _write_file(path: Path, chosen: _Format, pages: Iterator[_Page]) -> None:
    name = one_line(str(path))
    part = unfinished(path)
    made = False
    try:
        if path.is_dir():
            raise SinkError("%s cannot be written: it is a folder." % name)
        with open(str(part), "w+b") as file:
            made = True
            _encode(file, chosen, pages)
            file.flush()
            os.fsync(file.fileno())  # a full disk shows now at the latest
        os.replace(str(part), str(path))
        made = False
    except (OSError, ValueError) as error:
        raise _sink_error(name, error, path.parent) from error
    finally:
        if made:
            with contextlib.suppress(OSError):
                part.unlink()


def _encode(file: BinaryIO, chosen: _Format, pages: Iterator[_Page]) -> None:
    try:
        if chosen.name == "TIFF":
            _write_tiff(file, pages)
            return
        page = next(pages)
        if next(pages, None) is not None:
            raise SinkError("A picture of several pages can only be written as TIFF, not as %s." % chosen.name)
        chosen.write(file, page)
    except (EmomaskError, OSError, ValueError):
        raise
    except Exception as error:  # what an encoder may raise is not documented
        raise ValueError("%s: %s" % (type(error).__name__, error)) from error


def _sink_error(name: str, error: Exception, folder: Optional[Path] = None) -> SinkError:
    code = getattr(error, "errno", None)
    if folder is not None and not folder.is_dir():
        reason = "there is no folder %s; create it" % one_line(str(folder))
    elif code in (errno.ENOSPC, errno.EDQUOT):
        reason = "the disk is full; make room or choose another one"
    elif code in (errno.EACCES, errno.EPERM, errno.EROFS):
        reason = "permission denied; choose a folder in which you may write"
    else:
        reason = one_line(str(getattr(error, "strerror", None) or str(error) or type(error).__name__))
    return SinkError("%s cannot be written: %s." % (name, reason))


def _page(picture: Picture, image: np.ndarray, boxes: Sequence[Box], chosen: _Format, keep_metadata: bool) -> _Page:
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
    return _Page(np.ascontiguousarray(pixels), picture.profile, picture.exif if keep_metadata else b"")


def _covered(picture: Picture, image: np.ndarray, boxes: Sequence[Box]) -> np.ndarray:
    """bool (H, W): True where the original must not show."""
    covered = (image != picture.frame).any(axis=2)
    for box in boxes:
        left, top = max(0, math.floor(box.left)), max(0, math.floor(box.top))
        covered[top : max(0, math.ceil(box.bottom)), left : max(0, math.ceil(box.right))] = True
    return covered


def _write_jpeg(file: BinaryIO, page: _Page) -> None:
    _save(file, page, "JPEG", quality=QUALITY, subsampling=0)


def _write_webp(file: BinaryIO, page: _Page) -> None:
    _save(file, page, "WEBP", quality=QUALITY)


def _write_bmp(file: BinaryIO, page: _Page) -> None:
    Image.fromarray(page.pixels).save(file, "BMP")


def _save(file: BinaryIO, page: _Page, name: str, **options) -> None:
    Image.fromarray(page.pixels).save(file, name, icc_profile=page.profile or None, exif=page.exif, **options)


def _write_heif(file: BinaryIO, page: _Page) -> None:
    try:
        from pillow_heif import from_pillow
    except ImportError as error:
        raise SinkError("Writing HEIC needs pillow-heif: pip install 'emomask[heif]'") from error
    heif = from_pillow(Image.fromarray(page.pixels))
    if page.profile:
        heif.info.update(icc_profile=page.profile, icc_profile_type="prof")
    heif.save(file, quality=90, exif=page.exif or None)


def _write_ppm(file: BinaryIO, page: _Page) -> None:
    pixels = page.pixels
    height, width = pixels.shape[:2]
    file.write(b"P%d\n%d %d\n%d\n" % (5 if pixels.ndim == 2 else 6, width, height, np.iinfo(pixels.dtype).max))
    file.write(pixels.astype(">u2" if pixels.dtype == np.uint16 else np.uint8).tobytes())


def _write_png(file: BinaryIO, page: _Page) -> None:
    """Pillow writes 8 bits; it knows no 16-bit colours, so these are written here."""
    pixels = page.pixels
    if pixels.dtype == np.uint8:
        _save(file, page, "PNG")
        return
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    values = pixels.astype(">u2").reshape(height, -1).view(np.uint8)
    rows = np.empty((height, 1 + values.shape[1]), np.uint8)
    rows[:, 0] = 1  # the filter Sub: each byte less the one of the pixel before it
    rows[:, 1:] = values
    rows[:, 1 + 2 * channels :] -= values[:, : -2 * channels]
    file.write(_STARTS[1])
    _write_chunk(file, b"IHDR", struct.pack(">LLBBBBB", width, height, 16, (0, 4, 2, 6)[channels - 1], 0, 0, 0))
    if page.profile:
        _write_chunk(file, b"iCCP", b"ICC profile\0\0" + zlib.compress(page.profile))
    if page.exif:
        _write_chunk(file, b"eXIf", page.exif[6:])  # without the Exif\0\0 of JPEG
    data = memoryview(zlib.compress(rows.tobytes()))
    for start in range(0, len(data), 1 << 24):
        _write_chunk(file, b"IDAT", bytes(data[start : start + (1 << 24)]))
    _write_chunk(file, b"IEND", b"")


def _write_chunk(file: BinaryIO, kind: bytes, data: bytes) -> None:
    file.write(struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data)))


def _write_tiff(file: BinaryIO, pages: Iterator[_Page]) -> None:
    """All pages, deflated in one strip each: Pillow writes neither 16-bit colours nor one page after the other."""
    file.write(b"II*\0\0\0\0\0")
    link = 4  # where the place of the next page's directory is noted
    for page in pages:
        directory, data = _tiff_directory(page)
        start = file.seek(0, os.SEEK_END)
        if start % 2:
            start += file.write(b"\0")
        entries = directory.tobytes(start)  # adds the place behind them to StripOffsets
        if start + len(entries) + len(data) > 0xFFFFFFFF:
            raise SinkError("The picture is larger than a TIFF can be (4 GB).")
        file.write(entries)
        file.write(data)
        file.seek(link)
        file.write(struct.pack("<L", start))
        link = start + 2 + 12 * struct.unpack("<H", entries[:2])[0]


def _tiff_directory(page: _Page) -> Tuple[ImageFileDirectory_v2, bytes]:
    """The tags of a page, and its pixels as they are stored: differences from the pixel before, deflated."""
    pixels = page.pixels
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    differences = pixels.copy()
    differences[:, 1:] -= pixels[:, :-1]
    data = zlib.compress(differences.astype(differences.dtype.newbyteorder("<")).tobytes())
    directory = ImageFileDirectory_v2(b"II*\0\0\0\0\0")
    if page.exif:
        exif = Image.Exif()
        exif.load(page.exif)
        for tag, value in exif.items():
            directory[tag] = exif.get_ifd(tag) if tag in (_EXIF_FOLDER, _GPS_FOLDER) else value
    tags = {256: width, 257: height, 258: (8 * pixels.itemsize,) * channels, 259: 8, 277: channels, 284: 1}
    tags.update({_PHOTOMETRIC: 1 if channels < 3 else 2, 273: 0, 278: height, 279: len(data), 317: 2})
    if channels in (2, 4):
        tags[338] = 2  # alpha that the colours are not multiplied with
    if page.profile:
        tags[34675] = page.profile
    for tag, value in tags.items():
        directory[tag] = value
    return directory, data


_JPEG = _Format("JPEG", False, False, _write_jpeg)
_PNG = _Format("PNG", True, True, _write_png)
_TIFF = _Format("TIFF", True, True, _write_tiff)
_PPM = _Format("PPM", False, True, _write_ppm)
_HEIC = _Format("HEIC", True, False, _write_heif)
_FORMATS = {
    "bmp": _Format("BMP", False, False, _write_bmp),
    "heic": _HEIC,
    "heif": _HEIC,
    "jpeg": _JPEG,
    "jpg": _JPEG,
    "pgm": _PPM,
    "png": _PNG,
    "ppm": _PPM,
    "tif": _TIFF,
    "tiff": _TIFF,
    "webp": _Format("WebP", True, False, _write_webp),
}
