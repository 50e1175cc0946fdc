"""The robot's camera in a real browser."""

import threading

import pytest
from browser_page import opened, screenshot, show
from running_site import running_site

from emomask import Masker
from emomask.media.demo_clip import DemoClip
from emomask.web.engine import face_as_dict
from emomask.web.feed import Feed


@pytest.fixture
def robot():
    """A feed into which the masked demo clip is put, as long as somebody looks."""
    feed, ended = Feed(), threading.Event()
    masker, clip = Masker(), DemoClip()

    def work():
        number = 150
        while not ended.wait(0.03):
            if feed.viewers:
                masked = masker.process(clip.frame(number), number / 30)
                feed.put(masked.image, [face_as_dict(face) for face in masked.faces])
                number += 1

    thread = threading.Thread(target=work)
    thread.start()
    yield feed
    ended.set()
    thread.join()


def test_it_is_shown_while_its_tab_is(browser, robot):
    with running_site(feed=robot) as site, opened(browser, site) as page:
        assert robot.viewers == 0
        show(page, "Robot’s camera")
        page.locator("#robot-faces .face").nth(1).wait_for()
        page.wait_for_function("() => parseInt(document.getElementById('robot-stats').textContent) > 2")
        assert "covered" in page.locator("#robot").get_attribute("aria-label")
        assert robot.viewers == 1
        assert page.locator("#choices-panel").is_hidden()  # they would change nothing here
        screenshot(page, "robot")
        show(page, "Demo pictures")
        assert page.locator("#choices-panel").is_visible()
        page.wait_for_timeout(500)
        assert robot.viewers == 0
        drawn = (
            "() => document.getElementById('robot').getContext('2d').getImageData(0, 0, 640, 480).data.some(Boolean)"
        )
        assert not page.evaluate(drawn)


def test_without_a_robot_there_is_no_tab(page):
    assert page.locator("#tab-robot").is_hidden()
