"""What the text of a source names: a camera, a stream, a file, a folder of images, or the demo clip."""

import os
import re
import stat
from typing import NamedTuple
from urllib.parse import unquote

from emomask.errors import SourceError
from emomask.media.suffixes import IMAGE_SUFFIXES

CAMERA, STREAM, VIDEO, IMAGES, DEMO = "camera", "stream", "video", "images", "demo"

# The port of a scheme is 0 where there is no server to connect to.
STREAM_PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322, "rtmp": 1935, "rtmps": 443, "tcp": 0, "udp": 0}


class Address(NamedTuple):
    """A source.

    Attributes
    ----------
    kind: CAMERA, STREAM, VIDEO (a file), IMAGES (a folder or one image file) or DEMO.
    target: the index, path or URL, with the user's password where there is one: never to be shown.
    shown: the same for people, such as "camera 0" or "the file x.mp4", without secrets.
    """

    kind: str
    target: str
    shown: str


def parse_address(source: str) -> Address:
    """The address that ``source`` names. Raises SourceError when it is empty or of a kind that cannot be read.

    A path counts as a camera below ``/dev`` or when it is a device file; a path to nothing counts as a video file.
    """
    source = source.strip()
    if not source:
        raise SourceError("No source is given: name a camera (0, /dev/video0), a file, a folder, a URL, or demo.")
    if source == "demo":
        return Address(DEMO, source, "the demo clip")
    if source.isdigit():
        return Address(CAMERA, source, "camera %s" % source)
    scheme, separator, rest = source.partition("://")
    if separator and scheme.lower() == "file":
        source = unquote(rest)
    elif separator and scheme.isalnum():
        if scheme.lower() not in STREAM_PORTS:
            known = ", ".join(STREAM_PORTS)
            raise SourceError("%s cannot be read: %s:// is not one of %s." % (without_secrets(source), scheme, known))
        return Address(STREAM, source, "the stream " + without_secrets(source))
    path = os.path.expanduser(source)
    if path.startswith("/dev/") or _is_device(path):
        return Address(CAMERA, path, "camera " + path)
    if os.path.isdir(path):
        return Address(IMAGES, path, "the folder " + path)
    if os.path.splitext(path)[1].lower() in IMAGE_SUFFIXES and os.path.exists(path):
        return Address(IMAGES, path, "the image " + path)
    return Address(VIDEO, path, "the file " + path)


def _is_device(path: str) -> bool:
    try:
        return stat.S_ISCHR(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def one_line(text: str) -> str:
    """``text`` with what is not printable, line ends above all, as escape sequences."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def check_file(path: str, shown: str) -> None:
    """Raise SourceError unless ``path``, in the message ``shown``, is a file that can be read and has content."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        if os.path.islink(path):
            where = os.readlink(path)
            raise SourceError("%s cannot be read: it links to %s, which is not there." % (shown, where)) from error
        where = "" if os.path.isabs(path) else " in %s; give the full path" % os.getcwd()
        raise SourceError("There is no file or folder %s%s." % (path, where)) from error
    except (OSError, ValueError) as error:  # links in a circle, a folder that may not be entered, a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise SourceError("%s cannot be read: %s." % (shown, reason)) from error
    if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for
        raise SourceError("%s cannot be read: it is not a file." % shown)
    if not os.access(path, os.R_OK):
        raise SourceError("%s cannot be read: permission denied." % shown)
    if status.st_size == 0:
        raise SourceError("%s is empty (0 bytes)." % shown)


def without_secrets(text: str) -> str:
    """``text`` with what may be a password in a URL replaced by ``***``: user and password, and the query's values.

    A password may hold ``/``, ``?`` and ``@`` although it should not; so everything before the last ``@`` goes.
    """
    before, slashes, rest = text.partition("://")
    if not slashes:
        return text
    user, at, place = rest.rpartition("@")
    path, mark, query = place.partition("?")
    query = re.sub(r"(^|[&;#])([^=&;#]*=)?[^&;#]+", r"\1\2***", query)
    return before + slashes + ("***@" if at else "") + path + mark + query
