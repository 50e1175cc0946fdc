"""What a camera can do, asked of its driver by Video4Linux's ioctls (linux/videodev2.h)."""

import errno
import fcntl
import os
import struct
from typing import Iterator, List, NamedTuple, Optional, Tuple

_CAPTURE = 0x1  # V4L2_CAP_VIDEO_CAPTURE
_CAPTURE_PLANES = 0x1000  # V4L2_CAP_VIDEO_CAPTURE_MPLANE
_HAS_DEVICE_CAPABILITIES = 0x80000000
# V4L2_BUF_TYPE_VIDEO_CAPTURE and ..._MPLANE
_BUFFER, _BUFFER_PLANES = 1, 9
_DISCRETE = 1
_DISABLED = 0x1
# A driver that never says that its list is at an end must not be asked for ever.
_LONGEST_LIST = 256

# The structures, without the padding at their ends, and the numbers of their ioctls.
_CAPABILITY = (0, struct.Struct("=16s32s32s6I"))
_FORMAT = (2, struct.Struct("=3I32s5I"))
_CONTROL = (36, struct.Struct("=2I32s4i3I"))
_SIZE = (74, struct.Struct("=3I6I2I"))
_INTERVAL = (75, struct.Struct("=5I6I2I"))

# V4L2's numbers of the controls that SourceSettings names.
_USER, _CAMERA = 0x00980900, 0x009A0900
_CONTROLS = {
    "brightness": _USER,
    "contrast": _USER + 1,
    "saturation": _USER + 2,
    "hue": _USER + 3,
    "auto_white_balance": _USER + 12,
    "gain": _USER + 19,
    "white_balance": _USER + 26,
    "sharpness": _USER + 27,
    "auto_exposure": _CAMERA + 1,
    "exposure": _CAMERA + 2,
}


class Size(NamedTuple):
    """A size of pictures, or a range of them.

    Attributes
    ----------
    width, height: pixels; of a range the smallest.
    largest: width and height of a range's largest size; None for a single size.
    rates: frames/s that the driver offers at that size, descending; empty when it does not say.
    """

    width: int
    height: int
    largest: Optional[Tuple[int, int]]
    rates: Tuple[float, ...]


class Format(NamedTuple):
    """A pixel format: its fourcc, the driver's words for it, and the sizes in it."""

    fourcc: str
    description: str
    sizes: List[Size]


class Control(NamedTuple):
    """A control by emomask's name of it, and the whole numbers that it takes."""

    name: str
    low: int
    high: int
    step: int
    default: int


class Abilities(NamedTuple):
    """What a device says of itself.

    Attributes
    ----------
    card: its name.
    driver: that of the kernel's module.
    captures: whether it gives pictures; the second device of many webcams gives data about them only.
    formats: in the order of the driver.
    controls: those of ``source_settings.CONTROLS`` that it has.
    """

    card: str
    driver: str
    captures: bool
    formats: List[Format]
    controls: List[Control]


def abilities(device: str) -> Abilities:
    """Ask the video device at a path. Raises OSError when it cannot be opened or is no video device."""
    handle = os.open(device, os.O_RDWR | os.O_NONBLOCK)
    try:
        driver, card, _, _, capabilities, own, *_ = _ask(handle, _CAPABILITY, b"", b"", b"", *[0] * 6)
        if capabilities & _HAS_DEVICE_CAPABILITIES:
            capabilities = own
        captures = bool(capabilities & (_CAPTURE | _CAPTURE_PLANES))
        buffer = _BUFFER if capabilities & _CAPTURE else _BUFFER_PLANES
        formats = list(_formats(handle, buffer)) if captures else []
        return Abilities(_text(card), _text(driver), captures, formats, list(_controls(handle)))
    finally:
        os.close(handle)


def _formats(handle: int, buffer: int) -> Iterator[Format]:
    for _, _, _, description, code, *_ in _list(handle, _FORMAT, buffer, 0, b"", *[0] * 5):
        fourcc = struct.pack("<I", code & 0x7FFFFFFF).decode("latin-1").strip()
        yield Format(fourcc, _text(description), list(_sizes(handle, code)))


def _sizes(handle: int, code: int) -> Iterator[Size]:
    for _, _, kind, *numbers in _list(handle, _SIZE, code, *[0] * 9):
        if kind == _DISCRETE:
            width, height = numbers[:2]
            yield Size(width, height, None, _rates(handle, code, width, height))
        else:  # smallest, largest and step of the width, then of the height; one entry is the whole list
            width, widest, _, height, highest, _ = numbers[:6]
            yield Size(width, height, (widest, highest), _rates(handle, code, width, height))
            return


def _rates(handle: int, code: int, width: int, height: int) -> Tuple[float, ...]:
    rates = set()
    for _, _, _, _, kind, *numbers in _list(handle, _INTERVAL, code, width, height, *[0] * 9):
        # Intervals in seconds as fractions: one, or the shortest, the longest and the step between them.
        ends = (numbers[:2],) if kind == _DISCRETE else (numbers[:2], numbers[2:4])
        rates.update(round(below / above, 2) for above, below in ends if above)
        if kind != _DISCRETE:
            break
    return tuple(sorted(rates, reverse=True))


def _controls(handle: int) -> Iterator[Control]:
    for name, number in _CONTROLS.items():
        try:
            _, _, _, low, high, step, default, flags, *_ = _ask(handle, _CONTROL, number, 0, b"", *[0] * 7)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOTTY):  # it has no such control, or none at all
                continue
            raise
        if not flags & _DISABLED:
            yield Control(name, low, high, step, default)


def _list(handle: int, what, *values) -> Iterator[tuple]:
    """The entries of one of the driver's lists, asked for by their index, which is the structure's first number."""
    for index in range(_LONGEST_LIST):
        try:
            yield _ask(handle, what, index, *values)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOTTY):  # the end of the list, or no list
                return
            raise


def _ask(handle: int, what, *values) -> tuple:
    """One ioctl that passes a structure and gets it back."""
    number, structure = what
    buffer = bytearray(structure.pack(*values))
    # _IOR and _IOWR of asm-generic/ioctl.h; QUERYCAP alone is read only.
    direction = 2 if what is _CAPABILITY else 3
    fcntl.ioctl(handle, direction << 30 | structure.size << 16 | ord("V") << 8 | number, buffer, True)
    return structure.unpack(bytes(buffer))


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("utf-8", "replace").strip()
