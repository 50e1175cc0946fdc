"""Everybody can use the page: contrast and labels by axe, phones, the keyboard alone, a dark screen."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser_page import PHONE, WIDE, opened, screenshot, show, start_camera

TABS = ["Demo pictures", "Upload", "From a URL", "Live camera"]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOOKS = {"light": WIDE, "dark": {**WIDE, "color_scheme": "dark"}, "phone": PHONE}


def assert_accessible(page):
    found = Axe().run(page, options={"runOnly": RULES})
    assert found.violations_count == 0, found.generate_report()
    assert len(found.response["passes"]) > 20


def filled(page):
    """The page with a result in it."""
    page.get_by_role("button", name="Three people").click()
    page.locator("#demo-result .face").nth(2).wait_for()


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing(browser, site, look):
    with opened(browser, site, **LOOKS[look]) as page:
        assert_accessible(page)
        filled(page)
        assert_accessible(page)
        screenshot(page, "demo-" + look)
        show(page, "From a URL")
        page.get_by_role("button", name="Mask it").click()
        page.locator("#address .error").wait_for()
        assert_accessible(page)
        screenshot(page, "url-error-" + look)
        show(page, "Upload")
        assert_accessible(page)
        start_camera(page)
        page.wait_for_timeout(2000)
        screenshot(page, "camera-" + look)
        page.get_by_role("button", name="Stop masking").click()
        assert_accessible(page)


def test_axe_finds_nothing_in_the_documentation(browser, site):
    page = browser.new_page()
    page.goto(site.url + "docs")
    page.get_by_text("/api/mask/video/{job}/result").first.wait_for()
    assert_accessible(page)
    screenshot(page, "docs")
    page.close()


def test_nothing_is_wider_than_a_phone(browser, site):
    with opened(browser, site, **PHONE) as page:
        filled(page)
        for tab in TABS:
            show(page, tab)
            assert page.evaluate("() => document.scrollingElement.scrollWidth") <= 390
            screenshot(page, "phone-" + tab.replace(" ", "-").lower())
        small = page.locator("button:visible, a:visible, select:visible, label:has(input):visible").evaluate_all(
            "all => all.filter(one => one.getBoundingClientRect().height < 24).map(one => one.outerHTML)"
        )
        assert [html for html in small if "skip" not in html] == []


def test_the_keyboard_is_enough(page):
    """Tab, arrows, space and Enter: from the top of the page to a masked camera."""

    def focused():
        return page.evaluate("() => (document.activeElement.textContent || document.activeElement.value || '').trim()")

    def tab_to(text, most=40):
        for _ in range(most):
            page.keyboard.press("Tab")
            if focused() == text:
                outline = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none", "the focus on %r cannot be seen" % text
                return
        raise AssertionError("%r cannot be reached; the focus is on %r" % (text, focused()))

    page.keyboard.press("Tab")
    assert focused() == "Skip to the content"
    tab_to("Demo pictures")
    tab_to("Close to the camera")
    page.keyboard.press("Enter")
    page.locator("#demo-result .face").first.wait_for()
    tab_to("Download")
    page.locator("#tab-demo").focus()
    for name in TABS[1:]:
        page.keyboard.press("ArrowRight")
        assert focused() == name
        assert page.get_by_role("tabpanel", name=name).is_visible()
    page.keyboard.press("ArrowRight")
    assert focused() == TABS[0]
    page.keyboard.press("End")
    assert focused() == "Live camera"
    tab_to("Turn on the camera")
    page.keyboard.press("Space")
    page.get_by_role("button", name="Start masking").wait_for()
    page.get_by_role("button", name="Turn off the camera").wait_for()
    tab_to("Start masking")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.getElementById('live-stats').dataset.rate > 0")
    page.locator("#styles input:checked").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("() => document.querySelector('#choices').elements.style.value") == "blur"


def test_nothing_moves_for_those_who_do_not_want_it(browser, site):
    with opened(browser, site, **WIDE, reduced_motion="reduce") as page:
        filled(page)
        moving = page.locator(".fill").first.evaluate("bar => getComputedStyle(bar).transitionDuration")
        assert moving == "0s"
