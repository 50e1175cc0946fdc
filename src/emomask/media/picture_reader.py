"""Reads still pictures, whatever their format, with what belongs to them."""

import contextlib
import ctypes
import io
import logging
import os
import stat
import sys
import threading
import warnings
from pathlib import Path
from typing import BinaryIO, Iterator, List, Optional, Tuple, Union

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.ExifTags import Base

from emomask.errors import SourceError
from emomask.media.address import one_line
from emomask.media.exif import kept_exif, read_exif
from emomask.media.picture import Picture

# Decoding, masking and writing hold up to 20 bytes for each pixel at a time (8-bit colour 12): 5 GB for so many. The
# largest cameras of telephones have 200 million.
LARGEST_PIXELS = 1 << 28
# 16-bit pictures of cameras with 10 to 14 bits are nearly black; below this, full white is what the picture needs.
_DARK = 1 << 14

_DECODERS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM", "GIF")
_KNOWN = "JPEG, PNG, WebP, TIFF, BMP, PPM, GIF or HEIC"
_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"GIF8", b"BM")
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2")
_HEIF_SEQUENCES = (b"hevc", b"hevx", b"msf1")

_REDUCED, _TRANSPARENCY = 1, 4  # bits of NewSubfileType: a preview of another page, a mask for another page

_in_use = threading.Lock()
logging.getLogger("PIL").addHandler(logging.NullHandler())
try:
    # libtiff writes what is wrong with a file to the terminal; Pillow, which brings it, has no switch for that.
    _set_tiff_handler = ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler
    _set_tiff_handler.argtypes, _set_tiff_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
except (AttributeError, OSError):  # a Pillow without libtiff, or with one that it hides

    def _set_tiff_handler(handler):
        return None


def is_picture(path: Union[str, Path]) -> bool:
    """Whether the file ``path`` begins as a picture does that ``read_picture`` takes, whatever its name."""
    try:
        if not os.path.isfile(str(path)):  # a pipe would be waited for
            return False
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
    if Base.DNGVersion in image.tag_v2:
        raise SourceError("%s is a camera's raw picture: develop it into a TIFF or JPEG first." % name)
    pages = []
    for page in range(image.n_frames):
        image.seek(page)
        if not _number(image.tag_v2.get(Base.NewSubfileType)) & (_REDUCED | _TRANSPARENCY):
            pages.append(page)
    if not pages:
        raise SourceError("%s holds nothing but previews: is it a camera's raw picture?" % name)
    return pages


def _number(value) -> int:
    """An integer that a file holds, 0 when it is something else."""
    return value if isinstance(value, int) else 0


def _decoded(file: BinaryIO, page: int, name: str) -> Picture:
    """The page with this index."""
    image = _at_page(file, page, name)
    width, height = image.size
    if width * height > LARGEST_PIXELS:
        raise SourceError(
            "%s has %d x %d pixels; more than %d cannot be masked in memory: scale it down or cut it up."
            % (name, width, height, LARGEST_PIXELS)
        )
    pixels, grey = _values(image, file, page, name)
    exif, alpha, deep, white = read_exif(image), None, None, 65535
    # Pillow has turned TIFFs already, pillow-heif HEICs.
    pixels = _upright(pixels, 1 if image.format in ("HEIF", "TIFF") else exif.get(Base.Orientation))
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
    return Picture(frame, name, grey, alpha, deep, white, profile, kept_exif(exif, frame.shape[1], frame.shape[0]))


def _values(image: Image.Image, file: BinaryIO, page: int, name: str) -> Tuple[np.ndarray, bool]:
    """What ``image``, not loaded yet, holds: uint8 or uint16, ``(H, W)`` or ``(H, W, 2 to 4)``; and whether it is grey.

    The channels are grey or RGB, and alpha.
    """
    raw_mode = _raw_mode(image)
    tags = dict(image.tag_v2) if image.format == "TIFF" else {}
    is_planar = tags.get(Base.PlanarConfiguration) == 2
    if is_planar and image.mode in ("RGB", "RGBA") and 16 in tags.get(Base.BitsPerSample, ()):
        # Of these Pillow cannot give the low bytes, and takes them for pixels when the file is not compressed.
        raise SourceError("%s keeps 16-bit colours in separate planes: save it with interleaved ones." % name)
    image.load()
    deep = _sixteen_bits(image, file, page, raw_mode, name)
    if deep is None:
        mode = _eight_bit_mode(image, name)
        return np.asarray(image if image.mode == mode else image.convert(mode)), mode[0] == "L"
    if tags.get(Base.PhotometricInterpretation) == 0:  # white is zero
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
    """See ``Picture.white``."""
    highest = int(deep.max())
    return 65535 if highest >= _DARK else max(255, (1 << highest.bit_length()) - 1)


def _profile(profile, grey: bool) -> bytes:
    """The ICC profile when it is one for the colours that are written; that of a CMYK picture no longer fits."""
    if not isinstance(profile, bytes) or len(profile) < 128 or profile[36:40] != b"acsp":
        return b""
    return profile if profile[16:20] == (b"GRAY" if grey else b"RGB ") else b""
