"""What runs in the sandbox's processes: decodes pictures, cut off from everything else."""

import io
import os
import resource
import signal
import struct
from multiprocessing.connection import Connection
from typing import Callable, Tuple

import cv2
import numpy as np
from PIL import Image

from emomask.errors import SourceError, described
from emomask.media import picture_reader
from emomask.web.confinement import allow_decoding_only

ERROR, PICTURE, READY = b"E", b"P", b"R"
HEADER = struct.Struct(">III")  # height, width, bytes of the colour profile
LARGEST_PROFILE = 1 << 20  # bytes; profiles of cameras and printers have some kilobytes
_WARM_UP = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM", "GIF")


def serve(connection: Connection, largest_pixels: int, memory: int, is_camera: bool) -> None:
    """Say ``READY``, then answer every picture that comes through ``connection`` until the other end is closed.

    A request is the bytes of a file. The answer is ``ERROR`` and a text, or ``PICTURE``, a ``HEADER``, the ICC profile
    and uint8 ``(H, W, 3)`` BGR pixels, transparency being laid over white.

    Before the first one this process gives up all rights but to compute and to answer, see ``confinement``; where that
    cannot be, the right to open files and sockets, to write files and to dump its memory. ``memory``: bytes that it may
    take beyond what it has then. ``is_camera``: JPEGs of a browser's camera are all that comes, and they come fast.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    cv2.setNumThreads(1)
    picture_reader.LARGEST_PIXELS = largest_pixels
    _load_decoders()
    _lock_up(memory)
    connection.send_bytes(READY)
    while True:
        try:
            data = connection.recv_bytes()
        except (EOFError, OSError):
            return
        connection.send_bytes(_answer(data, _camera_frame if is_camera else _picture))


def _answer(data: bytes, decode: Callable[[bytes], Tuple[np.ndarray, bytes]]) -> bytes:
    try:
        frame, profile = decode(data)
    except SourceError as error:
        return ERROR + str(error).encode("utf-8", "replace")
    except MemoryError:
        return ERROR + b"The picture needs more memory than one may take: scale it down."
    except Exception as error:  # whatever a decoder may raise
        return ERROR + ("The picture cannot be decoded (%s)." % described(error)).encode("utf-8", "replace")
    height, width = frame.shape[:2]
    return b"".join((PICTURE, HEADER.pack(height, width, len(profile)), profile, np.ascontiguousarray(frame).data))


def _picture(data: bytes) -> Tuple[np.ndarray, bytes]:
    picture = picture_reader.read_picture(data, "The file")
    profile = picture.profile if len(picture.profile) <= LARGEST_PROFILE else b""
    return _over_white(picture.frame, picture.alpha), profile


def _camera_frame(data: bytes) -> Tuple[np.ndarray, bytes]:
    """A JPEG without what other pictures need: in a quarter of the time."""
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as header:
        width, height = header.size
    if width * height > picture_reader.LARGEST_PIXELS:
        raise SourceError(
            "The frame has %d x %d pixels; at most %d are taken." % (width, height, picture_reader.LARGEST_PIXELS)
        )
    frame = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if frame is None:
        raise SourceError("The frame is damaged.")
    return frame, b""


def _over_white(frame: np.ndarray, alpha) -> np.ndarray:
    """What a person sees of a picture: nothing that was transparent comes to light."""
    if alpha is None:
        return frame
    if alpha.dtype == np.uint16:
        alpha = (alpha >> 8).astype(np.uint8)
    opacity = alpha[..., None].astype(np.uint16)
    return ((frame * opacity + 255 * (255 - opacity)) // 255).astype(np.uint8)


def _load_decoders() -> None:
    """Decode a picture of every kind: some are loaded from files only when they are needed first."""
    for name in _WARM_UP:
        file = io.BytesIO()
        Image.new("RGB", (16, 16)).save(file, name)
        picture_reader.read_picture(file.getvalue())
    try:
        import pillow_heif  # noqa: F401
    except ImportError:  # an extra; a HEIC is then refused in words
        return


def _lock_up(memory: int) -> None:
    # Decoders write there what is wrong with a file: visitors could fill the log.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    limit = _address_space() + memory
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for what in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(what, (0, 0))
    allow_decoding_only()


def _address_space() -> int:
    """Bytes of address space that this process has."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
