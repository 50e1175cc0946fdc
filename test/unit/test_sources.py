"""Sources: what they give, and one clear line for each way in which they cannot."""

import logging
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from emomask.errors import SettingsError, SourceError
from emomask.media.sources import SourceSettings, open_source

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from clips import cut, number_of, numbered, write_clip, write_clip_as, write_images
from mjpeg_server import MjpegServer


def read_all(**settings):
    """Every frame of a source that ends, and the source's rate."""
    settings["source"] = str(settings["source"])
    with open_source(SourceSettings(**settings)) as source:
        captured = []
        while True:
            frame = source.read()
            if frame is None:
                return captured, source.rate
            captured.append(frame)


def refusal(**settings):
    """The text of the SourceError that opening and reading a source raises: one line."""
    with pytest.raises(SourceError) as caught:
        read_all(**settings)
    text = str(caught.value)
    assert "\n" not in text and text.endswith(".")
    return text


# --- settings


@pytest.mark.parametrize(
    ("settings", "said"),
    (
        ({"rotate": 45}, "rotate must be 0, 90, 180 or 270"),
        ({"rotate": 360}, "rotate must lie between 0 and 270"),
        ({"start": 5, "stop": 5}, "must be after start"),
        ({"start": -1}, "start must lie between"),
        ({"fourcc": "MJPEG"}, "fourcc must be four characters"),
        ({"width": "wide"}, "width must be a whole number"),
        ({"fps": float("nan")}, "fps must be a finite number"),
        ({"loop": "maybe"}, "loop must be true or false"),
        ({"properties": "brightness"}, "name=number"),
        ({"properties": "brightness=high"}, "name=number"),
        ({"properties": "no_such_thing=1"}, "NO_SUCH_THING"),
        ({"brightness": "bright"}, "brightness must be a number or empty"),
        ({"white_balance": "inf"}, "white_balance must be a finite number"),
        ({"buffer_size": 0}, "buffer_size must lie between"),
        ({"timeout": 0}, "timeout must lie between"),
    ),
)
def test_wrong_settings(settings, said):
    with pytest.raises(SettingsError, match=said):
        SourceSettings(**settings)


def test_an_index_may_be_a_number_and_properties_are_parsed():
    assert SourceSettings(source=0).source == "0"
    assert SourceSettings(properties=" brightness=120, auto_exposure = 0.25 ").camera_properties() == {
        "BRIGHTNESS": 120.0,
        "AUTO_EXPOSURE": 0.25,
    }


def test_settings_do_not_show_a_password():
    assert "secret" not in repr(SourceSettings(source="rtsp://admin:secret@host/live?key=secret"))


# --- files


@pytest.mark.parametrize("name", ("a.mp4", "a.mkv", "a.avi"))
def test_a_file_gives_its_frames_with_their_times(tmp_path, name):
    path = write_clip(tmp_path / name) if name == "a.mp4" else write_clip_as(tmp_path / name, count=24)
    captured, rate = read_all(source=path)
    assert rate == pytest.approx(12)
    assert [number_of(frame.image) for frame in captured] == list(range(24))
    assert [frame.position for frame in captured] == pytest.approx([n / 12 for n in range(24)], abs=0.002)
    assert captured[0].image.shape == (48, 64, 3) and captured[0].image.dtype == np.uint8
    assert captured[0].image is not captured[1].image


@pytest.mark.parametrize("name", ("a.mp4", "a.mkv", "a.avi"))
def test_start_and_stop(tmp_path, name):
    path = write_clip(tmp_path / name) if name == "a.mp4" else write_clip_as(tmp_path / name, count=24)
    captured, _ = read_all(source=path, start=0.5, stop=1.5)
    assert [number_of(frame.image) for frame in captured] == list(range(6, 18))
    assert captured[0].position == pytest.approx(0.5, abs=0.002)


def test_uneven_times_are_kept(tmp_path):
    from emomask.media.video import VideoSink

    times = [0.0, 0.04, 0.3, 0.35, 1.0]
    with VideoSink(tmp_path / "a.mp4", 64, 48, 30) as sink:
        for number, at in enumerate(times):
            sink.write(numbered(number), at)
    assert [frame.position for frame in read_all(source=tmp_path / "a.mp4")[0]] == pytest.approx(times, abs=0.002)


def test_rotation_and_flips(tmp_path):
    path = write_clip(tmp_path / "a.mp4", count=1)
    plain = read_all(source=path)[0][0].image
    for rotate, turns in ((90, -1), (180, 2), (270, 1)):
        assert np.array_equal(read_all(source=path, rotate=rotate)[0][0].image, np.rot90(plain, turns))
    assert np.array_equal(read_all(source=path, flip_horizontal=True)[0][0].image, plain[:, ::-1])
    assert np.array_equal(read_all(source=path, flip_vertical=True)[0][0].image, plain[::-1])
    turned = read_all(source=path, rotate=90, flip_horizontal=True, flip_vertical=True)[0][0].image
    assert np.array_equal(turned, np.rot90(plain, -1)[::-1, ::-1])


def test_files_that_cannot_be_read_are_told_apart(tmp_path, monkeypatch):
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("no video " * 500)
    cut(write_clip(tmp_path / "cut.mp4"), 0.7)  # its index is at the end
    texts = {name: refusal(source=tmp_path / name) for name in ("missing.mp4", "empty.mp4", "text.mp4", "cut.mp4")}
    assert texts["missing.mp4"] == "There is no file or folder %s." % (tmp_path / "missing.mp4")
    assert "empty (0 bytes)" in texts["empty.mp4"]
    assert "not supported, or it is damaged" in texts["text.mp4"]
    assert "lacks its index" in texts["cut.mp4"]
    monkeypatch.chdir(tmp_path)
    assert str(tmp_path) in refusal(source="missing.mp4")
    (tmp_path / "closed.mp4").write_bytes(b"x")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert "permission denied" in refusal(source=tmp_path / "closed.mp4")


@pytest.mark.parametrize("name", ("a.mkv", "a.avi"))
def test_a_file_that_breaks_off_ends_with_an_error(tmp_path, name):
    path = cut(write_clip_as(tmp_path / name), 0.5)
    source = open_source(SourceSettings(source=str(path)))
    count = 0
    with pytest.raises(SourceError, match=r"damaged or incomplete: it can be read up to [12]\.\d s of 3\.0 s"):
        while source.read() is not None:
            count += 1
    assert 10 < count < 26
    source.close()


def test_a_start_behind_the_end_is_an_error(tmp_path):
    assert "before the start at 20 s" in refusal(source=write_clip(tmp_path / "a.mp4"), start=20)
    assert "before the start at 20 s" in refusal(source="demo", start=20)
    (tmp_path / "images").mkdir()
    write_images(tmp_path / "images", ["a.png"])
    assert "before the start at 20 s" in refusal(source=tmp_path / "images", start=20)


# --- images and the demo clip


def test_a_folder_of_images_is_in_natural_order(tmp_path):
    write_images(tmp_path, ["img1.png", "img2.jpg", "img10.png", "img20.bmp"])
    (tmp_path / "notes.txt").write_text("not an image")
    captured, rate = read_all(source=tmp_path, fps=4)
    assert rate == 4
    assert [number_of(frame.image) for frame in captured] == [0, 1, 2, 3]
    assert [frame.position for frame in captured] == [0, 0.25, 0.5, 0.75]
    assert [number_of(frame.image) for frame in read_all(source=tmp_path, fps=4, start=0.25, stop=0.75)[0]] == [1, 2]
    assert len(read_all(source=tmp_path / "img1.png")[0]) == 1


def test_images_of_every_kind_become_bgr(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((10, 20), 50, np.uint8))
    cv2.imwrite(str(tmp_path / "b.png"), np.full((10, 20, 4), 50, np.uint8))
    cv2.imwrite(str(tmp_path / "c.png"), np.full((10, 20, 3), 50 * 257, np.uint16))
    for frame in read_all(source=tmp_path)[0]:
        assert frame.image.shape == (10, 20, 3) and frame.image.dtype == np.uint8
        assert (frame.image == 50).all()


def test_damaged_images_are_passed_over(tmp_path, caplog):
    write_images(tmp_path, ["a.png", "c.png"])
    (tmp_path / "b.png").write_bytes(b"not a picture")
    with caplog.at_level(logging.WARNING, "emomask"):
        assert len(read_all(source=tmp_path)[0]) == 2
    assert [record.getMessage() for record in caplog.records] == [
        "%s is passed over: it cannot be decoded." % (tmp_path / "b.png")
    ]


def test_folders_without_images(tmp_path):
    assert "holds no images (.bmp" in refusal(source=tmp_path)
    (tmp_path / "a.png").write_bytes(b"not a picture")
    assert "holds no image that can be decoded" in refusal(source=tmp_path)


def test_the_demo_clip_is_a_source():
    captured, rate = read_all(source="demo", start=9.0)
    assert rate == 30 and len(captured) == 30
    assert captured[0].position == pytest.approx(9.0)


# --- cameras, by a fake OpenCV device: there is none on a test machine


class FakeCamera:
    """Stands for cv2.VideoCapture on a camera that refuses some settings."""

    opened = True
    refuses = ()
    frames = ()
    made = []

    def __init__(self, target, backend, *parameters):
        self.target = target
        self.values = {cv2.CAP_PROP_FPS: 15.0, cv2.CAP_PROP_FRAME_WIDTH: 640.0, cv2.CAP_PROP_FRAME_HEIGHT: 480.0}
        self.asked = []
        self.left = list(self.frames)
        self.released = False
        FakeCamera.made.append(self)

    def isOpened(self):
        return self.opened

    def set(self, name, value):
        self.asked.append(name)
        if name in self.refuses:
            return False
        self.values[name] = value
        return True

    def get(self, name):
        return self.values.get(name, 0.0)

    def grab(self):
        return bool(self.left)

    def retrieve(self):
        frame = self.left.pop(0)
        return frame is not None, frame

    def release(self):
        self.released = True


@pytest.fixture
def camera(monkeypatch):
    class Camera(FakeCamera):
        frames = [np.full((4, 6, 3), 7, np.uint8)] * 3

    FakeCamera.made = []
    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    return Camera


def test_a_camera_gets_its_settings_and_refusals_are_logged(camera, caplog):
    camera.frames = [np.full((600, 800, 3), 7, np.uint8)] * 3
    camera.refuses = (cv2.CAP_PROP_FPS, cv2.CAP_PROP_BRIGHTNESS)
    with caplog.at_level(logging.WARNING, "emomask"):
        source = open_source(
            SourceSettings(source="2", width=800, height=600, fps=60, fourcc="MJPG", properties="brightness=9")
        )
    device = camera.made[0]
    assert device.target == 2
    assert device.asked[0] == cv2.CAP_PROP_FOURCC  # sizes and rates depend on it
    assert device.values[cv2.CAP_PROP_FRAME_WIDTH] == 800 and device.values[cv2.CAP_PROP_FRAME_HEIGHT] == 600
    assert device.values[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter_fourcc(*"MJPG")
    assert [record.getMessage() for record in caplog.records] == [
        "Camera 2 refused fps=60.0 and uses 15.0.",
        "Camera 2 refused brightness=9.0 and uses 0.0.",
    ]
    assert source.live and source.rate == 15.0
    before = time.monotonic()
    assert before - 1 < source.read().grabbed <= time.monotonic()
    source.close()
    assert device.released


def test_the_automatic_controls_are_asked_for_before_what_they_would_refuse(camera, caplog):
    camera.refuses = (cv2.CAP_PROP_GAIN,)
    named = dict(brightness="-5", exposure=0, auto_exposure="1", white_balance="4600", auto_white_balance=0, gain="3.5")
    with caplog.at_level(logging.WARNING, "emomask"):
        open_source(SourceSettings(source="0", properties="zoom=2,exposure=250", **named)).close()
    device = camera.made[0]
    assert device.asked[:2] == [cv2.CAP_PROP_AUTO_EXPOSURE, cv2.CAP_PROP_AUTO_WB]
    values = {
        cv2.CAP_PROP_AUTO_EXPOSURE: 1,
        cv2.CAP_PROP_AUTO_WB: 0,
        cv2.CAP_PROP_BRIGHTNESS: -5,
        cv2.CAP_PROP_WB_TEMPERATURE: 4600,
        cv2.CAP_PROP_EXPOSURE: 250,  # a property goes before the control of the same name
        cv2.CAP_PROP_ZOOM: 2,
    }
    assert {name: device.values[name] for name in values} == values
    assert [record.getMessage() for record in caplog.records] == ["Camera 0 refused gain=3.5 and uses 0.0."]


def test_a_camera_that_is_asked_for_nothing_is_left_as_it_is(camera):
    open_source(SourceSettings(source="0")).close()
    assert camera.made[0].asked == []


def test_a_camera_that_sends_another_size_than_it_says_is_warned_about(camera, caplog):
    with caplog.at_level(logging.WARNING, "emomask"):
        open_source(SourceSettings(source="0", width=800, height=600)).close()
    (record,) = caplog.records
    assert record.getMessage() == "Camera 0 sends frames of 6x4, not 800x600."


def test_a_camera_tells_its_pixel_format(camera):
    with open_source(SourceSettings(source="0", fourcc="MJPG")) as source:
        assert source.pixel_format == "MJPG"
    with open_source(SourceSettings(source="0")) as source:
        assert source.pixel_format == ""


def test_a_camera_that_is_lost_raises(camera):
    with open_source(SourceSettings(source="/dev/video5")) as source:
        for _ in range(3):
            assert source.read().image.shape == (4, 6, 3)
        with pytest.raises(SourceError, match="Camera /dev/video5 gives no more frames"):
            source.read()


def test_empty_and_odd_frames_of_a_camera(camera):
    grey, alpha = np.full((4, 6), 5, np.uint8), np.full((4, 6, 4), 5, np.uint8)
    deep = np.full((4, 6), 5 << 8, np.uint16)
    camera.frames = [None, np.zeros((0, 0, 3), np.uint8), grey, None, deep, alpha]
    with open_source(SourceSettings(source="0")) as source:
        for _ in range(3):
            assert np.array_equal(source.read().image, np.full((4, 6, 3), 5, np.uint8))
    camera.frames = [np.zeros((4, 6), np.float32)]
    assert "float32" in refusal(source="0")


FOUR_CAUSES = ("`video` group", "two /dev/videoN", "busy in another program", "virtual machine or container")


@pytest.mark.parametrize("source", ("93", "/dev/video93", "/dev/v4l/by-id/no-such-camera"))
def test_a_camera_that_is_not_there_names_the_four_usual_causes(source):
    text = refusal(source=source)
    assert "there is no /dev/" in text
    for cause in FOUR_CAUSES:
        assert cause in text
    assert "(4)" in text and "(5)" not in text


def test_a_camera_without_frames_names_them_too(camera):
    camera.frames = []
    text = refusal(source="0")
    assert "it gives no frames" in text and all(cause in text for cause in FOUR_CAUSES)
    assert camera.made[0].released


# --- streams


def test_a_stream_gives_frames_until_it_is_cut():
    server = MjpegServer()
    try:
        with open_source(SourceSettings(source=server.url)) as source:
            assert source.live and source.description == "the stream " + server.url
            stamps = []
            for _ in range(5):
                frame = source.read()
                stamps.append(frame.grabbed)
                assert frame.image.shape == (240, 320, 3) and frame.position == 0
            assert stamps == sorted(stamps)
            server.close()
            with pytest.raises(SourceError, match="gives no more frames"):
                while True:
                    source.read()
    finally:
        server.close()


def test_frames_that_were_buffered_while_a_stream_was_opened_are_passed_over(monkeypatch):
    """By a fake device that has ten frames ready and then one every 0.1 s."""

    class Stream(FakeCamera):
        grabbed = 0

        def grab(self):
            self.grabbed += 1
            if self.grabbed > 10:
                time.sleep(0.1)
            return True

        def retrieve(self):
            return True, np.full((4, 6, 3), self.grabbed, np.uint8)

    monkeypatch.setattr(cv2, "VideoCapture", Stream)
    with open_source(SourceSettings(source="rtsp://127.0.0.1/x")) as source:
        assert [source.read().image[0, 0, 0] for _ in range(3)] == [12, 13, 14]


def test_streams_that_cannot_be_opened_are_told_apart(monkeypatch):
    monkeypatch.setattr("emomask.media.sources._PROBING_SECONDS", 0.1)
    server = MjpegServer()
    try:
        secret = server.url.replace("http://", "http://user:secret@").replace("/video", "/nothing?key=secret")
        text = refusal(source=secret)
        assert "answers on port %d but gives no video" % server.port in text and "secret" not in text
    finally:
        server.close()
    text = refusal(source=secret)
    assert "cannot be reached on port %d (Connection refused)" % server.port in text and "secret" not in text
    assert "no video came within 0.4 s" in refusal(source="udp://127.0.0.1:%d" % server.port, timeout=0.3)
    assert "names no host" in refusal(source="http:///video")


def test_nothing_secret_reaches_standard_error(capfd):
    refusal(source="http://user:secret@127.0.0.1:9/video?key=secret")
    printed = capfd.readouterr()
    assert "secret" not in printed.err + printed.out
