"""What may be kept of a picture's EXIF: what describes it, and nothing that may hold another picture."""

from typing import Callable

from PIL import Image
from PIL.ExifTags import IFD, Base
from PIL.TiffImagePlugin import IFDRational

# Previews hide in what is not named: the thumbnail's directory, SubIFDs, MakerNote, XMP, Photoshop's resources. Text
# that is longer than any description is left out for the same reason.
_KEPT = (
    Base.ImageDescription,
    Base.Make,
    Base.Model,
    Base.XResolution,
    Base.YResolution,
    Base.ResolutionUnit,
    Base.Software,
    Base.DateTime,
    Base.Artist,
    Base.Copyright,
)
_LEFT_OUT = (Base.MakerNote, Base.ExifInteroperabilityOffset)  # of the details, which are kept otherwise
_GPS_TAGS = 32  # the standard's are 0 to 31
_LONGEST_VALUE = 1000


def read_exif(image: Image.Image) -> Image.Exif:
    """The EXIF of ``image``; empty when there is none or it is damaged."""
    try:
        return image.getexif()
    except Exception:  # as many kinds as there are of damage; the picture is worth more than its EXIF
        return Image.Exif()


def kept_exif(exif: Image.Exif, width: int, height: int) -> bytes:
    """The parts of ``exif`` that cannot hold a picture, as for a picture of ``width`` x ``height`` pixels, upright.

    As JPEG holds them, beginning with ``Exif``; empty when nothing is left or ``exif`` is damaged.
    """
    try:
        main = _plain(dict(exif), lambda tag: tag in _KEPT)
        details = _plain(exif.get_ifd(IFD.Exif), lambda tag: tag not in _LEFT_OUT)
        place = _plain(exif.get_ifd(IFD.GPSInfo), lambda tag: tag < _GPS_TAGS)
        if not (main or details or place):
            return b""
        kept = Image.Exif()
        for tag, value in main.items():
            kept[tag] = value
        kept[Base.Orientation] = 1
        if details:
            kept[IFD.Exif] = {**details, Base.ExifImageWidth: width, Base.ExifImageHeight: height}
        if place:
            kept[IFD.GPSInfo] = place
        return kept.tobytes()
    except Exception:  # see read_exif
        return b""


def _plain(tags: dict, wanted: Callable[[int], bool]) -> dict:
    """Of an EXIF directory, the wanted tags that hold numbers or short text."""

    def is_short(value) -> bool:
        if isinstance(value, (str, bytes, tuple)):
            return len(value) <= _LONGEST_VALUE
        return isinstance(value, (int, float, IFDRational))

    return {tag: value for tag, value in tags.items() if wanted(tag) and is_short(value)}
