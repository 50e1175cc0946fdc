"""Fetching for strangers, against a hostile server. 127.0.0.1 is allowed here, as an operator may; 127.0.0.2 is not."""

import asyncio
import functools
import ipaddress
import socket
import ssl
import threading
import time

import anyio
import pytest
from hostile_server import PICTURE, hostile_server

from emomask.errors import SourceError
from emomask.web.addresses import is_public
from emomask.web.fetch import FetchPolicy, fetch, system_resolver

ALLOWED = (ipaddress.ip_network("127.0.0.1/32"),)


@pytest.fixture(scope="module")
def server():
    with hostile_server() as running:
        yield running


@pytest.fixture(scope="module")
def forbidden():
    """A server that nobody may reach."""
    with hostile_server("127.0.0.2") as running:
        yield running
        assert running.requests == []


@pytest.fixture
def policy(server, forbidden):
    return FetchPolicy(largest=50000, seconds=5.0, ports=(80, 443, server.port, forbidden.port), allowed=ALLOWED)


def fetched(url, policy=None, resolve=system_resolver):
    return anyio.run(functools.partial(fetch, url, policy, resolve))


def refusal(url, policy=None, resolve=system_resolver):
    with pytest.raises(SourceError) as error:
        fetched(url, policy, resolve)
    text = str(error.value)
    assert "\n" not in text and text.endswith((".", "?")) and "127.0.0" not in text
    return text


def test_a_picture_is_fetched(server, policy):
    assert fetched("http://127.0.0.1:%d/picture" % server.port, policy) == PICTURE
    head = server.requests[-1].lower()
    assert "host: 127.0.0.1:%d\r\n" % server.port in head
    assert "cookie" not in head and "accept-encoding: identity" in head


def test_a_name_is_resolved_once_and_stays_what_it_was(server, forbidden, policy):
    """A name that points elsewhere the second time it is asked (DNS rebinding)."""
    answers = [["127.0.0.1"], ["127.0.0.2"]]

    async def resolve(host, port):
        assert host == "rebinding.example"
        return answers.pop(0)

    assert fetched("http://rebinding.example:%d/" % server.port, policy, resolve) == PICTURE
    assert len(answers) == 1
    assert "Host: rebinding.example:%d\r\n" % server.port in server.requests[-1]


def test_one_forbidden_address_of_several_is_enough_to_refuse(server, forbidden, policy):
    async def resolve(host, port):
        return ["127.0.0.1", "127.0.0.2"]

    assert "public Internet" in refusal("http://both.example:%d/" % server.port, policy, resolve)


def test_a_redirect_is_followed(server, policy):
    assert fetched("http://127.0.0.1:%d/redirect?/picture" % server.port, policy) == PICTURE


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.2:{forbidden}/",
        "//127.0.0.2:{forbidden}/",
        "http://[::1]:{forbidden}/",
        "http://[::ffff:127.0.0.2]:{forbidden}/",
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost:22/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://user:secret@127.0.0.1:{allowed}/",
        "http://2130706434:{forbidden}/",
    ],
)
def test_a_redirect_to_where_nobody_may_go_is_refused(server, forbidden, policy, target):
    target = target.format(forbidden=forbidden.port, allowed=server.port)
    refusal("http://127.0.0.1:%d/redirect?%s" % (server.port, target), policy)


def test_a_redirect_is_resolved_anew(server, forbidden, policy):
    """The first answer for a name says nothing about the next one."""
    answers = [["127.0.0.1"], ["127.0.0.2"]]

    async def resolve(host, port):
        return answers.pop(0)

    url = "http://rebinding.example:%d/redirect?http://rebinding.example:%d/" % (server.port, forbidden.port)
    assert "public Internet" in refusal(url, policy, resolve)
    assert answers == []


@pytest.mark.parametrize(
    "path, reason",
    [
        ("loop", "leads on more than 3"),
        ("nowhere", "answers 302"),
        ("missing", "answers 404"),
        ("announces-much", "larger than"),
        ("endless", "larger than"),
        ("endless-chunks", "larger than"),
        ("endless-headers", "cannot be reached, or does not speak HTTP"),
        ("cut-off", "cannot be reached, or does not speak HTTP"),
        ("no-http", "cannot be reached, or does not speak HTTP"),
        ("packed", "packed"),
    ],
)
def test_misdeeds_are_one_clear_error(server, policy, path, reason):
    assert reason in refusal("http://127.0.0.1:%d/%s" % (server.port, path), policy)


@pytest.mark.parametrize("path", ["drips-body", "drips-header", "silent", "endless-interim"])
def test_the_time_limit_is_one_for_the_whole_transfer(server, policy, path):
    began = time.monotonic()
    reason = refusal("http://127.0.0.1:%d/%s" % (server.port, path), policy._replace(seconds=0.7))
    assert "longer than 0.7 s" in reason and time.monotonic() - began < 3


def test_the_time_limit_holds_for_the_resolution_too(policy):
    async def resolve(host, port):
        await anyio.sleep(30)

    assert "longer than" in refusal("http://slow.example/", policy._replace(seconds=0.3), resolve)


def test_slow_name_servers_keep_nothing_else_waiting(monkeypatch):
    """A lookup cannot be broken off: each holds a thread, and the event loop has few for everything else."""
    ended = threading.Event()

    def look_up(*arguments, **options):
        ended.wait(20)
        raise OSError("no answer")

    async def ask():
        asked = [fetch("http://slow%d.example/" % number, FetchPolicy(seconds=0.3)) for number in range(40)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert all("longer than" in str(answer) for answer in answers)
        return await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(None, int), 5)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    try:
        assert anyio.run(ask) == 0
    finally:
        ended.set()


def test_a_closed_port_is_one_clear_error(forbidden, policy):
    assert "cannot be reached" in refusal("http://127.0.0.1:%d/" % forbidden.port, policy)


def test_a_proxy_of_the_environment_is_not_used(server, forbidden, policy, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.2:%d" % forbidden.port)
    assert fetched("http://127.0.0.1:%d/" % server.port, policy) == PICTURE


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost.",
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "017700000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "0",
        "0.0.0.0",
        "[::]",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
        "[fe80::1]",
        "[fe80::1%25lo]",
        "[fd00:ec2::254]",
        "[fec0::1]",
        "[ff02::1]",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "100.100.100.200",
        "169.254.169.254",
        "168.63.129.16",
        "192.0.0.192",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "a..example",
        "-",
        "exa mple",
        "ex%61mple.com",
        "",
    ],
)
def test_places_that_are_never_asked(host):
    refusal("http://%s/" % host)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "picture.png",
        "/etc/passwd",
        "//example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "javascript:alert(1)",
        "http://user@example.com/",
        "http://user:password@example.com/",
        "http://@example.com/",
        "http://example.com:22/",
        "http://example.com:0/",
        "http://example.com:99999/",
        "http://example.com:x/",
        "http://[::1/",
        "http://example.com\\@127.0.0.1/",
        "http://example.com/\r\nX-Evil: 1",
        "http://example.com/ x",
        "http://exämple.com/",
        "http://example.com/" + "x" * 2000,
    ],
)
def test_texts_that_are_no_url_to_be_fetched(url):
    async def resolve(host, port):
        raise AssertionError("nothing is to be resolved")

    refusal(url, resolve=resolve)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:4700:4700::1111", "2a00:1450:4001::1"])
def test_public_addresses(address):
    assert is_public(ipaddress.ip_address(address))


def test_tls_is_checked_for_the_name_and_not_the_address(tmp_path, policy, monkeypatch):
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("pictures.example").configure_cert(context)

    async def resolve(host, port):
        return ["127.0.0.1"]

    with hostile_server(tls=context) as server:
        policy = policy._replace(ports=(server.port,))
        url = "https://%%s:%d/" % server.port
        assert "cannot be reached" in refusal(url % "pictures.example", policy, resolve)  # an unknown authority
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert fetched(url % "pictures.example", policy, resolve) == PICTURE
        assert "cannot be reached" in refusal(url % "other.example", policy, resolve)
