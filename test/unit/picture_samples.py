"""Pictures of all kinds for the tests of their reading, writing and masking."""

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def saved(image, format, **options):
    """A file as Pillow writes it; ``image`` may be an array, grey or RGB(A)."""
    data = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(data, format, **options)
    return data.getvalue()


def encoded(suffix, pixels):
    """A file as OpenCV writes it, which knows 16-bit colours; ``pixels`` BGR(A)."""
    done, data = cv2.imencode(suffix, pixels)
    assert done
    return data.tobytes()


def opened(data):
    """The file ``data`` as Pillow reads it."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def camera_exif(thumbnail):
    """EXIF as a camera writes it: make, orientation 6, date, MakerNote, place, and a thumbnail (bytes of a JPEG)."""
    exif = Image.Exif()
    exif[271] = "Maker of cameras"
    exif[274] = 6
    exif[700] = b"<x:xmpmeta>secret packet"
    exif[34377] = b"8BIM secret resource"
    exif[34665] = {36867: "2024:05:06 07:08:09", 37500: b"secret note" * 30, 40962: 64, 40963: 48}
    exif[34853] = {1: "N", 2: (47.0, 22.0, 10.0)}
    data = bytearray(exif.tobytes()[6:])
    order = "<" if data[:2] == b"II" else ">"
    (count,) = struct.unpack_from(order + "H", data, 8)
    struct.pack_into(order + "L", data, 8 + 2 + 12 * count, len(data))
    start = len(data) + 2 + 2 * 12 + 4
    data += struct.pack(order + "H", 2)
    data += struct.pack(order + "HHLL", 513, 4, 1, start) + struct.pack(order + "HHLL", 514, 4, 1, len(thumbnail))
    return b"Exif\0\0" + bytes(data) + struct.pack(order + "L", 0) + thumbnail


def tiff_pages(tmp_path, astronaut):
    """A TIFF of three pages, the first with a preview of it behind."""
    path = tmp_path / "pages.tif"
    tifffile = pytest.importorskip("tifffile")
    with tifffile.TiffWriter(str(path)) as file:
        for page in (astronaut, astronaut[:, ::-1], astronaut[:, :, 0]):
            file.write(np.ascontiguousarray(page[..., ::-1] if page.ndim == 3 else page), compression="zlib")
            if page is astronaut:
                file.write(cv2.resize(page, (64, 64)), subfiletype=1)
    return path
