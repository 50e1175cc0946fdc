"""The live view: order, the newest frame only, memory between frames, fairness, and what is refused."""

import contextlib
import itertools
import json
import threading
import time

import cv2
import numpy as np
import pytest
from running_site import answer_of, frame_message, running_site
from websockets.exceptions import ConnectionClosed

from emomask.media.demo_clip import DemoClip
from emomask.perception.perceiver import Perceiver
from emomask.settings import STYLES
from emomask.web.feed import Feed


def decoded(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


@pytest.fixture(scope="module")
def clip():
    """Thirty frames of the demo clip as JPEG."""
    drawn = DemoClip()
    return [cv2.imencode(".jpg", drawn.frame(150 + index))[1].tobytes() for index in range(30)]


def test_every_frame_is_answered_masked(site, clip):
    tracks = []
    with site.socket() as connection:
        for number, frame in enumerate(clip):
            connection.send(frame_message(number, frame))
            answered, header, image = answer_of(connection.recv(10))
            assert answered == number and header["error"] is None
            picture, original = decoded(image), decoded(frame)
            assert picture.shape == original.shape == (480, 640, 3)
            for face in header["faces"]:
                left, top, right, bottom = (int(edge) for edge in face["covered"])
                inner = picture[(3 * top + bottom) // 4 : (top + 3 * bottom) // 4, (left + right) // 2 - 5 :][:, :10]
                assert np.abs(inner.astype(int) - 128).mean() < 3  # solid grey
            # The three people; false alarms, which are weak, come and go.
            tracks.append([face["track"] for face in header["faces"] if face["score"] > 0.5])
    assert len(tracks[5]) == 3 and set(tracks[5]) <= set(tracks[-1])  # the same faces keep their numbers


def test_choices_change_without_forgetting_a_face(site, clip):
    with site.socket() as connection:
        for number in range(10, 15):
            connection.send(frame_message(number, clip[number]))
            _, before, _ = answer_of(connection.recv(10))
            time.sleep(0.15)  # at this pace every look is a close one: no false alarm comes and goes with the moment
        connection.send(json.dumps({"style": "emoji", "margin": 0.8}))
        connection.send(frame_message(15, clip[15]))
        _, after, _ = answer_of(connection.recv(10))
        assert [face["track"] for face in after["faces"]] == [face["track"] for face in before["faces"]]
        width = [told["faces"][0]["covered"][2] - told["faces"][0]["covered"][0] for told in (before, after)]
        assert width[1] > 1.3 * width[0]


def test_no_choice_makes_the_server_load_pictures(site, clip, monkeypatch):
    """It takes as long as ten frames of everybody: a visitor who changes the choices all the time would stop them."""

    def fail(settings):
        raise AssertionError("loaded")

    monkeypatch.setattr("emomask.masks.cover.create_style", fail)
    monkeypatch.setattr("emomask.web.engine.create_style", fail)
    with site.socket() as connection:
        for number, choices in enumerate(itertools.product(STYLES, ("noto", "plain"), (0.05, 1.5))):
            connection.send(json.dumps(dict(zip(("style", "emoji_set", "margin"), choices))))
            connection.send(frame_message(number, clip[number]))
            assert answer_of(connection.recv(10))[1]["error"] is None
            assert site.mask(clip[0], **dict(zip(("style", "emoji_set", "margin"), choices))).status_code == 200


def test_a_face_that_is_missed_stays_covered(site, clip):
    """The frame without faces is grey: whoever was there may still be there."""
    with site.socket() as connection:
        for number in range(5):
            connection.send(frame_message(number, clip[number]))
            _, header, _ = answer_of(connection.recv(10))
        grey = cv2.imencode(".jpg", np.full((480, 640, 3), 90, np.uint8))[1].tobytes()
        connection.send(frame_message(9, grey))
        _, missed, _ = answer_of(connection.recv(10))
        assert len(missed["faces"]) == len(header["faces"]) and all(face["held"] for face in missed["faces"])


def test_of_frames_that_come_too_fast_only_the_newest_are_masked(site, clip):
    with site.socket(max_queue=None) as connection:
        for number in range(300):
            connection.send(frame_message(number, clip[number % 30]))
        answered = []
        while not answered or answered[-1] != 299:
            answered.append(answer_of(connection.recv(10))[0])
    assert answered == sorted(answered) and len(answered) < 280


def test_a_visitor_who_does_not_read_is_given_up(site, clip, monkeypatch):
    monkeypatch.setattr("emomask.web.conversation._SENDING_SECONDS", 1.0)
    with site.socket(max_queue=1, ping_interval=None, close_timeout=1) as connection:
        ended = threading.Event()

        def send():
            with contextlib.suppress(ConnectionClosed):
                for number in itertools.count():
                    connection.send(frame_message(number, clip[number % 30]))
                    if ended.wait(0.005):
                        return

        sender = threading.Thread(target=send)
        sender.start()
        try:
            assert_busy(site)
            assert_free(site, 60)
        finally:
            ended.set()
            sender.join()


def assert_busy(site):
    """One camera's place is taken."""
    deadline = time.monotonic() + 10
    while site.client.get("api/health").json()["busy"]["cameras"] != 1:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def assert_free(site, seconds=10):
    """No camera's place stays taken."""
    deadline = time.monotonic() + seconds
    while site.client.get("api/health").json()["busy"]["cameras"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_visitors_share_fairly(site, clip):
    """One who sends as fast as possible gets no more than one who waits for each answer."""
    ends = time.monotonic() + 4
    counts = {}

    def polite():
        with site.socket() as connection:
            while time.monotonic() < ends:
                connection.send(frame_message(1, clip[0]))
                answer_of(connection.recv(10))
                counts["polite"] = counts.get("polite", 0) + 1

    def greedy():
        with site.socket(max_queue=None) as connection:

            def flood():
                try:
                    while time.monotonic() < ends:
                        connection.send(frame_message(1, clip[1]))
                except ConnectionClosed:
                    pass

            threading.Thread(target=flood, daemon=True).start()
            while time.monotonic() < ends:
                answer_of(connection.recv(10))
                counts["greedy"] = counts.get("greedy", 0) + 1

    threads = [threading.Thread(target=target) for target in (polite, greedy)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts["polite"] > 0.4 * counts["greedy"], counts
    assert_free(site)


PNG = cv2.imencode(".png", np.zeros((48, 64, 3), np.uint8))[1].tobytes()


@pytest.mark.parametrize("data", [b"no picture", b"\xff\xd8\xff", b"\0" * 1000, PNG])
def test_a_bad_frame_is_an_error_and_the_stream_goes_on(site, clip, data):
    with site.socket() as connection:
        connection.send(frame_message(1, data))
        number, header, image = answer_of(connection.recv(10))
        assert number == 1 and header["error"] and image == b"" and header["faces"] == []
        connection.send(frame_message(2, clip[0]))
        assert answer_of(connection.recv(10))[1]["error"] is None


def test_a_frame_of_too_many_pixels_is_an_error(site):
    with site.socket() as connection:
        connection.send(frame_message(1, cv2.imencode(".jpg", np.zeros((2000, 2000, 3), np.uint8))[1].tobytes()))
        _, header, image = answer_of(connection.recv(10))
        assert "pixels" in header["error"] and image == b""


@pytest.mark.parametrize("stage", ["detect", "faces", "emotions"])
def test_a_failure_never_returns_the_original(site, clip, monkeypatch, stage):
    with site.socket() as connection:
        connection.send(frame_message(1, clip[0]))
        assert answer_of(connection.recv(10))[2]
        whole = getattr(Perceiver, stage)

        def fail(*arguments, **options):
            raise RuntimeError("the network broke")

        monkeypatch.setattr(Perceiver, stage, fail)
        time.sleep(0.5)  # an emotion is not looked for in every frame
        for number in (2, 3):
            connection.send(frame_message(number, clip[1]))
            _, header, image = answer_of(connection.recv(10))
            assert image == b"" and header["faces"] == [] and "not shown" in header["error"]
            assert "the network broke" not in header["error"]
        monkeypatch.setattr(Perceiver, stage, whole)
        connection.send(frame_message(4, clip[2]))
        assert answer_of(connection.recv(10))[2]


@pytest.mark.parametrize(
    "hello",
    ["", "no json", "[]", "7", '{"style": "none"}', '{"emoji_set": "../x"}', '{"unknown": 1}', '{"margin": 1e999}'],
)
def test_a_bad_hello_is_one_clear_error(site, hello):
    with site.socket(hello=hello) as connection:
        assert json.loads(connection.recv(10))["error"]
        with pytest.raises(ConnectionClosed):
            connection.recv(10)


def test_a_frame_instead_of_the_hello_is_refused(site, clip):
    with site.socket(hello=False) as connection:
        connection.send(frame_message(1, clip[0]))
        assert "JSON" in json.loads(connection.recv(10))["error"]


def test_silence_ends_the_visit(site, monkeypatch):
    monkeypatch.setattr("emomask.web.live._IDLE_SECONDS", 0.3)
    with site.socket() as connection:
        assert "start again" in json.loads(connection.recv(10))["error"]
    assert_free(site)


def test_a_message_that_is_too_large_ends_the_visit(site):
    with site.socket() as connection:
        with pytest.raises(ConnectionClosed):
            connection.send(bytes(5 << 20))
            connection.recv(10)
    assert_free(site)


def test_more_visitors_than_places_are_told(clip):
    with running_site(live_visitors=1) as site:
        with site.socket() as first:
            first.send(frame_message(1, clip[0]))
            assert answer_of(first.recv(10))[0] == 1
            with site.socket() as second:
                assert "places" in json.loads(second.recv(10))["error"]
        assert_free(site)


def test_the_robots_camera_is_shown_to_everybody_newest_first(clip):
    feed = Feed()
    face = {"track": 1, "emotion": "happy"}
    with running_site(feed=feed) as site:
        assert site.client.get("api/options").json()["robot"] is True
        with site.socket("api/robot", hello={}) as one, site.socket("api/robot", hello={}) as other:
            time.sleep(0.3)
            feed.put(decoded(clip[0]), [face])
            for connection in (one, other):
                number, header, image = answer_of(connection.recv(10))
                assert number == 1 and header["faces"] == [face] and decoded(image).shape == (480, 640, 3)
        for index in range(50):
            feed.put(decoded(clip[index % 30]), [])
        with site.socket("api/robot", hello={}) as late:
            assert answer_of(late.recv(10))[0] == 51


def test_without_a_robot_there_is_no_such_place(site):
    from websockets.exceptions import InvalidStatus

    with pytest.raises(InvalidStatus):
        with site.socket("api/robot"):
            pass
