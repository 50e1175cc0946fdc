"""A real Chromium, Debian's, whose camera is a clip with a real face, and a website for it."""

import contextlib
import os
import re
import shutil
import sys
from pathlib import Path

import cv2
import pytest

pytest.importorskip("playwright", reason="needs playwright")
pytest.importorskip("fastapi", reason="needs emomask[web]")

from playwright.sync_api import sync_playwright

from emomask.media.demo_clip import FRAMES, DemoClip

sys.path.append(str(Path(__file__).resolve().parents[1]))

from running_site import running_site

WIDE = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}


def chromium_path():
    """Debian's Chromium; skips where there is none."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs chromium (apt-get install chromium)")
    return path


@pytest.fixture(scope="session")
def camera_clip(tmp_path_factory):
    """The demo clip as Chromium's fake camera plays it: one JPEG after the other."""
    path = tmp_path_factory.mktemp("camera") / "camera.mjpeg"
    drawn = DemoClip()
    path.write_bytes(b"".join(cv2.imencode(".jpg", drawn.frame(index))[1].tobytes() for index in range(FRAMES)))
    return path


@pytest.fixture(scope="session")
def playwright():
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def browser(playwright, camera_clip):
    launched = launch(
        playwright, "--use-fake-ui-for-media-stream", "--use-file-for-fake-video-capture=%s" % camera_clip
    )
    yield launched
    launched.close()


def launch(playwright, *arguments):
    """Chromium with a fake camera."""
    # Containers and root have no sandbox of Chromium's kind; it sees this test's pages only.
    arguments = ["--no-sandbox", "--use-fake-device-for-media-stream", *arguments]
    return playwright.chromium.launch(executable_path=chromium_path(), args=arguments)


@pytest.fixture(scope="session")
def site():
    with running_site(requests=100000) as running:
        yield running


@contextlib.contextmanager
def opened(browser, site, **options):
    """A page of the site; fails when anything is asked of another place, or an error is reported in its console."""
    context = browser.new_context(**(options or WIDE))
    page = context.new_page()
    page.set_default_timeout(20000)
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url.replace("ws", "http", 1)))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    try:
        page.goto(site.url)
        page.locator("#demo-pictures button:enabled").nth(4).wait_for()
        yield page
        elsewhere = [url for url in asked if not url.startswith((site.url, "blob:", "data:"))]
        assert elsewhere == []
        # What the server refuses, and a request that a test breaks off, Chromium calls errors.
        expected = r"Failed to load resource: .*( 4\d\d |net::ERR_FAILED)"
        assert [text for text in errors if not re.match(expected, text)] == []
    finally:
        context.close()


@pytest.fixture
def page(browser, site):
    with opened(browser, site) as made:
        yield made


def show(page, name):
    """Change to the tab of this name."""
    page.get_by_role("tab", name=name).click()


def screenshot(page, name):
    """Keep a picture of the page where $EMOMASK_SCREENSHOTS says."""
    folder = os.environ.get("EMOMASK_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(Path(folder) / (name + ".png")), full_page=True)
