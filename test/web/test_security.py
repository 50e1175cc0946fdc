"""Who may ask, and how much: tokens, origins, names, rates, sizes, times, headers, TLS and base paths."""

import asyncio
import socket
import ssl
import threading
import time

import httpx
import pytest
from running_site import answer_of, frame_message, running_site
from websockets.exceptions import ConnectionClosed, InvalidStatus

from emomask.errors import EmomaskError, SettingsError
from emomask.web.errors import Refusal
from emomask.web.limits import Places, RateLimit, Turns
from emomask.web.serve import Website
from emomask.web.settings import WebSettings

EVIL = "http://evil.example"
TOKEN = "a token that nobody guesses".replace(" ", "-")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A website with a token."""
    file = tmp_path_factory.mktemp("token") / "token"
    file.write_text(TOKEN + "\n")
    with running_site(token_file=str(file), names="cam.example") as running:
        yield running


@pytest.mark.parametrize("path", ["", "docs", "static/app.js", "api/health", "api/mask", "nowhere", "static/../app.py"])
def test_every_answer_has_the_headers(site, path):
    answer = site.client.get(path)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "server" not in answer.headers and "access-control-allow-origin" not in answer.headers
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "*" not in policy


def test_nothing_but_the_page_is_served(site):
    for path in ("static/../app.py", "static/%2e%2e/app.py", "static//etc/passwd", "static/", "api/demo/..%2f..%2fapp"):
        assert site.client.get(path).status_code in (404, 405), path


@pytest.mark.parametrize("origin", [EVIL, "null", "https://127.0.0.1", "http://127.0.0.1.evil.example", "http://[", ""])
def test_a_page_of_another_site_is_refused(site, demo_jpeg, origin):
    answer = site.mask(demo_jpeg, headers={"Origin": origin})
    assert answer.status_code == 403 and "other sites" in answer.json()["error"]
    with pytest.raises(InvalidStatus) as error:
        with site.socket(origin=origin or "x"):
            pass
    assert error.value.response.status_code == 403


def test_the_own_page_is_let_in(site, demo_jpeg):
    origin = "http://" + site.netloc
    assert site.mask(demo_jpeg, headers={"Origin": origin, "Sec-Fetch-Site": "same-origin"}).status_code == 200
    with site.socket(origin=origin) as connection:
        connection.send(frame_message(1, demo_jpeg))
        assert answer_of(connection.recv(10))[0] == 1


@pytest.mark.parametrize("fetched_from", ["cross-site", "same-site"])
def test_a_browser_that_says_that_it_asks_for_another_site_is_refused(site, demo_jpeg, fetched_from):
    assert site.mask(demo_jpeg, headers={"Sec-Fetch-Site": fetched_from}).status_code == 403
    link = {"Sec-Fetch-Site": fetched_from, "Sec-Fetch-Mode": "navigate"}
    assert site.client.get("", headers=link).status_code == 200
    assert site.client.get("api/demo/three", headers=link).status_code == 403


@pytest.mark.parametrize(
    "host, status",
    [
        ("evil.example", 400),
        ("localhost.evil.example", 400),
        ("cam.example", 200),
        ("CAM.example:8000", 200),
        ("localhost:8000", 200),
        ("127.0.0.1", 200),
        ("[::1]:8000", 200),
        ("", 400),
        ("[", 400),
    ],
)
def test_a_name_that_was_made_to_point_here_is_refused(guarded, host, status):
    """DNS rebinding: the page of evil.example is then of the same origin as this site."""
    assert guarded.client.get("api/health", headers={"Host": host}).status_code == status


def test_without_the_token_nothing_is_masked(guarded, demo_jpeg):
    assert guarded.client.get("").status_code == 200
    assert guarded.client.get("api/options").json()["token"] is True
    for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}, {"Authorization": "Bearer"}):
        answer = guarded.mask(demo_jpeg, headers=given)
        assert answer.status_code == 401 and "token" in answer.json()["error"]
    assert guarded.client.get("api/demo/three").status_code == 401
    assert guarded.client.get("api/mask/video/x").status_code == 401
    assert guarded.mask(demo_jpeg, headers={"Authorization": "Bearer " + TOKEN}).status_code == 200


@pytest.mark.parametrize("hello", [{}, {"token": "wrong"}, {"token": None}, {"token": 7}, {"token": ["x"]}])
def test_without_the_token_no_camera_is_masked(guarded, demo_jpeg, hello):
    with guarded.socket(hello=hello) as connection:
        assert "token" in connection.recv(10)
        with pytest.raises(ConnectionClosed):
            connection.recv(10)
    with guarded.socket(hello={"token": TOKEN}) as connection:
        connection.send(frame_message(5, demo_jpeg))
        assert answer_of(connection.recv(10))[0] == 5


@pytest.mark.parametrize("text", ["short", "", "two words that are long", "ünïcödé-ünïcödé-ünïcödé"])
def test_a_bad_token_is_an_error_at_the_start(tmp_path, text):
    (tmp_path / "token").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match="16 or more"):
        WebSettings(token_file=str(tmp_path / "token"))


@pytest.mark.parametrize(
    "values",
    [
        {"port": 70000},
        {"tls_certificate": "/etc/hostname"},
        {"tls_certificate": "/nowhere", "tls_key": "/nowhere"},
        {"base_path": "emomask"},
        {"base_path": "/emomask/"},
        {"base_path": "/a b"},
        {"fetch_networks": "192.168.1.1/24"},
        {"fetch_ports": "http"},
        {"fetch_ports": "0"},
        {"emoji_sets": "/nowhere"},
        {"token_file": "/nowhere"},
    ],
)
def test_a_bad_setting_is_an_error(values):
    with pytest.raises(SettingsError):
        WebSettings(**values)


def test_a_port_that_is_taken_is_one_clear_error():
    from emomask import Settings

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(EmomaskError, match="Cannot listen on 127.0.0.1, port"):
            Website(WebSettings(port=taken.getsockname()[1]), Settings())


def test_the_rate_is_limited(demo_jpeg):
    with running_site(requests=5) as site:
        answers = [site.mask(demo_jpeg) for _ in range(8)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 3
        assert "try again in" in answers[-1].json()["error"] and int(answers[-1].headers["retry-after"]) >= 1
        # What a visitor says of its own address is not believed.
        assert site.mask(demo_jpeg, headers={"X-Forwarded-For": "8.8.8.8"}).status_code == 429
        assert site.client.get("api/health").status_code == 200


def test_behind_a_proxy_visitors_are_told_apart(demo_jpeg):
    with running_site(requests=2, behind_proxy=True) as site:
        for visitor in ("8.8.8.8", "8.8.4.4"):
            answers = [site.mask(demo_jpeg, headers={"X-Forwarded-For": visitor}) for _ in range(3)]
            assert [answer.status_code for answer in answers] == [200, 200, 429]


def test_a_rate_recovers():
    now = [0.0]
    limit = RateLimit(60, lambda: now[0])
    for _ in range(60):
        limit.check("a")
    with pytest.raises(Refusal) as refusal:
        limit.check("a")
    assert refusal.value.retry_after == 1
    limit.check("b")
    now[0] = 1.5
    limit.check("a")
    with pytest.raises(Refusal):
        limit.check("a")


def test_what_is_remembered_of_visitors_is_bounded():
    limit = RateLimit(1)
    for number in range(20000):
        limit.check(str(number))
    assert len(limit._buckets) <= 10000


def test_one_visitor_cannot_take_all_places():
    places = Places(4, "full")
    for visitor in ("a", "a", "b", "c"):
        places.take(visitor)
    for visitor in ("a", "d"):
        with pytest.raises(Refusal, match="full"):
            places.take(visitor)
    places.free("a")
    with places.taken_by("d"):
        assert places.taken == 4
    assert places.taken == 3


def test_those_who_wait_are_served_in_turn():
    served = []

    async def work(turns, visitor, number):
        async with turns.taken_by(visitor):
            served.append(visitor + str(number))
            await asyncio.sleep(0)

    async def run():
        turns = Turns(2)
        many = [asyncio.ensure_future(work(turns, "a", number)) for number in range(5)]
        few = [asyncio.ensure_future(work(turns, "b", number)) for number in range(2)]
        for given_up in (many[3], few[0]):
            await asyncio.sleep(0)
            given_up.cancel()
        await asyncio.gather(*many, *few, return_exceptions=True)
        assert turns._free == 2 and not turns._lines

    asyncio.run(run())
    assert served == ["a0", "a1", "a2", "b1", "a4"]


def test_one_visitors_pictures_do_not_keep_the_others_waiting(demo_jpeg):
    """A picture of one who has sent many is masked before most of these."""
    with running_site(behind_proxy=True) as site:
        ended = []

        def post(visitor):
            assert site.mask(demo_jpeg, headers={"X-Forwarded-For": visitor}).status_code == 200
            ended.append(visitor)

        threads = [threading.Thread(target=post, args=("8.8.8.8",)) for _ in range(12)]
        for thread in threads:
            thread.start()
        time.sleep(0.2)
        post("8.8.4.4")
        for thread in threads:
            thread.join()
        assert ended.index("8.8.4.4") < 10, ended


def test_more_pictures_than_there_is_room_for_are_refused(demo_jpeg):
    with running_site(requests=1000, picture_queue=4) as site:
        statuses, answers = [], []

        def post():
            answer = site.mask(demo_jpeg)
            statuses.append(answer.status_code)
            answers.append(answer)

        threads = [threading.Thread(target=post) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(statuses) == {200, 429}
        assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 429)
        assert site.mask(demo_jpeg).status_code == 200


def raw(site, head, body=b"", wait=10.0):
    """What the site answers to bytes on a socket."""
    host, port = site.netloc.split(":")
    with socket.create_connection((host, int(port)), wait) as connection:
        connection.sendall(head + b"\r\n\r\n" + body)
        return connection.recv(65536)


def test_an_upload_that_is_too_large_is_refused_before_it_is_read(demo_jpeg):
    with running_site(picture_mb=1) as site:
        head = b"POST /api/mask HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
        assert b" 413 " in raw(site, head + b"Content-Length: 99999999999").split(b"\r\n")[0]
        chunks = (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 20
        assert b" 413 " in raw(site, head + b"Transfer-Encoding: chunked", chunks).split(b"\r\n")[0]
        answer = site.mask(bytes((1 << 20) + 1))
        assert answer.status_code == 413 and "1 MB" in answer.json()["error"]
        assert site.mask(demo_jpeg).status_code == 200


def test_an_upload_that_never_ends_is_given_up(demo_jpeg, monkeypatch):
    monkeypatch.setattr("emomask.web.app._PICTURE_SECONDS", 0.5)
    with running_site(picture_queue=1) as site:
        head = b"POST /api/mask HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 100000"
        began = time.monotonic()
        assert b" 408 " in raw(site, head, b"x").split(b"\r\n")[0]
        assert time.monotonic() - began < 5
        assert site.mask(demo_jpeg).status_code == 200  # the place is free again


def test_an_upload_that_is_broken_off_frees_its_place(demo_jpeg):
    with running_site(picture_queue=1) as site:
        host, port = site.netloc.split(":")
        head = (
            b"POST /api/mask HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 100000\r\n\r\n"
        )
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(head + b"x" * 1000)
            time.sleep(0.3)
            assert site.mask(demo_jpeg).status_code == 429
        time.sleep(0.3)
        assert site.mask(demo_jpeg).status_code == 200


def test_endless_headers_are_refused(site):
    host, port = site.netloc.split(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        with pytest.raises(OSError):
            for _ in range(1000):
                connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 100000)


def test_tls(tmp_path, demo_jpeg):
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "chain.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    files = {"tls_certificate": str(tmp_path / "chain.pem"), "tls_key": str(tmp_path / "key.pem")}
    with running_site(verify=context, **files) as site:
        assert site.url.startswith("https://")
        assert site.mask(demo_jpeg, headers={"Origin": "https://" + site.netloc}).status_code == 200
        assert site.mask(demo_jpeg, headers={"Origin": "http://" + site.netloc}).status_code == 403
        with site.socket(ssl=context, origin="https://" + site.netloc) as connection:
            connection.send(frame_message(1, demo_jpeg))
            assert answer_of(connection.recv(10))[0] == 1


def test_a_certificate_that_is_none_is_one_clear_error(tmp_path):
    from emomask import Settings

    (tmp_path / "x").write_text("no certificate")
    with pytest.raises(EmomaskError, match="certificate"):
        Website(WebSettings(port=0, tls_certificate=str(tmp_path / "x"), tls_key=str(tmp_path / "x")), Settings())


def test_a_base_path(demo_jpeg, tmp_path):
    (tmp_path / "token").write_text(TOKEN)
    with running_site(base_path="/faces/hidden", token_file=str(tmp_path / "token")) as site:
        assert site.url.endswith("/faces/hidden/")
        assert site.client.get("").status_code == 200
        assert site.client.get("static/style.css").status_code == 200
        assert site.mask(demo_jpeg).status_code == 401
        given = {"Authorization": "Bearer " + TOKEN}
        assert site.mask(demo_jpeg, headers=given).status_code == 200
        assert httpx.get("http://%s/" % site.netloc).status_code == 404
        assert httpx.get("http://%s/api/health" % site.netloc).status_code == 404
        with site.socket(hello={"token": TOKEN}) as connection:
            connection.send(frame_message(1, demo_jpeg))
            assert answer_of(connection.recv(10))[0] == 1
