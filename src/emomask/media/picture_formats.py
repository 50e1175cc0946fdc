"""How a picture becomes the bytes of a file: the encoder of each format, and what the format can hold."""

import os
import struct
import zlib
from typing import BinaryIO, Callable, Iterator, NamedTuple, Tuple, Union

import numpy as np
from PIL import Image
from PIL.ExifTags import IFD, Base
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from emomask.errors import EmomaskError, SinkError, described

# A second compression at this quality, with the colours at full resolution, adds nothing that can be seen.
_QUALITY = 95
_HEIC_QUALITY = 90
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Page(NamedTuple):
    """What is written: ``pixels`` uint8 or uint16, ``(H, W)`` or ``(H, W, 2 to 4)``, grey or RGB and alpha.

    ``profile``, ``exif``: as those of a Picture.
    """

    pixels: np.ndarray
    profile: bytes
    exif: bytes


class Format(NamedTuple):
    """A format that can be written.

    Attributes
    ----------
    name: as people write it.
    alpha, deep: whether it holds alpha, and 16 bits.
    write: writes a page or, where a file holds several, all pages.
    several: whether it does.
    """

    name: str
    alpha: bool
    deep: bool
    write: Callable[[BinaryIO, Union[Page, Iterator[Page]]], None]
    several: bool = False


def encode(file: BinaryIO, chosen: Format, pages: Iterator[Page]) -> None:
    """Write ``pages`` into ``file``, which can seek.

    Raises SinkError when there are more than the format holds, OSError when the file cannot be written, and ValueError
    when the encoder refuses a page.
    """
    try:
        if chosen.several:
            chosen.write(file, pages)
            return
        page = next(pages)
        if next(pages, None) is not None:
            raise SinkError("A picture of several pages can only be written as TIFF, not as %s." % chosen.name)
        chosen.write(file, page)
    except (EmomaskError, OSError, ValueError):
        raise
    except Exception as error:  # what an encoder may raise is not documented
        raise ValueError(described(error)) from error


def _write_jpeg(file: BinaryIO, page: Page) -> None:
    _save(file, page, "JPEG", quality=_QUALITY, subsampling=0)


def _write_webp(file: BinaryIO, page: Page) -> None:
    _save(file, page, "WEBP", quality=_QUALITY)


def _write_bmp(file: BinaryIO, page: Page) -> None:
    Image.fromarray(page.pixels).save(file, "BMP")


def _save(file: BinaryIO, page: Page, name: str, **options) -> None:
    Image.fromarray(page.pixels).save(file, name, icc_profile=page.profile or None, exif=page.exif, **options)


def _write_heif(file: BinaryIO, page: Page) -> None:
    try:
        from pillow_heif import from_pillow
    except ImportError as error:
        raise SinkError("Writing HEIC needs pillow-heif: pip install 'emomask[heif]'") from error
    heif = from_pillow(Image.fromarray(page.pixels))
    if page.profile:
        heif.info.update(icc_profile=page.profile, icc_profile_type="prof")
    heif.save(file, quality=_HEIC_QUALITY, exif=page.exif or None)


def _write_ppm(file: BinaryIO, page: Page) -> None:
    pixels = page.pixels
    height, width = pixels.shape[:2]
    file.write(b"P%d\n%d %d\n%d\n" % (5 if pixels.ndim == 2 else 6, width, height, np.iinfo(pixels.dtype).max))
    file.write(pixels.astype(">u2" if pixels.dtype == np.uint16 else np.uint8).tobytes())


def _write_png(file: BinaryIO, page: Page) -> None:
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
    file.write(_PNG_SIGNATURE)
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


def _write_tiff(file: BinaryIO, pages: Iterator[Page]) -> None:
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


def _tiff_directory(page: Page) -> Tuple[ImageFileDirectory_v2, bytes]:
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
            directory[tag] = exif.get_ifd(tag) if tag in (IFD.Exif, IFD.GPSInfo) else value
    directory[Base.ImageWidth] = width
    directory[Base.ImageLength] = height
    directory[Base.BitsPerSample] = (8 * pixels.itemsize,) * channels
    directory[Base.Compression] = 8  # deflate
    directory[Base.PhotometricInterpretation] = 1 if channels < 3 else 2  # grey with black as 0; RGB
    directory[Base.StripOffsets] = 0
    directory[Base.SamplesPerPixel] = channels
    directory[Base.RowsPerStrip] = height
    directory[Base.StripByteCounts] = len(data)
    directory[Base.PlanarConfiguration] = 1  # interleaved
    directory[Base.Predictor] = 2  # the differences
    if channels in (2, 4):
        directory[Base.ExtraSamples] = 2  # alpha that the colours are not multiplied with
    if page.profile:
        directory[Base.InterColorProfile] = page.profile
    return directory, data


# By the names that ``emomask.media.suffixes`` gives to the suffixes.
FORMATS = {
    made.name: made
    for made in (
        Format("BMP", False, False, _write_bmp),
        Format("HEIC", True, False, _write_heif),
        Format("JPEG", False, False, _write_jpeg),
        Format("PNG", True, True, _write_png),
        Format("PPM", False, True, _write_ppm),
        Format("TIFF", True, True, _write_tiff, several=True),
        Format("WebP", True, False, _write_webp),
    )
}
