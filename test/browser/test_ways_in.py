"""Demo pictures, upload and URL in a real browser, from the first click to the download."""

import base64

import cv2
import numpy as np
import pytest
from browser_page import opened, screenshot, show
from hostile_server import hostile_server
from running_site import running_site

from emomask.media.demo_clip import DemoClip, true_faces


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    """A JPEG with three faces."""
    path = tmp_path_factory.mktemp("pictures") / "three people.jpg"
    cv2.imwrite(str(path), DemoClip().frame(165))
    return path


def pixels_of(page, selector):
    """An image of the page, as its browser shows it: uint8 BGR."""
    url = page.eval_on_selector(
        selector,
        """image => {
            const canvas = document.createElement("canvas");
            [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
            canvas.getContext("2d").drawImage(image, 0, 0);
            return canvas.toDataURL("image/png");
        }""",
    )
    return cv2.imdecode(np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8), cv2.IMREAD_COLOR)


def assert_covered(image, level=None):
    """The three faces of frame 165 are replaced; ``level``: the grey that they are replaced with."""
    original = DemoClip().frame(165)
    for box in true_faces(165):
        x, y = (int(value) for value in box.center)
        patch = np.s_[y - 10 : y + 10, x - 10 : x + 10]
        if level is not None:
            assert np.abs(image[patch].astype(int) - level).mean() < 4
        assert np.abs(image[patch].astype(int) - original[patch]).mean() > 12


def choose(page, style):
    page.get_by_role("radio", name=style).check()


def test_a_demo_picture_is_masked_beside_its_original(page):
    screenshot(page, "demo-empty")
    page.get_by_role("button", name="Three people").click()
    page.locator("#demo-result .face").nth(2).wait_for()
    assert page.locator("#demo-result figcaption").all_inner_texts()[0] == "Original a demo picture"
    assert_covered(pixels_of(page, "#demo-result figure:nth-child(2) img"))
    cards = page.locator("#demo-result .face")
    assert cards.count() == 3 and "happy" in cards.nth(0).inner_text()
    bars = cards.nth(0).locator(".bars li")
    assert bars.count() == 7
    shares = [int(text.rstrip(" %")) for text in bars.locator(".share").all_inner_texts()]
    widths = bars.locator(".fill").evaluate_all("bars => bars.map(bar => bar.getBoundingClientRect().width)")
    assert 97 <= sum(shares) <= 103 and widths.index(max(widths)) == shares.index(max(shares))
    assert "3 faces are covered" in page.locator("#announcer").inner_text()
    screenshot(page, "demo")


def test_choices_change_the_picture(page):
    page.get_by_role("button", name="Three people").click()
    masked = page.locator("#demo-result figure:nth-child(2) img")
    masked.wait_for()
    for style, level in (("Blur", None), ("Mosaic", None), ("Grey", 128)):
        before = masked.get_attribute("src")
        choose(page, style)
        page.wait_for_function(
            "old => document.querySelector('#demo-result figure:nth-child(2) img')?.src !== old && "
            "document.querySelector('#demo-result .face')",
            arg=before,
        )
        assert_covered(pixels_of(page, "#demo-result figure:nth-child(2) img"), level)
        assert page.locator("#set-field").is_hidden()
    grey = np.all(np.abs(pixels_of(page, "#demo-result figure:nth-child(2) img").astype(int) - 128) < 6, axis=2).mean()
    before = masked.get_attribute("src")
    page.locator("#margin").fill("1")
    page.wait_for_function(
        "old => document.querySelector('#demo-result figure:nth-child(2) img')?.src !== old && "
        "document.querySelector('#demo-result .face')",
        arg=before,
    )
    wider = np.all(np.abs(pixels_of(page, "#demo-result figure:nth-child(2) img").astype(int) - 128) < 6, axis=2).mean()
    assert wider > 1.5 * grey


def test_another_emoji_set(page):
    page.locator("#set").select_option("plain")
    page.get_by_role("button", name="Three people").click()
    page.locator("#demo-result .face").nth(2).wait_for()
    image = pixels_of(page, "#demo-result figure:nth-child(2) img")
    screenshot(page, "demo-plain")
    box = true_faces(165)[0]
    x, y = (int(value) for value in box.center)
    nearby = image[y - 60 : y + 60, x - 60 : x + 60].reshape(-1, 3).astype(int)
    assert (np.abs(nearby - (84, 209, 255)).max(axis=1) < 12).mean() > 0.3  # the yellow of "happy"


def test_nobody_in_the_picture_is_said(page):
    page.get_by_role("button", name="Nobody").click()
    page.get_by_text("No face was found").first.wait_for()
    assert "do not share" in page.locator("#demo-result .notice.warning").inner_text()
    screenshot(page, "no-face")


def test_several_files_are_uploaded_and_downloaded(page, picture, tmp_path):
    (tmp_path / "letter.txt").write_text("no picture")
    show(page, "Upload")
    screenshot(page, "upload-empty")
    page.locator("#files").set_input_files([str(picture), str(tmp_path / "letter.txt"), str(picture)])
    page.locator("#upload-results .face").nth(5).wait_for()
    cards = page.locator("#upload-results .result")
    assert cards.count() == 3
    failed = page.locator("#upload-results .result", has_text="letter.txt")
    assert "not a picture" in failed.inner_text() and failed.get_by_role("button", name="Try again").is_visible()
    assert failed.locator("img").count() == 0
    with page.expect_download() as download:
        page.get_by_role("link", name="Download three people.jpg").first.click()
    assert download.value.suggested_filename == "three people-masked.jpg"
    assert_covered(cv2.imread(str(download.value.path())))
    choose(page, "Grey")
    page.get_by_role("button", name="Mask again with the new choices").first.click()
    page.wait_for_function("() => document.querySelectorAll('#upload-results .again').length === 1")
    page.wait_for_function("() => document.querySelectorAll('#upload-results img').length === 4")
    screenshot(page, "upload")
    page.evaluate(
        """() => {
            window.released = [];
            const release = URL.revokeObjectURL.bind(URL);
            URL.revokeObjectURL = (address) => release(address, window.released.push(address));
        }"""
    )
    page.get_by_role("button", name="Remove letter.txt").click()
    assert cards.count() == 2 and failed.count() == 0
    assert page.evaluate("() => document.activeElement.textContent") == "Remove"
    addresses = page.locator("#upload-results img").evaluate_all("all => all.map(image => image.src)")
    assert len(addresses) == 4
    for _ in range(2):
        page.get_by_role("button", name="Remove three people.jpg").first.click()
    assert cards.count() == 0 and page.evaluate("() => document.activeElement.id") == "panel-upload"
    assert set(addresses) <= set(page.evaluate("() => window.released"))  # the pictures are forgotten


def test_files_are_dropped(page, picture):
    show(page, "Upload")
    data = base64.b64encode(picture.read_bytes()).decode()
    transfer = page.evaluate_handle(
        """data => {
            const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], "dropped.jpg", {type: "image/jpeg"}));
            return transfer;
        }""",
        data,
    )
    page.dispatch_event("#drop", "dragover", {"dataTransfer": transfer})
    assert "over" in page.locator("#drop").get_attribute("class")
    page.dispatch_event("#drop", "drop", {"dataTransfer": transfer})
    page.locator("#upload-results .face").nth(2).wait_for()
    assert_covered(pixels_of(page, "#upload-results figure:nth-child(2) img"))


def test_a_video_is_uploaded_with_progress(page, tmp_path):
    from emomask.media.video import VideoSink

    drawn = DemoClip()
    with VideoSink(tmp_path / "clip.mp4", 640, 480, 25) as sink:
        for index in range(20):
            sink.write(drawn.frame(150 + index))
    show(page, "Upload")
    page.evaluate(
        """() => {
            window.told = new Set();
            new MutationObserver(() => {
                const state = document.querySelector("#upload-results .tag");
                if (state) window.told.add(state.textContent);
            }).observe(document.getElementById("upload-results"), {subtree: true, childList: true});
        }"""
    )
    page.locator("#files").set_input_files(str(tmp_path / "clip.mp4"))
    page.locator("#upload-results video").nth(1).wait_for(timeout=90000)
    assert any(text.startswith(("Looking for faces", "Masking")) for text in page.evaluate("() => [...window.told]"))
    assert "20 frames" in page.locator("#upload-results .notice").inner_text()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download clip.mp4").click()
    assert download.value.suggested_filename == "clip-masked.mp4"
    capture = cv2.VideoCapture(str(download.value.path()))
    count = 0
    while True:
        there, frame = capture.read()
        if not there:
            break
        for box in true_faces(150 + count):
            x, y = (int(value) for value in box.center)
            original = drawn.frame(150 + count)[y - 5 : y + 5, x - 5 : x + 5].astype(int)
            assert np.abs(frame[y - 5 : y + 5, x - 5 : x + 5] - original).mean() > 20
        count += 1
    assert count == 20
    screenshot(page, "video")


def test_a_url_is_masked_without_the_page_asking_it(browser, picture, monkeypatch):
    monkeypatch.setattr("hostile_server.PICTURE", picture.read_bytes())
    with hostile_server() as server:
        with running_site(fetch_networks="127.0.0.1/32", fetch_ports=str(server.port)) as site:
            with opened(browser, site) as page:
                show(page, "From a URL")
                page.get_by_label("Address of a picture").fill("http://127.0.0.1:%d/picture" % server.port)
                page.get_by_role("button", name="Mask it").click()
                page.locator("#address-results .face").nth(2).wait_for()
                assert page.locator("#address-results figure").count() == 1
                assert_covered(pixels_of(page, "#address-results img"))
                screenshot(page, "url")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "url, reason",
    [
        ("", "Paste the whole address"),
        ("picture.png", "Paste the whole address"),
        ("javascript:alert(1)", "Paste the whole address"),
        ("http://127.0.0.1/x.png", "not on the public Internet"),
        ("http://localhost:22/", "Port 22"),
    ],
)
def test_a_bad_url_is_told(page, url, reason):
    show(page, "From a URL")
    page.get_by_label("Address of a picture").fill(url)
    page.get_by_role("button", name="Mask it").click()
    page.locator("#panel-address .error", has_text=reason).wait_for()
    assert page.locator("#panel-address img").count() == 0


def test_a_token_is_asked_for_and_kept_out_of_the_address(browser, tmp_path):
    (tmp_path / "token").write_text("a-token-of-sixteen-letters")
    with running_site(token_file=str(tmp_path / "token")) as site:
        page = browser.new_page()
        page.goto(site.url)
        page.get_by_label("Token").fill("another-token-that-is-wrong")
        page.get_by_role("button", name="Use it").click()
        page.locator("#token .error", has_text="ask its operator").wait_for()
        screenshot(page, "token")
        page.get_by_label("Token").fill("a-token-of-sixteen-letters")
        page.get_by_role("button", name="Use it").click()
        page.get_by_role("button", name="Three people").click()
        page.locator("#demo-result .face").nth(2).wait_for()
        assert "token" not in page.url and page.evaluate("() => document.cookie + Object.keys(localStorage)") == ""
        page.close()


def test_a_server_that_is_gone_is_told(browser):
    with running_site() as site:
        with opened(browser, site) as page:
            show(page, "From a URL")
            page.route("**/api/mask*", lambda route: route.abort())
            page.get_by_label("Address of a picture").fill("https://example.com/x.png")
            page.get_by_role("button", name="Mask it").click()
            page.get_by_text("The server cannot be reached").first.wait_for()
            screenshot(page, "error")
