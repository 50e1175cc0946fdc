"""POST /api/mask: pictures in, masked pictures out, and never the original."""

import base64
import logging

import cv2
import numpy as np
import pytest
from hostile_server import hostile_server
from picture_files import picture_files
from running_site import running_site

from emomask import EMOTIONS
from emomask.media.demo_clip import true_faces
from emomask.perception.perceiver import Perceiver


def decoded(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def assert_covered(image, original, faces):
    """All three faces of the demo frame are replaced in ``image``, and nothing far from them is changed."""
    assert image.shape == original.shape
    assert len(faces) == 3
    for box in true_faces(165):
        left, top, right, bottom = (int(edge) for edge in box)
        height, width = bottom - top, right - left
        middle = np.s_[top + height // 5 : bottom - height // 5, left + width // 5 : right - width // 5]
        assert np.abs(image[middle].astype(int) - original[middle]).mean() > 25
    assert np.abs(image[-40:, -40:].astype(int) - original[-40:, -40:]).mean() < 12


def test_json_tells_the_faces(site, demo_jpeg, demo_frame):
    answer = site.mask(demo_jpeg, style="solid")
    assert answer.status_code == 200
    told = answer.json()
    assert (told["width"], told["height"], told["media_type"]) == (640, 480, "image/jpeg")
    assert_covered(decoded(base64.b64decode(told["image"])), demo_frame, told["faces"])
    for face in told["faces"]:
        assert list(face["probabilities"]) == list(EMOTIONS)
        assert sum(face["probabilities"].values()) == pytest.approx(1, abs=0.001)
        assert max(face["probabilities"], key=face["probabilities"].get) == face["emotion"]
        left, top, right, bottom = face["covered"]
        assert left <= face["box"][0] and top <= face["box"][1] and right >= face["box"][2] and bottom >= face["box"][3]


@pytest.mark.parametrize("format, start", [("png", b"\x89PNG"), ("jpg", b"\xff\xd8\xff"), ("webp", b"RIFF")])
def test_a_picture_answers_a_picture(site, demo_jpeg, demo_frame, format, start):
    answer = site.mask(demo_jpeg, accept="*/*", format=format, style="pixelate")
    assert answer.status_code == 200 and answer.content.startswith(start)
    assert answer.headers["x-faces"] == "3"
    assert_covered(decoded(answer.content), demo_frame, [None] * 3)


@pytest.mark.parametrize("style", ["blur", "pixelate", "solid"])
def test_what_is_covered_is_found_no_more(site, demo_jpeg, style):
    told = site.mask(demo_jpeg, style=style, format="png").json()
    again = site.mask(base64.b64decode(told["image"]), kind="image/png", style=style).json()
    assert len(again["faces"]) < len(told["faces"]) == 3


def test_the_margin_widens_what_is_covered(site, demo_jpeg):
    narrow, wide = (site.mask(demo_jpeg, margin=margin).json()["faces"][0]["covered"] for margin in (0, 1))
    assert wide[2] - wide[0] > 1.5 * (narrow[2] - narrow[0])


def test_every_format_is_taken_by_its_content(site, demo_frame):
    for name, data in picture_files(demo_frame).items():
        answer = site.mask(data, kind="application/octet-stream")
        assert answer.status_code == 200, (name, answer.text)


def test_a_picture_without_faces(site):
    answer = site.mask(site.client.get("api/demo/none").content)
    assert answer.status_code == 200 and answer.json()["faces"] == []


def test_metadata_does_not_come_through(site, demo_frame):
    data = picture_files(demo_frame)["jpeg"]
    assert b"maker" in data
    answer = site.mask(data, accept="*/*")
    assert answer.status_code == 200 and b"maker" not in answer.content
    assert decoded(answer.content).shape == (640, 480, 3)  # upright


@pytest.mark.parametrize(
    "data, kind, choices, status, reason",
    [
        (b"", "image/jpeg", {}, 400, "send the file as its body"),
        (b"no picture", "image/jpeg", {}, 422, "not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", {}, 422, "not a picture"),
        (b"x=1", "application/x-www-form-urlencoded", {}, 415, "Content-Type"),
        (b"--x--", "multipart/form-data; boundary=x", {}, 415, "Content-Type"),
        (b"x", "text/plain", {}, 415, "Content-Type"),
        (b"x", "image/png", {"style": "none"}, 400, "style must be one of"),
        (b"x", "image/png", {"style": ""}, 400, "style must be one of"),
        (b"x", "image/png", {"margin": "-1"}, 400, "margin must lie between"),
        (b"x", "image/png", {"margin": "nan"}, 400, "margin must be a finite number"),
        (b"x", "image/png", {"margin": "much"}, 400, "margin must be a number"),
        (b"x", "image/png", {"emoji_set": "../../etc"}, 400, "emoji_set must be one of"),
        (b"x", "image/png", {"format": "gif"}, 400, "format must be one of"),
        (b"{}", "application/json", {}, 400, "url"),
        (b"[" * 4000, "application/json", {}, 400, "url"),
        (b'{"url": 7}', "application/json", {}, 400, "text"),
        (b'{"url": "http://127.0.0.1/x.png"}', "application/json", {}, 422, "public Internet"),
        (b'{"url": "file:///etc/passwd"}', "application/json", {}, 422, "http"),
        (b'{"url": "' + b"x" * 5000 + b'"}', "application/json", {}, 413, "larger"),
    ],
)
def test_bad_input_is_one_clear_error(site, data, kind, choices, status, reason):
    answer = site.mask(data, kind, **choices)
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"] and reason in answer.json()["error"]
    assert answer.headers["content-type"] == "application/json"


def test_a_tiny_picture_is_one_clear_error(site):
    data = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    answer = site.mask(data)
    assert answer.status_code == 422 and "8 x 8" in answer.json()["error"]


def test_a_url_is_fetched_and_masked(demo_jpeg, demo_frame, monkeypatch):
    monkeypatch.setattr("hostile_server.PICTURE", demo_jpeg)
    with hostile_server() as server, hostile_server("127.0.0.2") as forbidden:
        ports = "%d,%d" % (server.port, forbidden.port)
        with running_site(fetch_networks="127.0.0.1/32", fetch_ports=ports) as site:

            def ask(url):
                return site.client.post("api/mask", json={"url": url}, headers={"Accept": "application/json"})

            here = "http://127.0.0.1:%d/" % server.port
            told = ask(here + "picture").json()
            assert_covered(decoded(base64.b64decode(told["image"])), demo_frame, told["faces"])
            for target in (
                "http://127.0.0.2:%d/" % forbidden.port,
                here + "missing",
                here + "cut-off",
                here + "packed",
            ):
                answer = ask(here + "redirect?" + target)
                assert answer.status_code == 422 and list(answer.json()) == ["error"]
            assert forbidden.requests == []


@pytest.mark.parametrize("stage", ["detect", "faces", "emotions", "picture"])
def test_a_failure_never_returns_the_original(site, demo_jpeg, monkeypatch, stage):
    def fail(*arguments, **options):
        raise RuntimeError("the network broke")

    monkeypatch.setattr(Perceiver, stage, fail)
    for accept in ("application/json", "*/*"):
        answer = site.mask(demo_jpeg, accept=accept)
        assert answer.status_code == 500
        assert list(answer.json()) == ["error"] and len(answer.content) < 300
        assert "the network broke" not in answer.text


def test_a_failure_that_nobody_foresaw_is_answered_with_all_headers(site, demo_jpeg, monkeypatch):
    def fail(*arguments):
        raise KeyError("unforeseen")

    monkeypatch.setattr("emomask.web.engine.write_picture", fail)
    answer = site.mask(demo_jpeg)
    assert answer.status_code == 500 and list(answer.json()) == ["error"] and "unforeseen" not in answer.text
    assert answer.headers["cache-control"] == "no-store" and "content-security-policy" in answer.headers


def test_neither_pictures_nor_urls_are_logged(site, demo_jpeg, caplog):
    with caplog.at_level(logging.DEBUG):
        site.mask(demo_jpeg)
        site.client.post("api/mask", json={"url": "http://secret-host.example/private.png?key=1"})
        site.mask(b"private bytes")
    lines = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert any("was masked" in line for line in lines)
    assert not any(word in line for line in lines for word in ("secret-host", "private", "127.0.0.1"))


def test_networks_are_those_that_the_health_check_names(site):
    told = site.client.get("api/health").json()
    assert told["status"] == "ok" and len(told["models"]) == 3
    assert told["busy"] == {"pictures": 0, "cameras": 0, "videos": 0}


def test_the_options_name_everything_that_can_be_chosen(site):
    told = site.client.get("api/options").json()
    assert told["emoji_sets"] == ["noto", "plain"] and told["styles"] == ["emoji", "blur", "pixelate", "solid"]
    assert tuple(told["emotions"]) == EMOTIONS and not told["token"] and not told["robot"]
    for demo in told["demo"]:
        picture = decoded(site.client.get("api/demo/" + demo["name"]).content)
        assert picture.shape[0] >= 400 and demo["title"]
    assert site.client.get("api/demo/other").status_code == 404


def test_the_interface_is_documented(site):
    told = site.client.get("api/openapi.json").json()
    assert set(told["paths"]) == {
        "/api/health",
        "/api/options",
        "/api/demo/{name}",
        "/api/mask",
        "/api/mask/video",
        "/api/mask/video/{job}",
        "/api/mask/video/{job}/result",
    }
    body = told["paths"]["/api/mask"]["post"]["requestBody"]["content"]
    assert set(body) == {"image/*", "application/octet-stream", "application/json"}


def test_another_emoji_set(demo_jpeg, tmp_path):
    from emomask.resources import share_folder

    for name in EMOTIONS:
        emoji = cv2.imread(str(share_folder() / "emojis" / (name + ".png")), cv2.IMREAD_UNCHANGED)
        emoji[..., :3] = (255, 0, 0)
        (tmp_path / "blue").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "blue" / (name + ".png")), emoji)
    with running_site(emoji_sets=str(tmp_path)) as site:
        told = site.mask(demo_jpeg, emoji_set="blue", format="png").json()
        image = decoded(base64.b64decode(told["image"]))
        for face in told["faces"]:
            x, y = int(face["box"][0] + face["box"][2]) // 2, int(face["box"][1] + face["box"][3]) // 2
            assert tuple(image[y, x]) == (255, 0, 0)
