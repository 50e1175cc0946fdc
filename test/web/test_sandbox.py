"""The decoder's processes: what they take, what they refuse, and what becomes of them when a picture is bad."""

import io
import os
import signal
import threading
import time

import cv2
import numpy as np
import pytest
from picture_files import LARGEST_PIXELS, picture_files
from PIL import Image

from emomask.errors import SourceError
from emomask.web.sandbox import Sandbox


def pid(sandbox):
    return sandbox._workers[0]._process.pid


def png(height, width, mode="L"):
    file = io.BytesIO()
    Image.new(mode, (width, height)).save(file, "PNG")
    return file.getvalue()


def refusal(sandbox, data):
    with pytest.raises(SourceError) as error:
        sandbox.decode(data)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_every_format_is_decoded(sandbox, demo_frame):
    small = cv2.resize(demo_frame, (160, 120), interpolation=cv2.INTER_AREA)
    for name, data in picture_files(small).items():
        frame = sandbox.decode(data).frame
        assert frame.dtype == np.uint8
        if name == "jpeg":  # its EXIF says that it lies on its side
            frame = cv2.rotate(frame, cv2.ROTATE_90_COUNTERCLOCKWISE)
        assert frame.shape == small.shape, name
        if name in ("png", "lossless webp"):  # these are half transparent
            continue
        grey = cv2.cvtColor(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        difference = np.abs(frame.astype(int) - (grey if name == "tiff16" else small)).mean()
        assert difference < 20, (name, difference)  # a palette has few colours


def test_nothing_that_was_transparent_comes_to_light(sandbox):
    image = np.full((40, 40, 4), 77, np.uint8)
    image[:, :20, 3] = 0
    image[:, 20:, 3] = 255
    frame = sandbox.decode(cv2.imencode(".png", image)[1].tobytes()).frame
    assert (frame[:, :20] == 255).all() and (frame[:, 20:] == 77).all()


def test_the_colour_profile_comes_along(sandbox):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    file = io.BytesIO()
    Image.new("RGB", (20, 20)).save(file, "PNG", icc_profile=profile)
    assert sandbox.decode(file.getvalue()).profile == profile


def test_pixels_are_counted_before_they_are_decoded(sandbox):
    side = int(LARGEST_PIXELS**0.5)
    assert sandbox.decode(png(side, side)).frame.shape == (side, side, 3)
    before = pid(sandbox)
    began = time.monotonic()
    assert "60000 x 40000 pixels" in refusal(sandbox, png(4, 4).replace(*_sizes(4, 4, 60000, 40000)))
    assert "pixels" in refusal(sandbox, png(side + 1, side + 1))
    assert pid(sandbox) == before and time.monotonic() - began < 1


def _sizes(width, height, other_width, other_height):
    """What to replace in a PNG so that its header, checksum included, tells another size."""
    import struct
    import zlib

    def header(wide, high):
        chunk = b"IHDR" + struct.pack(">LLBBBBB", wide, high, 8, 0, 0, 0, 0)
        return chunk + struct.pack(">L", zlib.crc32(chunk))

    return header(width, height), header(other_width, other_height)


@pytest.mark.parametrize(
    "data",
    [
        b"\0",
        b"GIF89a",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"\xff\xd8\xff" + bytes(100),
        b"P6 1000 1000 255\n",
        b"MZ" + bytes(1000),
    ],
    ids=lambda data: repr(data[:8]),
)
def test_what_is_no_picture_is_one_clear_error(sandbox, data):
    assert refusal(sandbox, data)


def test_a_process_that_takes_too_long_is_killed_and_replaced():
    sandbox = Sandbox(1, 40_000_000, seconds=0.05)
    try:
        slow = cv2.imencode(".png", np.random.default_rng(0).integers(0, 255, (4000, 4000, 3), np.uint8))[1].tobytes()
        first = pid(sandbox)
        assert "longer than 0.05 s" in refusal(sandbox, slow)
        assert pid(sandbox) != first
        assert sandbox.decode(png(30, 30)).frame.shape == (30, 30, 3)
    finally:
        sandbox.close()


def test_a_picture_that_needs_too_much_memory_is_one_clear_error():
    sandbox = Sandbox(1, 100_000_000, memory=64 << 20)
    try:
        assert "memory" in refusal(sandbox, png(9000, 9000, "RGB"))
        assert sandbox.decode(png(30, 30)).frame.shape == (30, 30, 3)
    finally:
        sandbox.close()


def test_a_process_that_dies_is_one_clear_error_and_replaced(sandbox):
    before = pid(sandbox)
    os.kill(before, signal.SIGSTOP)
    killer = threading.Timer(0.2, os.kill, (before, signal.SIGKILL))
    killer.start()
    assert "damaged, or needs too much memory" in refusal(sandbox, png(30, 30))
    assert pid(sandbox) != before
    assert sandbox.decode(png(30, 30)).frame.shape == (30, 30, 3)


def test_processes_cannot_open_files_and_end_with_the_sandbox(sandbox):
    limits = open("/proc/%d/limits" % pid(sandbox)).read()
    for line in ("Max open files            0 ", "Max file size             0 ", "Max core file size        0 "):
        assert line in limits
    other = Sandbox(2, 1000)
    pids = [worker._process.pid for worker in other._workers]
    other.close()
    assert not any(os.path.exists("/proc/%d" % number) for number in pids)
