"""Sources of frames: cameras, network streams, video files, folders of images, and the demo clip."""

import logging
import math
import os
import re
import socket
import sys
import time
from pathlib import Path
from typing import List, NamedTuple, Optional
from urllib.parse import urlsplit

import cv2
import numpy as np

from emomask.errors import SourceError
from emomask.media import demo_clip
from emomask.media.address import (
    CAMERA,
    DEMO,
    IMAGES,
    STREAM,
    STREAM_PORTS,
    check_file,
    parse_address,
    without_secrets,
)
from emomask.media.source_settings import SourceSettings
from emomask.media.suffixes import IMAGE_SUFFIXES

_log = logging.getLogger(__name__)

FOLDER_RATE = 10.0
# A camera may fail to decode some frames in a row (a cable that is touched) before it counts as lost.
_UNREADABLE_FRAMES = 30
# FFmpeg looks so long into a stream whose parts it cannot tell at once (RTMP without sound); broken off, it is dead.
_PROBING_SECONDS = 5.0
# While a network stream is opened some seconds of it are buffered; this long they may be passed over.
_STALE_SECONDS = 2.0
# A file that ends this much before the length in its header is damaged; headers are off by some frames.
_MISSING_SECONDS = 0.5

_ROTATIONS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


class Captured(NamedTuple):
    """One frame of a source.

    Attributes
    ----------
    image: uint8 ``(H, W, 3)``, BGR, owned by the receiver.
    grabbed: ``time.monotonic()`` in seconds when the frame was taken from the device, or was due for a paced file.
    position: seconds in the file, by its time stamps; 0 for cameras and live streams.
    """

    image: np.ndarray
    grabbed: float
    position: float


class Source:
    """Frames from one origin; made by ``open_source``, for one thread.

    Attributes
    ----------
    rate: nominal frames/s; 0 when unknown.
    live: True for cameras and streams, whose frames come at their own time and without an end.
    pixel_format: the fourcc that a camera uses, such as MJPG; empty when unknown.
    description: what it is, for people; without passwords.
    """

    live = False
    pixel_format = ""

    def __init__(self, settings: SourceSettings, description: str, rate: float = 0.0):
        self.rate = rate
        self.description = description
        self._settings = settings

    def read(self) -> Optional[Captured]:
        """The next frame, turned and flipped as set; None at the end.

        Raises SourceError when a device or stream is lost or a file is damaged.
        """
        captured = self._next()
        return captured and captured._replace(image=self._oriented(captured.image))

    def close(self) -> None:
        """Release the device; the source gives no more frames."""

    def _next(self) -> Optional[Captured]:
        raise NotImplementedError

    def _oriented(self, image: np.ndarray) -> np.ndarray:
        if self._settings.rotate:
            image = cv2.rotate(image, _ROTATIONS[self._settings.rotate])
        if self._settings.flip_horizontal or self._settings.flip_vertical:
            # OpenCV's code: 1 flips left and right, 0 top and bottom, -1 both.
            both = self._settings.flip_horizontal and self._settings.flip_vertical
            image = cv2.flip(image, -1 if both else int(self._settings.flip_horizontal))
        return image

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def open_source(settings: SourceSettings) -> Source:
    """Open what ``settings.source`` names and make sure that it gives a frame.

    Raises SourceError with one line that says what is wrong and what to do.
    """
    address = parse_address(settings.source)
    if address.kind == DEMO:
        return _DemoClip(settings, address.shown)
    if address.kind == IMAGES:
        return _Images(settings, address.target, address.shown)
    if address.kind == CAMERA:
        return _open_camera(settings, address.target, address.shown)
    if address.kind == STREAM:
        return _open_stream(settings, address.target, address.shown)
    return _open_file(settings, address.target, address.shown)


class _NoFrames(SourceError):
    """A camera or a stream gives no frames, or no more."""


class _Live(Source):
    """A camera or a network stream that has been opened."""

    live = True

    def __init__(self, settings, description, capture, rate, buffered=False):
        super().__init__(settings, description, rate)
        self._capture = capture
        try:
            if buffered:
                self._pass_over_stale_frames()
            self._first = self._grabbed()
        except SourceError:
            capture.release()
            raise

    def _next(self):
        first, self._first = self._first, None
        return first or self._grabbed()

    def _pass_over_stale_frames(self):
        """Catch up with the stream: frames that come at once were waiting, the first to be waited for is new."""
        wait = 0.5 / min(max(10.0, self._capture.get(cv2.CAP_PROP_FPS)), 60.0)
        end = time.monotonic() + _STALE_SECONDS
        took = 0.0
        while took < wait and time.monotonic() < end:
            began = time.monotonic()
            if not self._capture.grab():
                return
            took = time.monotonic() - began

    def _grabbed(self):
        for _ in range(_UNREADABLE_FRAMES):
            taken = self._capture.grab()
            now = time.monotonic()
            if not taken:
                break
            done, frame = self._capture.retrieve()
            if done and frame is not None and frame.size:
                return Captured(_as_bgr(frame, self.description), now, 0.0)
        raise _NoFrames("%s gives no more frames: unplugged, switched off or cut." % _capital(self.description))

    def close(self):
        self._capture.release()


class _Camera(_Live):
    """A camera that has been opened and asked for what is set."""

    def __init__(self, settings, description, capture, rate):
        super().__init__(settings, description, capture, rate)
        if capture.get(cv2.CAP_PROP_FOURCC) > 0:
            self.pixel_format = _fourcc_text(capture.get(cv2.CAP_PROP_FOURCC))
        height, width = self._first.image.shape[:2]
        told = (capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        # A driver that says one size and sends another; a size that it refuses has been logged already.
        if (settings.width or settings.height) and told != (width, height):
            _log.warning("%s sends frames of %dx%d, not %dx%d.", _capital(description), width, height, *told)


class _VideoFile(Source):
    """A video with a length: a file, or a recording behind an http URL."""

    def __init__(self, settings, description, capture):
        rate = capture.get(cv2.CAP_PROP_FPS)
        # Containers without a rate give 0 or NaN, some give their time base.
        super().__init__(settings, description, rate if 0 < rate <= 1000 else 25.0)
        self._capture = capture
        self._length = max(0.0, capture.get(cv2.CAP_PROP_FRAME_COUNT)) / self.rate
        self._position = -1 / self.rate
        if settings.start:
            capture.set(cv2.CAP_PROP_POS_MSEC, 1000 * settings.start)
        self._first = self._following()
        # Where winding is inexact or impossible, the frames before the start are passed over one by one.
        while self._first and self._first.position < settings.start - 0.5 / self.rate:
            self._first = self._following()
        if self._first is None:
            capture.release()
            fault = "holds no frame that can be decoded: it is damaged or incomplete"
            if settings.start:
                fault = "ends after %.1f s, before the start at %g s" % (self._length, settings.start)
            raise SourceError("%s %s." % (_capital(description), fault))

    def _next(self):
        captured, self._first = self._first, None
        captured = captured or self._following()
        if captured and self._settings.stop and captured.position >= self._settings.stop - 0.5 / self.rate:
            return None
        return captured

    def _following(self):
        while self._capture.grab():
            done, frame = self._capture.retrieve()
            # Time stamps can be missing or out of order (AVI with B-frames): a frame is never before the one before it.
            stamp = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            self._position = stamp if stamp > self._position else self._position + 1 / self.rate
            if done and frame is not None and frame.size:
                return Captured(_as_bgr(frame, self.description), time.monotonic(), self._position)
        end = self._position + 1 / self.rate
        if self._position >= 0 and end < self._length - _MISSING_SECONDS and end > self._settings.start:
            raise SourceError(
                "%s is damaged or incomplete: it can be read up to %.1f s of %.1f s."
                % (_capital(self.description), end, self._length)
            )
        return None

    def close(self):
        self._capture.release()


class _Images(Source):
    """The images of a folder, in the order of their names (img2 before img10), or one image."""

    def __init__(self, settings, target, description):
        super().__init__(settings, description, settings.fps or FOLDER_RATE)
        self._paths = _image_paths(Path(target), description)
        self._index = math.ceil(settings.start * self.rate - 0.01)
        if self._index >= len(self._paths):
            raise SourceError(
                "%s holds %d images at %g/s and ends before the start at %g s."
                % (_capital(description), len(self._paths), self.rate, settings.start)
            )
        self._first = self._following()
        if self._first is None:
            raise SourceError("%s holds no image that can be decoded." % _capital(description))

    def _next(self):
        first, self._first = self._first, None
        return first or self._following()

    def _following(self):
        while self._index < len(self._paths):
            position, path = self._index / self.rate, self._paths[self._index]
            if self._settings.stop and position >= self._settings.stop:
                return None
            self._index += 1
            try:
                image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            except cv2.error:  # more pixels than OpenCV accepts
                image = None
            if image is not None:
                return Captured(image, time.monotonic(), position)
            _log.warning("%s is passed over: it cannot be decoded.", path)
        return None


class _DemoClip(Source):
    def __init__(self, settings, description):
        super().__init__(settings, description, demo_clip.RATE)
        self._clip = demo_clip.DemoClip()
        self._index = math.ceil(settings.start * self.rate - 0.01)
        if self._index >= demo_clip.FRAMES:
            raise SourceError("The demo clip ends after 10 s, before the start at %g s." % settings.start)

    def _next(self):
        position = self._index / self.rate
        if self._index >= demo_clip.FRAMES or (self._settings.stop and position >= self._settings.stop):
            return None
        self._index += 1
        return Captured(self._clip.frame(self._index - 1), time.monotonic(), position)


def _open_camera(settings: SourceSettings, target: str, shown: str) -> Source:
    backend = cv2.CAP_V4L2 if sys.platform.startswith("linux") else cv2.CAP_ANY
    index = int(target) if target.isdigit() else None
    device = "/dev/video%d" % index if index is not None else target
    reason = "it could not be opened"
    capture = _opened(index if index is not None else target, backend)
    if capture.isOpened():
        _configure(capture, settings, shown)
        rate = capture.get(cv2.CAP_PROP_FPS)
        try:
            return _Camera(settings, shown, capture, rate if 0 < rate <= 1000 else settings.fps)
        except _NoFrames:
            reason = "it gives no frames"
    elif sys.platform.startswith("linux") and not os.path.exists(device):
        reason = "there is no %s" % device
    elif not os.access(device, os.R_OK | os.W_OK):
        reason = "permission denied"
    raise SourceError(
        "Cannot open %s (%s). The usual causes: (1) no permission: add yourself to the `video` group and log in again; "
        "(2) wrong device: many webcams expose two /dev/videoN, try the other or a path below /dev/v4l/by-id; (3) busy "
        "in another program; (4) not passed into this virtual machine or container." % (shown, reason)
    )


def _configure(capture: cv2.VideoCapture, settings: SourceSettings, shown: str) -> None:
    """Ask the camera for what is set; what it refuses is logged, with what it uses instead."""
    asked = {}
    if settings.fourcc:
        asked["FOURCC"] = cv2.VideoWriter_fourcc(*settings.fourcc)  # first: it decides about sizes and rates
    if settings.width:
        asked["FRAME_WIDTH"] = settings.width
    if settings.height:
        asked["FRAME_HEIGHT"] = settings.height
    if settings.fps:
        asked["FPS"] = settings.fps
    asked.update(settings.camera_properties())
    accepted = {name: capture.set(getattr(cv2, "CAP_PROP_" + name), value) for name, value in asked.items()}
    for name, value in asked.items():
        used = capture.get(getattr(cv2, "CAP_PROP_" + name))
        if accepted[name] and abs(used - value) < 0.01 * max(1.0, abs(value)):
            continue
        if name == "FOURCC":
            value, used = settings.fourcc, _fourcc_text(used)
        _log.warning("%s refused %s=%s and uses %s.", _capital(shown), name.lower(), value, used)


def _fourcc_text(code: float) -> str:
    code = int(code) & 0xFFFFFFFF
    text = code.to_bytes(4, "little").decode("latin-1")
    return text if text.isprintable() else hex(code)


def _open_stream(settings: SourceSettings, url: str, shown: str) -> Source:
    limits = []
    if hasattr(cv2, "CAP_PROP_OPEN_TIMEOUT_MSEC"):  # OpenCV 4.5.2 and later
        opening, reading = int(1000 * (settings.timeout + _PROBING_SECONDS)), int(1000 * settings.timeout)
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, opening, cv2.CAP_PROP_READ_TIMEOUT_MSEC, reading]
    capture = _opened(url, cv2.CAP_FFMPEG, limits)
    if capture.isOpened():
        # A recording on a web server has a length, a camera has none.
        if url.lower().startswith("http") and capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0:
            return _VideoFile(settings, shown, capture)
        try:
            return _Live(settings, shown, capture, 0.0, buffered=True)
        except _NoFrames as error:
            fault = "opens but gives no frame within %g s" % settings.timeout
            raise SourceError("%s %s." % (_capital(shown), fault)) from error
    raise SourceError("Cannot open %s: %s." % (shown, _unreachable(url, settings.timeout)))


def _unreachable(url: str, timeout: float) -> str:
    """Why a stream could not be opened, as far as a connection to its server tells."""
    scheme = url.partition("://")[0].lower()
    try:
        # The password may hold characters that have no place in a URL.
        place = urlsplit("%s://%s" % (scheme, url.partition("://")[2].rpartition("@")[2]))
        host, port = place.hostname, place.port or STREAM_PORTS[scheme]
    except ValueError:
        return "the address is not a valid URL"
    if scheme == "udp":
        return "no video came within %g s" % (timeout + _PROBING_SECONDS)
    if not host or not port:
        return "the address names no host and port"
    try:
        socket.create_connection((host, port), timeout).close()
    except socket.timeout:
        return "%s does not answer on port %d within %g s; check the address and the network" % (host, port, timeout)
    except OSError as error:
        reason = error.strerror or error
        return "%s cannot be reached on port %d (%s); check the address and the network" % (host, port, reason)
    advice = "check the path, the user and the password"
    return "%s answers on port %d but gives no video that can be decoded; %s" % (host, port, advice)


def _open_file(settings: SourceSettings, path: str, shown: str) -> Source:
    check_file(path, _capital(shown))
    capture = _opened(path, cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise SourceError(
            "%s is not a video that can be read: its format is not supported, or it is damaged or incomplete (a "
            "recording that was broken off lacks its index)." % _capital(shown)
        )
    return _VideoFile(settings, shown, capture)


def _opened(target, backend: int, parameters=()) -> cv2.VideoCapture:
    """A VideoCapture that may or may not be open. The libraries' own lines about a failure are silenced: they are
    cryptic, and some show the password of a URL. The environment variable OPENCV_FFMPEG_LOGLEVEL brings them back."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    if backend == cv2.CAP_FFMPEG and backend not in cv2.videoio_registry.getStreamBackends():
        backend = cv2.CAP_ANY  # OpenCV was built without FFmpeg, with GStreamer perhaps
    level = cv2.getLogLevel() if hasattr(cv2, "getLogLevel") else None
    if level is not None:
        cv2.setLogLevel(0)
    try:
        return cv2.VideoCapture(target, backend, *([list(parameters)] if parameters else []))
    except cv2.error as error:
        raise SourceError("OpenCV cannot open %s." % without_secrets(str(target))) from error
    finally:
        if level is not None:
            cv2.setLogLevel(level)


def _as_bgr(frame: np.ndarray, description: str) -> np.ndarray:
    """A frame as OpenCV's backends give it (grey, alpha, 16 bits) as uint8 ``(H, W, 3)`` BGR."""
    if frame.dtype == np.uint16:
        frame = (frame >> 8).astype(np.uint8)
    channels = frame.shape[2] if frame.ndim == 3 else 1
    if frame.dtype != np.uint8 or channels not in (1, 3, 4):
        raise SourceError(
            "%s gives frames of %s with %d channels; ask it for another fourcc."
            % (_capital(description), frame.dtype, channels)
        )
    if channels == 3:
        return frame
    return cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR if channels == 1 else cv2.COLOR_BGRA2BGR)


def _image_paths(path: Path, description: str) -> List[Path]:
    if not path.is_dir():
        return [path]
    try:
        found = [entry for entry in path.iterdir() if entry.suffix.lower() in IMAGE_SUFFIXES and entry.is_file()]
    except OSError as error:
        raise SourceError("%s cannot be read: %s." % (_capital(description), error.strerror)) from error
    if not found:
        raise SourceError("%s holds no images (%s)." % (_capital(description), ", ".join(IMAGE_SUFFIXES)))
    return sorted(found, key=_natural_order)


def _natural_order(path: Path) -> list:
    """A sort key by which img2 comes before img10."""
    parts = re.split("([0-9]+)", path.name)
    return [int(part) if number % 2 else part for number, part in enumerate(parts)]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
