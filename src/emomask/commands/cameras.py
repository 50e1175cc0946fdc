"""The command ``emomask cameras``: lists the cameras of this machine, and tests one. No picture leaves it."""

import argparse
import time

from emomask.commands.options import add_settings, positive, settings_of
from emomask.errors import SourceError
from emomask.media.address import parse_address
from emomask.media.source_settings import CONTROLS, SourceSettings

_CAMERA_SETTINGS = ("width", "height", "fps", "fourcc", *CONTROLS, "properties")

# Mean grey level, of 255, below which a picture is called dark: a covered lens gives 0 to 10.
DARK = 16.0
# A camera that gives less than this fraction of the rate that it names is slow.
SLOW = 0.8


def add_cameras(commands) -> None:
    """Add the command to the subparsers of ``emomask``."""
    cameras = commands.add_parser(
        "cameras",
        help="list the cameras, or test one",
        description="Lists the cameras with their paths, sizes, rates and the ranges of their controls (Linux), or "
        "tests one: opens it, reads frames and says what they are. Shows and keeps no picture.",
    )
    cameras.add_argument("--test", metavar="SOURCE", help="index, /dev/... path or URL of the camera to test")
    cameras.add_argument("--frames", type=positive, default=60, help="how many to read in a test (default: 60)")
    add_settings(cameras, SourceSettings, names=_CAMERA_SETTINGS)
    cameras.set_defaults(run=_cameras)


def _cameras(options: argparse.Namespace) -> int:
    if options.test is not None:
        return _test(options)
    return _list()


def _list() -> int:
    from emomask.media.cameras import DEVICES, find_cameras

    cameras = find_cameras()
    if not cameras:
        raise SourceError(
            "There is no %s/video0 or other camera: none is plugged in, or it is not passed into this virtual machine "
            "or container." % DEVICES
        )
    for camera in cameras:
        print("%d  %s  %s" % (camera.number, camera.device, camera.name or "unknown"))
        if camera.by_id:
            print("   by id: %s" % camera.by_id)
        _describe(camera.device)
    return 0


def _describe(device: str) -> None:
    """Print what a device says of itself."""
    from emomask.media.v4l2 import abilities

    try:
        able = abilities(device)
    except PermissionError:
        print("   permission denied: add yourself to the `video` group and log in again")
        return
    except OSError as error:
        print("   cannot be asked: %s" % error.strerror)
        return
    if not able.captures:
        print("   gives no pictures; take the camera's other device")
        return
    for form in able.formats:
        print("   %-4s %s" % (form.fourcc, "; ".join(_size(size) for size in form.sizes) or "sizes unknown"))
    if able.controls:
        print("   " + ", ".join("%s %d..%d (%d)" % (c.name, c.low, c.high, c.default) for c in able.controls))


def _size(size) -> str:
    text = "%dx%d" % (size.width, size.height)
    if size.largest:
        text += " to %dx%d" % size.largest
    if size.rates:
        text += " at " + ", ".join("%g" % rate for rate in size.rates)
    return text


def _test(options: argparse.Namespace) -> int:
    from emomask.media.sources import open_source

    settings = settings_of(options, SourceSettings).replace(source=options.test, realtime=False)
    shown = parse_address(settings.source).shown
    print("Opening %s ..." % shown, flush=True)
    began = time.monotonic()
    with open_source(settings) as source:
        print("open after %.1f s" % (time.monotonic() - began))
        frames = []
        while len(frames) < options.frames:
            frame = source.read()
            if frame is None:
                break
            # Only what is said about the pictures is kept.
            frames.append((frame.grabbed, frame.image.shape, float(frame.image.mean())))
        rate, pixel_format = source.rate, source.pixel_format
    if not frames:
        raise SourceError("%s gave no frame." % shown)
    times, shapes, levels = zip(*frames)
    height, width = shapes[-1][:2]
    print("%d frames of %dx%d, pixel format %s" % (len(frames), width, height, pixel_format or "unknown"))
    if len(frames) > 1 and times[-1] > times[0]:
        measured = (len(frames) - 1) / (times[-1] - times[0])
        print("%.1f frames/s%s" % (measured, ", it names %g" % rate if rate else ""))
        if rate and measured < SLOW * rate:
            print("   slower than it names: dark rooms make exposures long; --fourcc MJPG needs less of the bus")
    # A camera's first frames are often dark while it finds its exposure.
    level = levels[-1]
    print("brightness %.0f of 255%s" % (level, ": dark; is the lens covered, or closed?" if level < DARK else ""))
    return 0
