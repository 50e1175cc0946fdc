"""A page of the website in Debian's Chromium, watched for what it must not do."""

import contextlib
import os
import re
import shutil
from pathlib import Path

import cv2
import pytest

from emomask.media.demo_clip import FRAMES, DemoClip

WIDE = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}


def launch(playwright, *arguments):
    """Debian's Chromium with a fake camera; skips where there is none."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs chromium (apt-get install chromium)")
    # Containers and root have no sandbox of Chromium's kind; it sees this test's pages only.
    arguments = ["--no-sandbox", "--use-fake-device-for-media-stream", *arguments]
    return playwright.chromium.launch(executable_path=path, args=arguments)


def launch_with_clip(playwright, folder):
    """The same, with the demo clip as its camera, which every page may use."""
    path = folder / "camera.mjpeg"  # one JPEG after the other
    drawn = DemoClip()
    path.write_bytes(b"".join(cv2.imencode(".jpg", drawn.frame(index))[1].tobytes() for index in range(FRAMES)))
    return launch(playwright, "--use-fake-ui-for-media-stream", "--use-file-for-fake-video-capture=%s" % path)


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


def show(page, name):
    """Change to the tab of this name."""
    page.get_by_role("tab", name=name).click()


def start_camera(page):
    """Turn the camera on and mask it; waits for the first pictures."""
    show(page, "Live camera")
    page.get_by_role("button", name="Turn on the camera").click()
    page.get_by_role("button", name="Start masking").click()
    page.wait_for_function("() => document.getElementById('live-stats').dataset.rate > 0")


def screenshot(page, name):
    """Keep a picture of the page where $EMOMASK_SCREENSHOTS says."""
    folder = os.environ.get("EMOMASK_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(Path(folder) / (name + ".png")), full_page=True)
