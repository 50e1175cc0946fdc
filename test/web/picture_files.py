"""Files of every format that the website takes, small, all of the same scene."""

import io

import cv2
import numpy as np
from PIL import Image

LARGEST_PIXELS = 2_000_000  # that the tests' sandbox takes


def picture_files(frame):
    """Names and bytes for ``frame``, uint8 ``(H, W, 3)`` BGR."""
    image = Image.fromarray(np.ascontiguousarray(frame[..., ::-1]))
    exif = Image.Exif()
    exif[274], exif[271] = 6, "maker"
    grey16 = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    transparent = image.copy()
    transparent.putalpha(image.convert("L"))
    files = {
        "jpeg": _saved(image, "JPEG", quality=80, exif=exif),
        "progressive": _saved(image, "JPEG", progressive=True),
        "cmyk": _saved(image.convert("CMYK"), "JPEG"),
        "png": _saved(transparent, "PNG"),
        "palette": _saved(image.convert("P"), "PNG"),
        "png16": cv2.imencode(".png", frame.astype(np.uint16) * 257)[1].tobytes(),
        "webp": _saved(image, "WEBP"),
        "lossless webp": _saved(transparent, "WEBP", lossless=True),
        "tiff": _saved(image, "TIFF", compression="tiff_lzw"),
        "tiff16": _saved(grey16, "TIFF"),
        "tiff jpeg": _saved(image, "TIFF", compression="jpeg"),
        "bmp": _saved(image, "BMP"),
        "gif": _saved(image, "GIF"),
        "ppm": _saved(image, "PPM"),
    }
    try:
        from pillow_heif import from_pillow
    except ImportError:
        return files
    file = io.BytesIO()
    from_pillow(image).save(file)
    return {**files, "heic": file.getvalue()}


def _saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
