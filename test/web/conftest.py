"""Fixtures of the website's tests."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs emomask[web]")

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2
from picture_files import LARGEST_PIXELS
from running_site import running_site

from emomask.media.demo_clip import DemoClip
from emomask.web.sandbox import Sandbox


@pytest.fixture(scope="session")
def demo_frame():
    """A frame of the demo clip with three faces: uint8 480 x 640 x 3 BGR."""
    return DemoClip().frame(165)


@pytest.fixture(scope="session")
def sandbox():
    made = Sandbox(1, LARGEST_PIXELS, memory=256 << 20, seconds=5.0)
    yield made
    made.close()


@pytest.fixture(scope="session")
def demo_jpeg(demo_frame):
    """``demo_frame`` as a JPEG."""
    return cv2.imencode(".jpg", demo_frame)[1].tobytes()


@pytest.fixture(scope="session")
def site():
    """A website without limits that a test would reach."""
    with running_site(requests=100000) as running:
        yield running
