"""A real Chromium whose camera is a clip with a real face, and a website for it."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="needs playwright")
pytest.importorskip("fastapi", reason="needs emomask[web]")

from playwright.sync_api import sync_playwright

sys.path.append(str(Path(__file__).resolve().parents[1] / "web"))

from browser_page import launch_with_clip, opened
from running_site import running_site


@pytest.fixture(scope="session")
def playwright():
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def browser(playwright, tmp_path_factory):
    launched = launch_with_clip(playwright, tmp_path_factory.mktemp("camera"))
    yield launched
    launched.close()


@pytest.fixture(scope="session")
def site():
    with running_site(requests=100000) as running:
        yield running


@pytest.fixture
def page(browser, site):
    with opened(browser, site) as made:
        yield made
