"""Cameras: which there are, what they can do, and the command that tests one; on a stand-in for Video4Linux."""

import os
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

if not sys.platform.startswith("linux"):
    pytest.skip("Video4Linux is Linux's", allow_module_level=True)

from fake_v4l2 import Driver, FakeMachine

from emomask.cli import main
from emomask.media import cameras, v4l2
from emomask.media.source_settings import CONTROLS

WEBCAM = Driver(
    "HD Webcam C920",
    formats={
        "MJPG": {(1280, 720): [(1, 30), (1, 15)], (640, 480): [(1, 30), (2, 15)]},
        "YUYV": {(640, 480): [(1, 30)]},
    },
    controls={
        0x00980900: (-64, 64, 1, 0, 0),
        0x00980913: (0, 255, 1, 32, 1),  # disabled
        0x009A0901: (0, 3, 1, 3, 0),
        0x009A0902: (3, 2047, 1, 250, 0),
    },
)
METADATA = Driver("HD Webcam C920", captures=False)
SENSOR = Driver("sensor", formats={"RG10": {}}, ranges={"RG10": (32, 4096, 2, 24, 3072, 2)})


@pytest.fixture
def machine(monkeypatch, tmp_path):
    machine = FakeMachine(tmp_path)
    monkeypatch.setattr(cameras, "DEVICES", machine.dev)
    monkeypatch.setattr(cameras, "_KERNEL", machine.sys)
    monkeypatch.setattr(v4l2.fcntl, "ioctl", machine.ioctl)
    return machine


@pytest.fixture
def picture(monkeypatch):
    """Frames of a camera, which a test may change; every device says that it gives them at 50 frames/s."""

    class Device:
        frame = np.full((48, 64, 3), 90, np.uint8)
        opens = True
        asked = {}

        def __init__(self, target, *arguments):
            Device.asked["target"] = target

        def isOpened(self):
            return self.opens

        def set(self, name, value):
            Device.asked[name] = value
            return True

        def get(self, name):
            return {cv2.CAP_PROP_FPS: 50.0, cv2.CAP_PROP_FOURCC: cv2.VideoWriter_fourcc(*"MJPG")}.get(
                name, Device.asked.get(name, 0)
            )

        def grab(self):
            return True

        def retrieve(self):
            return True, self.frame

        def release(self):
            Device.asked["released"] = True

    monkeypatch.setattr(cv2, "VideoCapture", Device)
    Device.asked.clear()
    return Device


def test_cameras_are_found_with_names_and_paths_that_last(machine):
    machine.plug(10, SENSOR)
    machine.plug(0, WEBCAM, by_id="usb-HD_Webcam-video-index0")
    machine.plug(1, METADATA, by_id="usb-HD_Webcam-video-index1")
    (machine.dev / "video-codec").touch()
    found = cameras.find_cameras()
    assert [(camera.number, camera.name) for camera in found] == [
        (0, "HD Webcam C920"),
        (1, "HD Webcam C920"),
        (10, "sensor"),
    ]
    assert [os.path.basename(camera.by_id) for camera in found] == [
        "usb-HD_Webcam-video-index0",
        "usb-HD_Webcam-video-index1",
        "",
    ]
    assert cameras.lasting_path("1") == found[1].by_id
    assert cameras.lasting_path(found[1].by_id) == found[1].by_id
    assert cameras.lasting_path("10") == cameras.lasting_path("93") == ""


def test_without_udev_and_sysfs_the_devices_are_found_all_the_same(monkeypatch, tmp_path):
    (tmp_path / "video2").touch()
    monkeypatch.setattr(cameras, "DEVICES", tmp_path)
    monkeypatch.setattr(cameras, "_KERNEL", tmp_path / "no" / "sys")
    assert cameras.find_cameras() == [cameras.Camera(2, str(tmp_path / "video2"), "", "")]


def test_a_webcam_tells_formats_sizes_rates_and_ranges(machine):
    machine.plug(0, WEBCAM)
    able = v4l2.abilities(str(machine.dev / "video0"))
    assert (able.card, able.driver, able.captures) == ("HD Webcam C920", "fakedriver", True)
    assert able.formats == [
        v4l2.Format(
            "MJPG",
            "a format",
            [v4l2.Size(1280, 720, None, (30.0, 15.0)), v4l2.Size(640, 480, None, (30.0, 7.5))],
        ),
        v4l2.Format("YUYV", "a format", [v4l2.Size(640, 480, None, (30.0,))]),
    ]
    assert able.controls == [
        v4l2.Control("brightness", -64, 64, 1, 0),
        v4l2.Control("auto_exposure", 0, 3, 1, 3),
        v4l2.Control("exposure", 3, 2047, 1, 250),
    ]


def test_ranges_of_sizes_and_devices_without_pictures(machine):
    machine.plug(0, SENSOR)
    machine.plug(1, METADATA)
    (form,) = v4l2.abilities(str(machine.dev / "video0")).formats
    assert form.sizes == [v4l2.Size(32, 24, (4096, 3072), ())]
    able = v4l2.abilities(str(machine.dev / "video1"))
    assert not able.captures and able.formats == []


def test_a_driver_whose_list_has_no_end_is_not_asked_for_ever(machine, monkeypatch):
    class Endless(Driver):
        def _size(self, asked):
            asked.index = 0
            super()._size(asked)

    machine.plug(0, Endless(formats={"YUYV": {(640, 480): []}}))
    (form,) = v4l2.abilities(str(machine.dev / "video0")).formats
    assert 1 < len(form.sizes) < 1000


def test_every_named_control_has_a_number():
    assert set(v4l2._CONTROLS) == set(CONTROLS)
    assert all(hasattr(cv2, "CAP_PROP_" + name) for name in CONTROLS.values())


def test_the_numbers_are_those_of_the_kernels_header():
    header = Path("/usr/include/linux/v4l2-controls.h")
    if not header.exists():
        pytest.skip("the kernel's headers are not installed")
    names = {
        "brightness": "V4L2_CID_BRIGHTNESS",
        "contrast": "V4L2_CID_CONTRAST",
        "saturation": "V4L2_CID_SATURATION",
        "hue": "V4L2_CID_HUE",
        "auto_white_balance": "V4L2_CID_AUTO_WHITE_BALANCE",
        "gain": "V4L2_CID_GAIN",
        "white_balance": "V4L2_CID_WHITE_BALANCE_TEMPERATURE",
        "sharpness": "V4L2_CID_SHARPNESS",
        "auto_exposure": "V4L2_CID_EXPOSURE_AUTO",
        "exposure": "V4L2_CID_EXPOSURE_ABSOLUTE",
    }
    bases = {"V4L2_CID_BASE": 0x00980900, "V4L2_CID_CAMERA_CLASS_BASE": 0x009A0900}
    text = header.read_text()
    for name, constant in names.items():
        base, offset = text.split("#define %s" % constant, 1)[1].split("\n")[0].strip(" \t()").split("+")
        assert v4l2._CONTROLS[name] == bases[base.strip()] + int(offset), name


# --- the command


def test_the_list(machine, capsys):
    machine.plug(0, WEBCAM, by_id="usb-HD_Webcam-video-index0")
    machine.plug(1, METADATA)
    machine.plug(2, None)
    machine.plug(3, SENSOR)
    assert main(["cameras"]) == 0
    dev = machine.dev
    assert capsys.readouterr().out.splitlines() == [
        "0  %s/video0  HD Webcam C920" % dev,
        "   by id: %s/v4l/by-id/usb-HD_Webcam-video-index0" % dev,
        "   MJPG 1280x720 at 30, 15; 640x480 at 30, 7.5",
        "   YUYV 640x480 at 30",
        "   brightness -64..64 (0), auto_exposure 0..3 (3), exposure 3..2047 (250)",
        "1  %s/video1  HD Webcam C920" % dev,
        "   gives no pictures; take the camera's other device",
        "2  %s/video2  unknown" % dev,
        "   cannot be asked: Inappropriate ioctl for device",
        "3  %s/video3  sensor" % dev,
        "   RG10 32x24 to 4096x3072",
    ]


def test_a_camera_that_may_not_be_opened_is_listed_with_the_remedy(machine, capsys, monkeypatch):
    machine.plug(0, WEBCAM)

    def refuse(path, flags):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(v4l2.os, "open", refuse)
    assert main(["cameras"]) == 0
    assert "permission denied: add yourself to the `video` group" in capsys.readouterr().out


def test_no_camera_at_all_is_an_error(machine, capsys):
    assert main(["cameras"]) == 1
    said = capsys.readouterr()
    assert said.out == "" and "none is plugged in" in said.err and "container" in said.err


def test_a_test_says_what_comes(picture, capsys):
    assert main(["cameras", "--test", "0", "--frames", "5", "--width", "64", "--height", "48", "--gain", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Opening camera 0 ..."
    assert lines[2] == "5 frames of 64x48, pixel format MJPG"
    assert "frames/s, it names 50" in lines[3]
    assert lines[-1] == "brightness 90 of 255"
    assert picture.asked[cv2.CAP_PROP_FRAME_WIDTH] == 64 and picture.asked[cv2.CAP_PROP_GAIN] == 3
    assert picture.asked["released"]


def test_a_dark_picture_and_a_slow_camera_are_told(picture, capsys, monkeypatch):
    picture.frame = np.full((48, 64, 3), 3, np.uint8)
    monkeypatch.setattr(picture, "grab", lambda self: not time.sleep(0.05))
    assert main(["cameras", "--test", "/dev/video0", "--frames", "4"]) == 0
    text = capsys.readouterr().out
    assert "brightness 3 of 255: dark; is the lens covered" in text
    assert "slower than it names" in text


def test_a_camera_that_cannot_be_opened_names_the_usual_causes(picture, capsys):
    picture.opens = False
    assert main(["cameras", "--test", "93"]) == 1
    error = capsys.readouterr().err
    for cause in ("`video` group", "two /dev/videoN", "busy in another program", "virtual machine or container"):
        assert cause in error


@pytest.mark.parametrize(
    "arguments, said", [(["--test", "0", "--fourcc", "TOOLONG"], "fourcc"), (["--test", ""], "No source is given")]
)
def test_wrong_usage_is_one_line(picture, capsys, arguments, said):
    assert main(["cameras"] + arguments) in (1, 2)
    error = capsys.readouterr().err
    assert said in error and len(error.splitlines()) == 1
