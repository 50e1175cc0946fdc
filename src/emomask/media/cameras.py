"""Which cameras a Linux machine has, by the files of its kernel and of udev."""

import os
import re
from pathlib import Path
from typing import List, NamedTuple

DEVICES = Path("/dev")
_KERNEL = Path("/sys/class/video4linux")


class Camera(NamedTuple):
    """A video device.

    Attributes
    ----------
    number: N of ``/dev/videoN``, which may be another one after the next start.
    device: the path ``/dev/videoN``.
    name: what the driver calls it; empty when the kernel does not say.
    by_id: its path below ``/dev/v4l/by-id``, which stays the same; empty when it has none.
    """

    number: int
    device: str
    name: str
    by_id: str


def find_cameras() -> List[Camera]:
    """The video devices, in the order of their numbers. Many webcams have two, of which one gives no pictures."""
    cameras = []
    for path in DEVICES.glob("video*"):
        match = re.match(r"video(\d+)$", path.name)
        if match:
            cameras.append(Camera(int(match.group(1)), str(path), _name(path.name), lasting_path(str(path))))
    return sorted(cameras)


def lasting_path(device: str) -> str:
    """The path below ``/dev/v4l/by-id`` that leads to ``device`` (an index or a path); empty when there is none.

    A camera that is plugged in again may get another number; this path leads to it all the same.
    """
    wanted = os.path.realpath(str(DEVICES / ("video" + device)) if device.isdigit() else device)
    links = DEVICES / "v4l" / "by-id"
    try:
        found = sorted(str(link) for link in links.iterdir() if os.path.realpath(str(link)) == wanted)
    except OSError:  # no udev here, or none of the cameras has an id
        return ""
    return found[0] if found else ""


def _name(entry: str) -> str:
    try:
        return (_KERNEL / entry / "name").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
