"""The window of ``emomask mask --preview``, on a screen in memory."""

import re
import shutil
import subprocess
import threading
import time

import cv2
import numpy as np
import pytest
from mask_samples import mask, moving, read_clip, write_clip

from emomask.offline.preview import TITLE, Preview

COLOUR = (12, 200, 34)
PICTURE = np.full((60, 80, 3), COLOUR, np.uint8)


class Screen:
    """An X server without a screen, what is seen on it, and a person who closes windows."""

    def __init__(self, folder):
        self._memory = folder / "Xvfb_screen0"
        size = ["-screen", "0", "800x600x24", "-fbdir", str(folder)]
        command = ["Xvfb", "-displayfd", "1", "-nolisten", "tcp", "-noreset", *size]
        self._server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.name = ":" + self._server.stdout.readline().decode().strip()

    def pixels(self):
        """The screen, uint8 (600, 800, 3) BGR; the server keeps it in an XWD file."""
        data = self._memory.read_bytes()
        header = np.frombuffer(data, ">u4", 25)
        start = header[0] + 12 * header[19]  # the header itself, and the colours of a palette
        return np.frombuffer(data, np.uint8, 600 * 800 * 4, start).reshape(600, 800, 4)[..., :3]

    def shows(self, colour):
        return bool((self.pixels() == colour).all(axis=2).sum() > 500)

    def windows(self, title, close=False):
        """How many windows have this title; ``close`` asks them to, as the button in their corner does."""
        from Xlib import X, display, error, protocol

        client = display.Display(self.name)
        protocols, delete = (client.intern_atom(name) for name in ("WM_PROTOCOLS", "WM_DELETE_WINDOW"))
        found = 0
        for window in client.screen().root.query_tree().children:
            try:
                if window.get_wm_name() != title or window.get_attributes().map_state != X.IsViewable:
                    continue
            except error.BadWindow:  # it has gone meanwhile
                continue
            found += 1
            if close:
                data = 32, [delete, X.CurrentTime, 0, 0, 0]
                window.send_event(protocol.event.ClientMessage(window=window, client_type=protocols, data=data))
        client.flush()
        client.close()
        return found

    def end(self):
        self._server.kill()
        self._server.wait()
        self._server.stdout.close()


@pytest.fixture
def screen(tmp_path_factory, monkeypatch):
    if not shutil.which("Xvfb"):
        pytest.skip("needs an X server that draws into memory: the Debian package xvfb")
    pytest.importorskip("Xlib", reason="needs the Debian package python3-xlib")
    if re.search(r"GUI: +NONE", cv2.getBuildInformation()):
        pytest.skip("needs an OpenCV with windows: opencv-python, not opencv-python-headless")
    screen = Screen(tmp_path_factory.mktemp("screen"))
    monkeypatch.setenv("DISPLAY", screen.name)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    yield screen
    screen.end()


def until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_window_shows_the_frames_and_goes_away(screen):
    with Preview() as preview:
        preview(PICTURE)
        until(lambda: screen.shows(COLOUR))
    until(lambda: not screen.shows(COLOUR))


def test_a_window_that_is_closed_stays_closed(screen):
    with Preview() as preview:
        preview(PICTURE)
        until(lambda: screen.shows(COLOUR))
        assert screen.windows(TITLE, close=True) == 1
        until(lambda: not screen.windows(TITLE))
        for _ in range(20):
            preview(PICTURE)
            time.sleep(0.02)
            assert screen.windows(TITLE) == 0 and not screen.shows(COLOUR)


@pytest.mark.parametrize("lost", ["window", "display"])
def test_the_work_goes_on_without_its_window(screen, tmp_path, astronaut, lost):
    clip, output = write_clip(tmp_path / "clip.mp4", moving(astronaut, 12)), tmp_path / "out.mp4"
    was_running = []

    def lose():
        if lost == "window":
            until(lambda: screen.windows(TITLE, close=True))
        else:
            until(lambda: screen.windows(TITLE))
            screen.end()
        was_running.append(not output.exists())

    thread = threading.Thread(target=lose)
    thread.start()
    status = mask(clip, "-o", output, "--preview")
    thread.join()
    assert status == 0 and was_running == [True] and len(read_clip(output)[0]) == 12


def test_the_last_picture_stays_for_a_moment(screen, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), PICTURE)
    seen = []
    thread = threading.Thread(target=lambda: until(lambda: screen.shows(COLOUR) and not seen.append(True)))
    thread.start()
    assert mask(tmp_path / "a.png", "-o", tmp_path / "out.png", "--preview") == 0
    thread.join()
    assert seen and screen.windows(TITLE) == 0


@pytest.mark.parametrize(
    "display, reason", [("", "needs a display, and there is none here"), (":765", "the display :765 cannot be reached")]
)
def test_without_a_display_one_line_says_so(tmp_path, capfd, monkeypatch, display, reason):
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", display)
    cv2.imwrite(str(tmp_path / "a.png"), PICTURE)
    assert mask(tmp_path / "a.png", "-o", tmp_path / "out.png", "--preview") == 2
    message = capfd.readouterr().err
    assert reason in message and message.count("\n") == 1 and not (tmp_path / "out.png").exists()


def test_a_window_is_for_one_file_at_a_time(tmp_path, capsys):
    assert mask("a.png", "-o", tmp_path / "out.png", "--preview", "--jobs", "2") == 2
    assert "one file at a time" in capsys.readouterr().err
