"""CaptureThread: pace, newest frame only, looping, and what happens when a source is lost."""

import logging
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from emomask.errors import SourceError
from emomask.media import address, cameras
from emomask.media import capture as capture_module
from emomask.media.capture import CaptureThread
from emomask.media.sources import SourceSettings

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from clips import cut, number_of, write_clip, write_clip_as
from mjpeg_server import MjpegServer
from rtsp_server import RtspServer

DEADLINE = 20.0


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert [thread for thread in threading.enumerate() if thread.name == "capture"] == []


def wait_until(condition, what):
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "not within %g s: %s" % (DEADLINE, what)
        time.sleep(0.01)


def take(capture, count):
    """The next ``count`` frames that are to be had."""
    taken = []
    end = time.monotonic() + DEADLINE
    while len(taken) < count:
        assert time.monotonic() < end and not capture.ended, "only %d of %d frames came" % (len(taken), count)
        frame = capture.newest(0.5)
        if frame is not None:
            taken.append(frame)
    return taken


def take_all(capture):
    """Every frame that can be had until the end."""
    taken = []
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        ended = capture.ended
        frame = capture.newest(0.2)
        if frame is not None:
            taken.append(frame)
        elif ended:
            return taken
    raise AssertionError("no end")


def test_a_file_is_paced_by_its_own_times(tmp_path):
    path = write_clip(tmp_path / "a.mp4", count=12, rate=10)
    with CaptureThread(SourceSettings(source=str(path))) as capture:
        frames = take_all(capture)
        assert capture.last_error is None
    assert [number_of(frame.image) for frame in frames] == list(range(12))
    off = [frame.grabbed - frames[0].grabbed - frame.position for frame in frames]
    assert np.median(np.abs(off)) < 0.03 and abs(off[-1]) < 0.08  # against one schedule: delays do not add up


def test_without_realtime_a_file_is_read_as_fast_as_it_can_be(tmp_path):
    path = write_clip(tmp_path / "a.mp4", count=30, rate=3)
    began = time.monotonic()
    with CaptureThread(SourceSettings(source=str(path), realtime=False)) as capture:
        last = take_all(capture)[-1]
    assert time.monotonic() - began < 3
    assert number_of(last.image) == 29


def test_only_the_newest_frame_is_given_and_the_others_are_counted(tmp_path):
    path = write_clip(tmp_path / "a.mp4", count=30, rate=30)
    with CaptureThread(SourceSettings(source=str(path))) as capture:
        wait_until(lambda: capture.ended, "the end of the file")
        assert number_of(capture.newest(0).image) == 29
        assert capture.newest(0) is None
        assert capture.dropped == 29


def test_a_loop_goes_on_in_step(tmp_path):
    path = write_clip(tmp_path / "a.mp4", count=4, rate=10)
    with CaptureThread(SourceSettings(source=str(path), loop=True)) as capture:
        frames = take(capture, 11)
    assert [number_of(frame.image) for frame in frames] == [number % 4 for number in range(11)]
    assert frames[-1].grabbed - frames[0].grabbed == pytest.approx(1.0, abs=0.1)


def test_a_late_reader_skips_the_waiting_not_the_frames(tmp_path, monkeypatch):
    path = write_clip(tmp_path / "a.mp4", count=20, rate=20)
    seen = []
    with CaptureThread(SourceSettings(source=str(path))) as capture:
        put = capture._newest.put

        def slow_once(frame):
            if len(seen) == 4:
                time.sleep(0.4)
            seen.append(frame)
            put(frame)

        monkeypatch.setattr(capture._newest, "put", slow_once)
        wait_until(lambda: capture.ended, "the end of the file")
    numbers = [number_of(frame.image) for frame in seen]
    assert numbers == list(range(numbers[0], 20))
    assert seen[-1].grabbed - seen[0].grabbed == pytest.approx(seen[-1].position - seen[0].position, abs=0.1)


@pytest.mark.parametrize("loop", (False, True))
def test_a_damaged_file_ends_with_an_error(tmp_path, loop):
    path = cut(write_clip_as(tmp_path / "a.mkv"), 0.5)
    with CaptureThread(SourceSettings(source=str(path), realtime=False, loop=loop)) as capture:
        wait_until(lambda: capture.ended, "the end")
        assert "damaged or incomplete" in capture.last_error
        assert capture.newest(0) is not None


@pytest.mark.parametrize("name", ("missing.mp4", "empty.mp4"))
def test_a_file_that_cannot_be_opened_ends_at_once_with_an_error(tmp_path, name):
    (tmp_path / "empty.mp4").touch()
    with CaptureThread(SourceSettings(source=str(tmp_path / name), loop=True)) as capture:
        assert take_all(capture) == []
        assert name in capture.last_error


def test_a_text_that_is_no_source_is_refused_at_once():
    with pytest.raises(SourceError, match="gopher"):
        CaptureThread(SourceSettings(source="gopher://host/x"))


def test_a_looped_file_that_was_deleted_is_taken_up_again_when_it_is_back(tmp_path, caplog):
    path = write_clip(tmp_path / "a.mp4", count=5, rate=20)
    elsewhere = tmp_path / "b.mp4"
    with caplog.at_level(logging.INFO, "emomask"):
        with CaptureThread(SourceSettings(source=str(path), loop=True)) as capture:
            take(capture, 3)
            path.rename(elsewhere)
            wait_until(lambda: capture.last_error, "the loss is noticed")
            assert "There is no file" in capture.last_error and not capture.ended
            while capture.newest(0.1):
                pass
            elsewhere.rename(path)
            assert number_of(take(capture, 1)[0].image) == 0
            assert capture.last_error is None
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1 and "tried again" in warnings[0]
    assert len([record for record in caplog.records if "Capturing from" in record.getMessage()]) == 2


def test_without_reconnect_a_deleted_file_is_the_end(tmp_path):
    path = write_clip(tmp_path / "a.mp4", count=5, rate=20)
    with CaptureThread(SourceSettings(source=str(path), loop=True, reconnect=False)) as capture:
        take(capture, 1)
        path.unlink()
        wait_until(lambda: capture.ended, "the end")
        assert "There is no file" in capture.last_error


@pytest.mark.parametrize("kind", (MjpegServer, RtspServer))
def test_a_stream_that_was_cut_is_taken_up_again(kind):
    server = kind()
    with CaptureThread(SourceSettings(source=server.url, timeout=2)) as capture:
        take(capture, 5)
        server.close()
        wait_until(lambda: capture.last_error, "the loss is noticed")
        assert not capture.ended
        server = kind(server.port)
        while capture.newest(0):
            pass
        take(capture, 5)
        assert capture.last_error is None
    server.close()


class Camera:
    """Stands for cv2.VideoCapture on a device that gives ``frames`` frames and is lost; notes what happens to it."""

    frames = 10**6
    made = []
    absent = ()

    def __init__(self, target, *arguments):
        self.target = target
        self.made.append(self)
        self.left, self.values, self.released = self.frames, {}, False

    def isOpened(self):
        return len(self.made) not in self.absent

    def set(self, name, value):
        self.values[name] = value
        return True

    def get(self, name):
        return self.values.get(name, 0)

    def grab(self):
        time.sleep(0.005)
        self.left -= 1
        return self.left >= 0

    def retrieve(self):
        return True, np.zeros((4, 4, 3), np.uint8)

    def release(self):
        self.released = True


@pytest.fixture
def camera(monkeypatch):
    """A kind of Camera for one test, by which OpenCV opens every device."""
    kind = type("TestCamera", (Camera,), {"made": []})
    monkeypatch.setattr(cv2, "VideoCapture", kind)
    monkeypatch.setattr(capture_module, "FIRST_PAUSE", 0.05)
    return kind


def test_a_camera_that_is_plugged_in_again_gets_its_settings_again(camera):
    camera.frames, camera.absent = 3, (2,)
    with CaptureThread(SourceSettings(source="0", width=320, height=240, gain="7")) as capture:
        wait_until(lambda: len(camera.made) >= 3 and camera.made[2].released, "a third device")
        assert capture.reconnects >= 1
        assert capture.grabbed >= 6
    for device in (camera.made[0], camera.made[2]):
        assert device.values[cv2.CAP_PROP_FRAME_WIDTH] == 320 and device.values[cv2.CAP_PROP_GAIN] == 7
        assert device.released


def test_a_camera_that_comes_back_with_another_number_is_found_by_its_id(camera, monkeypatch, tmp_path):
    links = tmp_path / "v4l" / "by-id"
    links.mkdir(parents=True)
    for number in (0, 1):
        (tmp_path / ("video%d" % number)).touch()
    link = links / "usb-camera-index0"
    link.symlink_to(tmp_path / "video0")
    monkeypatch.setattr(cameras, "DEVICES", tmp_path)
    monkeypatch.setattr(address, "_is_device", lambda path: path == str(link))
    camera.frames = 3
    with CaptureThread(SourceSettings(source="0")):
        wait_until(lambda: len(camera.made) >= 2, "a second opening")
    assert camera.made[0].target == 0
    assert camera.made[1].target == str(link)  # which leads to video1 after the camera was plugged in elsewhere


def test_while_it_is_paused_the_device_is_released_and_no_frame_is_given(camera):
    with CaptureThread(SourceSettings(source="0", brightness="9")) as capture:
        take(capture, 3)
        assert capture.is_open and not capture.paused
        assert capture.pause(DEADLINE)
        assert camera.made[0].released and not capture.is_open and capture.paused
        assert capture.newest(0.2) is None
        assert capture.pause(0)  # a second time
        assert len(camera.made) == 1
        capture.resume()
        take(capture, 3)
        assert camera.made[1].values[cv2.CAP_PROP_BRIGHTNESS] == 9
        assert capture.reconnects == 0 and capture.last_error is None
        capture.pause()
        capture.resume()
        take(capture, 3)
        assert not capture.ended


def test_a_pause_that_is_over_before_the_device_is_released_does_not_end_the_capture(camera, monkeypatch):
    with CaptureThread(SourceSettings(source="0")) as capture:

        def resume_at_once(self):
            self.released = True
            capture.resume()

        monkeypatch.setattr(camera, "release", resume_at_once)
        take(capture, 1)
        capture.pause()
        wait_until(lambda: len(camera.made) == 2, "the device to be opened again")
        take(capture, 3)
        assert capture.last_error is None and capture.reconnects == 0


def test_what_is_paused_before_it_starts_is_opened_by_resume_alone(camera):
    capture = CaptureThread(SourceSettings(source="0"))
    assert capture.pause(0)
    with capture:
        time.sleep(0.1)
        assert camera.made == []
        capture.resume()
        take(capture, 1)


def test_a_read_that_ends_in_a_pause_gives_no_frame(camera, monkeypatch):
    reading, go_on = threading.Event(), threading.Event()

    def slow(self):
        if len(camera.made) == 1 and self.left < camera.frames:
            reading.set()
            go_on.wait(DEADLINE)
        self.left -= 1
        return True

    monkeypatch.setattr(camera, "grab", slow)
    with CaptureThread(SourceSettings(source="0")) as capture:
        assert reading.wait(DEADLINE)
        assert not capture.pause(0.1)  # a read cannot be broken off
        go_on.set()
        assert capture.pause(DEADLINE)
        assert capture.newest(0) is None


def test_a_pause_ends_the_waiting_for_a_camera():
    with CaptureThread(SourceSettings(source="/dev/video93")) as capture:
        wait_until(lambda: capture.last_error, "the first failure")
        began = time.monotonic()
        assert capture.pause(DEADLINE) and time.monotonic() - began < 0.4
        assert capture.last_error is None
        capture.resume()
        assert capture.last_error is None or "/dev/video93" in capture.last_error
        wait_until(lambda: capture.last_error, "the failure after the pause")
        assert not capture.ended


def test_a_file_begins_again_after_a_pause(tmp_path):
    path = write_clip(tmp_path / "a.mp4", count=20, rate=20)
    with CaptureThread(SourceSettings(source=str(path))) as capture:
        take(capture, 5)
        assert capture.pause(DEADLINE)
        time.sleep(0.3)
        capture.resume()
        numbers = [number_of(frame.image) for frame in take_all(capture)]
    assert numbers == list(range(20))
    assert capture.last_error is None


def test_frames_of_a_file_may_wait(tmp_path):
    path = write_clip(tmp_path / "a.mp4", count=20, rate=20)
    with CaptureThread(SourceSettings(source=str(path), realtime=False, buffer_size=12)) as capture:
        wait_until(lambda: capture.ended, "the end of the file")
        assert [number_of(frame.image) for frame in take_all(capture)] == list(range(8, 20))
        assert capture.dropped == 8 and capture.grabbed == 20


def test_of_a_camera_only_the_newest_frame_waits(camera):
    with CaptureThread(SourceSettings(source="0", buffer_size=12)) as capture:
        wait_until(lambda: capture.grabbed >= 5, "five frames")
        assert capture.dropped >= 3


def test_pauses_grow_to_ten_seconds(monkeypatch):
    pauses = []
    with CaptureThread(SourceSettings(source="/dev/video93")) as capture:
        wait_until(lambda: capture.last_error, "the first failure")
        assert not capture.ended
    monkeypatch.setattr(capture._halted, "wait", pauses.append)
    capture._pause = capture_module.FIRST_PAUSE
    for _ in range(7):
        assert capture._lost("away", True)
    assert pauses == [0.5, 1, 2, 4, 8, 10, 10]


def test_stopping_does_not_wait_for_the_next_frame_or_attempt(tmp_path):
    slow = write_clip(tmp_path / "a.mp4", count=3, rate=0.1)
    for source in (str(slow), "/dev/video93"):
        capture = CaptureThread(SourceSettings(source=source)).start()
        time.sleep(0.3)
        began = time.monotonic()
        capture.stop()
        assert time.monotonic() - began < 0.5 and capture.ended
