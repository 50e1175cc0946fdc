"""A stand-in for Video4Linux: a folder like /dev and one like /sys, and a driver that answers ioctls.

The structures are written down from linux/videodev2.h, apart from how the code under test does it.
"""

import ctypes
import errno
import os

U32, S32 = ctypes.c_uint32, ctypes.c_int32


class Capability(ctypes.Structure):
    _fields_ = [
        ("driver", ctypes.c_char * 16),
        ("card", ctypes.c_char * 32),
        ("bus_info", ctypes.c_char * 32),
        ("version", U32),
        ("capabilities", U32),
        ("device_caps", U32),
        ("reserved", U32 * 3),
    ]


class FormatDescription(ctypes.Structure):
    _fields_ = [
        ("index", U32),
        ("type", U32),
        ("flags", U32),
        ("description", ctypes.c_char * 32),
        ("pixelformat", U32),
        ("mbus_code", U32),
        ("reserved", U32 * 3),
    ]


class FrameSize(ctypes.Structure):
    _fields_ = [
        ("index", U32),
        ("pixel_format", U32),
        ("type", U32),
        ("numbers", U32 * 6),
        ("reserved", U32 * 2),
    ]


class FrameInterval(ctypes.Structure):
    _fields_ = [
        ("index", U32),
        ("pixel_format", U32),
        ("width", U32),
        ("height", U32),
        ("type", U32),
        ("numbers", U32 * 6),
        ("reserved", U32 * 2),
    ]


class QueryControl(ctypes.Structure):
    _fields_ = [
        ("id", U32),
        ("type", U32),
        ("name", ctypes.c_char * 32),
        ("minimum", S32),
        ("maximum", S32),
        ("step", S32),
        ("default_value", S32),
        ("flags", U32),
        ("reserved", U32 * 2),
    ]


# As the C compiler prints VIDIOC_...
QUERYCAP, ENUM_FMT, QUERYCTRL = 0x80685600, 0xC0405602, 0xC0445624
ENUM_FRAMESIZES, ENUM_FRAMEINTERVALS = 0xC02C564A, 0xC034564B
CAPTURE, METADATA, DEVICE_CAPS = 0x1, 0x00800000, 0x80000000


def code(fourcc):
    return int.from_bytes(fourcc.encode(), "little")


class Driver:
    """One device. ``formats``: ``{fourcc: {(w, h): [(numerator, denominator), ...]}}``, the seconds of a frame;
    ``ranges``: ``{fourcc: (smallest w, largest w, step, smallest h, largest h, step)}``; ``controls``:
    ``{id: (minimum, maximum, step, default, flags)}``."""

    def __init__(self, card="Fake camera", captures=True, formats=None, ranges=None, controls=None):
        self.card = card
        self.captures = captures
        self.formats = formats or {}
        self.ranges = ranges or {}
        self.controls = controls or {}

    def ioctl(self, request, buffer):
        """Answer one request in ``buffer``, as the kernel does."""
        answers = {
            QUERYCAP: (Capability, self._capability),
            ENUM_FMT: (FormatDescription, self._format),
            ENUM_FRAMESIZES: (FrameSize, self._size),
            ENUM_FRAMEINTERVALS: (FrameInterval, self._interval),
            QUERYCTRL: (QueryControl, self._control),
        }
        if request not in answers:
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
        kind, answer = answers[request]
        assert len(buffer) == ctypes.sizeof(kind)
        structure = kind.from_buffer(buffer)
        try:
            answer(structure)
        except (IndexError, KeyError) as error:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL)) from error
        return 0

    def _capability(self, asked):
        asked.driver, asked.card = b"fakedriver", self.card.encode()
        # The whole camera captures; this node of it perhaps not.
        asked.capabilities = CAPTURE | METADATA | DEVICE_CAPS
        asked.device_caps = CAPTURE if self.captures else METADATA

    def _format(self, asked):
        assert asked.type == 1
        fourcc = list(self.formats)[asked.index]
        asked.pixelformat, asked.description = code(fourcc), b"a format"

    def _size(self, asked):
        (fourcc,) = [name for name in self.formats if code(name) == asked.pixel_format]
        if fourcc in self.ranges:
            if asked.index:
                raise IndexError
            asked.type = 3
            asked.numbers[:] = self.ranges[fourcc]
            return
        asked.type = 1
        asked.numbers[:2] = list(self.formats[fourcc])[asked.index]

    def _interval(self, asked):
        (fourcc,) = [name for name in self.formats if code(name) == asked.pixel_format]
        asked.type = 1
        asked.numbers[:2] = self.formats[fourcc][asked.width, asked.height][asked.index]

    def _control(self, asked):
        values = self.controls[asked.id]
        asked.minimum, asked.maximum, asked.step, asked.default_value, asked.flags = values


class FakeMachine:
    """A machine with the cameras that ``plug`` is told of, in a folder instead of /dev and /sys."""

    def __init__(self, folder):
        self.dev, self.sys = folder / "dev", folder / "sys"
        self.by_id = self.dev / "v4l" / "by-id"
        self.by_id.mkdir(parents=True)
        self.sys.mkdir()
        self._drivers = {}

    def plug(self, number, driver, by_id=""):
        """A device ``videoN``; ``driver`` None: one that knows no ioctl of Video4Linux."""
        device = self.dev / ("video%d" % number)
        device.touch()
        self._drivers[str(device)] = driver
        entry = self.sys / device.name
        entry.mkdir()
        if driver is not None:
            (entry / "name").write_text(driver.card + "\n")
        if by_id:
            (self.by_id / by_id).symlink_to(os.path.join("..", "..", device.name))

    def ioctl(self, handle, request, buffer, mutate=True):
        """What stands for fcntl.ioctl."""
        driver = self._drivers[os.readlink("/proc/self/fd/%d" % handle)]
        if driver is None:
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
        return driver.ioctl(request, buffer)
