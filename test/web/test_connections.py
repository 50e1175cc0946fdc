"""Connections as strangers use them: slow, many at a time, never read, and with requests that are none."""

import contextlib
import json
import logging
import re
import socket
import threading
import time

import httpx
import pytest
from running_site import running_site

from emomask.web.security import HEADERS

MASK = b"POST /api/mask HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
HEALTH = b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextlib.contextmanager
def connected(site, source="127.0.0.1"):
    host, port = site.netloc.split(":")
    with socket.create_connection((host, int(port)), 10, (source, 0)) as connection:
        yield connection


def until_closed(connection):
    """All that the site says until it closes the connection."""
    said = b""
    with contextlib.suppress(ConnectionError):
        while True:
            part = connection.recv(65536)
            if not part:
                break
            said += part
    return said


def answers_to(site, request):
    """The answers to bytes, after which the site closes the connection: status, headers and body of each."""
    with connected(site) as connection:
        connection.sendall(request)
        said = until_closed(connection)
    answers = []
    while said:
        head, _, said = said.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
        length = int(fields.get("content-length", len(said)))
        answers.append((int(lines[0].split()[1]), fields, said[:length]))
        said = said[length:]
    return answers


def assert_has_headers(fields):
    assert {name.lower(): value for name, value in HEADERS.items()}.items() <= fields.items()


@pytest.fixture(scope="module")
def hasty_site():
    """A site that waits half a second for what should come at once, and takes few connections of an address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emomask.web.connections._HEAD_SECONDS", 0.5)
        patch.setattr("emomask.web.connections._UNREAD_SECONDS", 0.5)
        patch.setattr("emomask.web.connections._OF_ONE_ADDRESS", 5)
        with running_site() as running:
            yield running


@pytest.mark.parametrize(
    "start", [b"", b"GET / HTTP/1.1\r\nX-Slow: ", HEALTH + b"GET", MASK + b"Content-Length: 99\r\n\r\n"]
)
def test_a_visitor_who_takes_too_long_to_ask_is_not_waited_for(hasty_site, start):
    with connected(hasty_site) as connection:
        connection.sendall(start)
        began = time.monotonic()
        with pytest.raises(ConnectionError):
            while time.monotonic() - began < 5:
                connection.sendall(b"x")
                time.sleep(0.1)
        assert time.monotonic() - began < 2


def test_a_picture_may_take_longer_than_its_head(hasty_site, demo_jpeg):
    head = b"POST /api/mask HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: image/jpeg\r\n"
    with connected(hasty_site) as connection:
        connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(demo_jpeg))
        for index in range(5):
            time.sleep(0.2)
            connection.sendall(demo_jpeg[index * len(demo_jpeg) // 5 : (index + 1) * len(demo_jpeg) // 5])
        assert until_closed(connection).startswith(b"HTTP/1.1 200 ")


def test_one_address_cannot_take_all_connections(hasty_site, monkeypatch):
    monkeypatch.setattr("emomask.web.connections._HEAD_SECONDS", 30)
    hasty_site.client.close()
    hasty_site.client = httpx.Client(base_url=hasty_site.url, trust_env=False)
    with contextlib.ExitStack() as opened:
        connections = [opened.enter_context(connected(hasty_site, "127.0.0.8")) for _ in range(9)]
        for connection in connections[5:]:
            assert until_closed(connection) == b""
        connections[0].sendall(HEALTH)
        assert connections[0].recv(100).startswith(b"HTTP/1.1 200 ")
        assert hasty_site.client.get("api/health").status_code == 200
    time.sleep(0.2)
    with connected(hasty_site, "127.0.0.8") as connection:
        connection.sendall(HEALTH)
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


def test_behind_a_proxy_all_connections_are_the_proxys(monkeypatch):
    monkeypatch.setattr("emomask.web.connections._OF_ONE_ADDRESS", 2)
    with running_site(behind_proxy=True) as site, contextlib.ExitStack() as opened:
        for connection in [opened.enter_context(connected(site)) for _ in range(9)]:
            connection.sendall(HEALTH)
            assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


def test_more_connections_than_there_is_room_for_are_told(monkeypatch):
    monkeypatch.setattr("emomask.web.serve.CONNECTIONS", 3)
    with running_site() as site, contextlib.ExitStack() as opened:
        for _ in range(3):
            opened.enter_context(connected(site))
        time.sleep(0.2)
        ((status, fields, _),) = answers_to(site, HEALTH)
        assert status == 503
        assert_has_headers(fields)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="needs Linux")
def test_a_visitor_who_reads_nothing_is_not_waited_for(hasty_site):
    request = b"GET /api/demo/portrait HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(10)
        host, port = hasty_site.netloc.split(":")
        connection.connect((host, int(port)))
        ended = threading.Event()

        def ask():
            with contextlib.suppress(OSError):
                for _ in range(200):  # more than the system's buffers hold
                    connection.sendall(request)
            ended.set()

        threading.Thread(target=ask).start()
        assert ended.wait(10)
        time.sleep(3)
        with pytest.raises(ConnectionResetError):
            while connection.recv(65536):
                pass


@pytest.mark.parametrize(
    "request_",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
        MASK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
        MASK + b"Content-Length: -5\r\n\r\nabcde",
        MASK + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        MASK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HEALTH,
    ],
)
def test_what_is_no_request_is_one_error_and_the_end(site, request_):
    """Of two lengths a proxy may believe the other one: what follows would be a request that it has not seen."""
    ((status, fields, body),) = answers_to(site, request_)
    assert status in (400, 431, 501) and list(json.loads(body.decode())) == ["error"]
    assert fields["content-type"] == "application/json"
    assert_has_headers(fields)


def test_garbage_after_a_request_ends_the_connection(site):
    (good, _, _), (bad, fields, _) = answers_to(site, HEALTH + b"GARBAGE\r\n\r\n")
    assert (good, bad) == (200, 400)
    assert_has_headers(fields)


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PUT", "PATCH", "DELETE", "CONNECT", "PROPFIND"])
def test_methods_that_there_are_not(site, method):
    for path in ("", "api/mask", "api/health", "static/style.css"):
        answer = site.client.request(method, path)
        assert answer.status_code == 405 and list(answer.json()) == ["error"]
        assert "access-control-allow-origin" not in answer.headers and "content-security-policy" in answer.headers


def test_the_head_of_the_page_can_be_asked_for(site):
    answer = site.client.head("")
    assert answer.status_code == 200 and answer.content == b"" and int(answer.headers["content-length"]) > 1000


@pytest.mark.parametrize("path", ["static", "api/health/", "api/mask/", "docs/", "/evil.example//"])
def test_nobody_is_sent_elsewhere(site, path):
    answer = site.client.get(path, headers={"Host": "localhost"})
    assert answer.status_code in (404, 405) and "location" not in answer.headers


def test_no_answer_comes_in_parts(site):
    whole = site.client.get("static/style.css").content
    for said in ("bytes=0-3", "bytes=0-3,5-6", "bytes=" + ",".join("%d-" % number for number in range(3000))):
        answer = site.client.get("static/style.css", headers={"Range": said})
        assert answer.status_code == 200 and answer.content == whole


def test_what_an_error_says_is_not_logged(site, demo_jpeg, monkeypatch, caplog):
    """It may repeat what a visitor has sent."""
    said = "".join(("sec", "ret"))  # the lines of the program are logged

    def fail(*arguments):
        raise KeyError(said)

    monkeypatch.setattr("emomask.web.engine.write_picture", fail)
    with caplog.at_level(logging.DEBUG):
        assert site.mask(demo_jpeg).status_code == 500
        time.sleep(0.5)
    logged = "\n".join(logging.Formatter().format(record) for record in caplog.records)
    assert "A request failed: KeyError" in logged and said not in logged
    assert re.search(r"engine\.py.*in _mask", logged)
