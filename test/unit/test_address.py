"""What a source's text names, and that no password is shown."""

import cv2
import numpy as np
import pytest

from emomask.errors import SourceError
from emomask.media.address import CAMERA, DEMO, IMAGES, STREAM, VIDEO, parse_address, without_secrets


@pytest.mark.parametrize(
    ("source", "kind", "target"),
    (
        ("0", CAMERA, "0"),
        (" 12 ", CAMERA, "12"),
        ("/dev/video3", CAMERA, "/dev/video3"),
        ("/dev/v4l/by-id/usb-Some_Camera-video-index0", CAMERA, "/dev/v4l/by-id/usb-Some_Camera-video-index0"),
        ("demo", DEMO, "demo"),
        ("http://host/video", STREAM, "http://host/video"),
        ("RTSP://host:8554/x", STREAM, "RTSP://host:8554/x"),
        ("udp://@:1234", STREAM, "udp://@:1234"),
        ("clip.mp4", VIDEO, "clip.mp4"),
        ("file:///some/my%20clip.mp4", VIDEO, "/some/my clip.mp4"),
        ("missing.jpg", VIDEO, "missing.jpg"),
        ("demo.mp4", VIDEO, "demo.mp4"),
    ),
)
def test_kinds(source, kind, target):
    address = parse_address(source)
    assert (address.kind, address.target) == (kind, target)


def test_folders_images_and_device_links(tmp_path):
    assert parse_address(str(tmp_path)).kind == IMAGES
    image = tmp_path / "a.PNG"
    cv2.imwrite(str(image), np.zeros((4, 4, 3), np.uint8))
    assert parse_address(str(image)).kind == IMAGES
    link = tmp_path / "my_camera"
    link.symlink_to("/dev/null")
    assert parse_address(str(link)).kind == CAMERA


@pytest.mark.parametrize("source", ("", "  ", "ftp://user:secret@host/clip.mp4", "test://x"))
def test_what_is_no_source(source):
    with pytest.raises(SourceError) as caught:
        parse_address(source)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    (
        ("rtsp://admin:secret@host:554/live", "rtsp://***@host:554/live"),
        ("rtsp://admin:sec/ret@host/live", "rtsp://***@host/live"),
        ("rtsp://admin:secret@secret@host/live", "rtsp://***@host/live"),
        ("rtsp://admin:secret?secret@host/live", "rtsp://***@host/live"),
        ("rtsp://secret@host/live", "rtsp://***@host/live"),
        ("http://host/cgi?user=admin&pwd=secret", "http://host/cgi?user=***&pwd=***"),
        ("http://host/cgi?secret", "http://host/cgi?***"),
        ("http://host/cgi?token=sec;ret=secret#secret", "http://host/cgi?token=***;ret=***#***"),
        ("http://host/video", "http://host/video"),
        ("/a/path@home/x?y=z", "/a/path@home/x?y=z"),
    ),
)
def test_secrets_are_masked(url, shown):
    assert without_secrets(url) == shown
