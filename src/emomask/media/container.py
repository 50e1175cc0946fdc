"""Opens a file or a URL for FFmpeg's libraries, with errors that say what is wrong."""

import os
from pathlib import Path
from typing import Tuple, Union

import av

from emomask.errors import SourceError
from emomask.media.address import IMAGES, STREAM, VIDEO, Address, check_file, parse_address

_TIMEOUT = 10.0  # seconds to wait for a server
_PICTURE_READERS = ("image2", "png_pipe", "jpeg_pipe", "bmp_pipe", "tiff_pipe", "webp_pipe")


def open_container(source: Union[str, Path]) -> Tuple["av.container.InputContainer", Address]:
    """The open container that ``source``, a path or a URL, names, and its address.

    A file counts as what its content is, whatever its name says. Raises SourceError with one line when there is no such
    file, it is empty, may not be read, or is no audio or video.
    """
    address = parse_address(str(source))
    shown = address.shown[:1].upper() + address.shown[1:]
    if address.kind not in (VIDEO, STREAM, IMAGES) or os.path.isdir(address.target):
        raise SourceError("%s is not a video file." % shown)
    if address.kind != STREAM:
        check_file(address.target, shown)
    # With the protocol, so that a colon in a file's name is not taken for one.
    url = address.target if address.kind == STREAM else "file:" + address.target
    try:
        container = av.open(url, "r", metadata_errors="replace", timeout=_TIMEOUT if address.kind == STREAM else None)
    except Exception as error:  # the classes of PyAV's errors have moved between its versions
        if not isinstance(error, (ValueError, EOFError)):  # the system or a server, not the content
            raise SourceError("%s cannot be read: %s." % (shown, reason(error))) from error
        raise _unreadable(address, shown) from error
    if address.kind == IMAGES and container.format.name.startswith(_PICTURE_READERS):
        container.close()  # what is a picture was told by its content before; FFmpeg goes by the name
        raise _unreadable(address, shown)
    return container, address


def _unreadable(address: Address, shown: str) -> SourceError:
    if address.kind == IMAGES:
        what = "neither a picture nor a video that can be read: its content is something else, or it is damaged"
    else:
        what = "not a video that can be read: its format is not supported, or it is damaged or incomplete (a recording "
        what += "that was broken off lacks its index)"
    return SourceError("%s is %s." % (shown, what))


def is_cut_off(packet) -> bool:
    """Whether a packet lacks its end. MPEG-TS marks whole ones too, wherever a recording was spliced: not those."""
    return packet.is_corrupt and packet.stream.container.format.name != "mpegts"


def reason(error: Exception) -> str:
    """What an error of FFmpeg or of the system says, in few words."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
