"""Fetches a picture from a URL that a stranger names, without becoming the stranger's way into the network."""

import asyncio
import functools
import ipaddress
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Awaitable, Callable, List, NamedTuple, Optional, Sequence, Tuple
from urllib.parse import urljoin, urlsplit

import anyio
import httpcore

from emomask.errors import SourceError
from emomask.web.addresses import Network, may_be_fetched

_REDIRECTS = (301, 302, 303, 307, 308)
_PORTS = {"http": 80, "https": 443}
_CONNECTING = 5.0  # seconds for each address of a host
# Of their own: a name server that does not answer holds a thread for longer than a request waits, and the threads that
# the event loop has for everybody are few.
_LOOKUPS = ThreadPoolExecutor(64, "lookup")
_LONGEST_URL = 2000  # characters
# What RFC 3986 allows in a URL; everything else has to be percent-encoded.
_URL = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]


class FetchPolicy(NamedTuple):
    """What may be fetched.

    Attributes
    ----------
    largest: bytes of an answer.
    seconds: for everything from the name's resolution to the last byte, redirects included.
    redirects: how many are followed.
    ports: the ports that may be asked.
    allowed: networks that may be asked although they are not public.
    """

    largest: int = 20 << 20
    seconds: float = 15.0
    redirects: int = 3
    ports: Tuple[int, ...] = (80, 443)
    allowed: Tuple[Network, ...] = ()


class _Place(NamedTuple):
    """A URL taken apart; ``host`` as it is resolved and named in the Host header, brackets left out."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def host_header(self) -> str:
        host = "[%s]" % self.host if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else "%s:%d" % (host, self.port)


async def system_resolver(host: str, port: int) -> List[str]:
    """The addresses of ``host``, as the system knows them. Raises OSError when there are none."""
    look_up = functools.partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_LOOKUPS, look_up)
    return [entry[4][0] for entry in found]


async def fetch(url: str, policy: Optional[FetchPolicy] = None, resolve: Resolver = system_resolver) -> bytes:
    """The content behind an http or https URL.

    The host's name is resolved once, every address that it has must be permitted, and the connection goes to one of
    these addresses, so that a name that changes its mind later changes nothing. Every redirect is a new URL and is
    checked like the first. Proxies that the environment names are not used, and nothing is unpacked.

    Raises SourceError, in one line without the URL, when it may not or cannot be fetched.
    """
    policy = policy or FetchPolicy()
    try:
        with anyio.fail_after(policy.seconds):
            return await _followed(url, policy, resolve)
    except TimeoutError as error:
        raise SourceError("The server took longer than %g s; try another picture." % policy.seconds) from error


async def _followed(url: str, policy: FetchPolicy, resolve: Resolver) -> bytes:
    for _ in range(policy.redirects + 1):
        place = _parsed(url, policy)
        addresses = await _resolved(place, policy, resolve)
        body, location = await _asked(place, addresses, policy)
        if body is not None:
            return body
        url = urljoin(url, location)
    raise SourceError("The URL leads on more than %d times; give the address of the picture." % policy.redirects)


def _parsed(url: str, policy: FetchPolicy) -> _Place:
    if len(url) > _LONGEST_URL:
        raise SourceError("The URL is longer than %d characters." % _LONGEST_URL)
    if not _URL.fullmatch(url):
        raise SourceError("This is no URL: copy it from the browser's address bar, beginning with https://.")
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname or "", parts.port
    except ValueError as error:
        raise SourceError("This is no valid URL (%s)." % error) from error
    if scheme not in _PORTS:
        raise SourceError("Only URLs that begin with http:// or https:// can be fetched.")
    if "@" in parts.netloc:
        raise SourceError("A URL with a user or a password is not fetched.")
    if not host:
        raise SourceError("The URL names no server.")
    if port is None:
        port = _PORTS[scheme]
    if port not in policy.ports:
        raise SourceError("Port %d is not fetched from; allowed: %s." % (port, ", ".join(map(str, policy.ports))))
    _check_host(host)
    target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
    return _Place(scheme, host, port, target)


def _check_host(host: str) -> None:
    """Raise SourceError unless ``host`` is a name or an address in its usual spelling: 0x7f.1 is none."""
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError as error:
            raise SourceError("The URL's server is no valid IPv6 address.") from error
        if "%" in host:
            raise SourceError("An IPv6 address with a zone is not fetched.")
        return
    if not _NAME.fullmatch(host):
        raise SourceError("The URL's server has no valid name.")
    if _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        try:
            ipaddress.IPv4Address(host)
        except ValueError as error:
            raise SourceError("An IPv4 address must be four decimal numbers.") from error


async def _resolved(place: _Place, policy: FetchPolicy, resolve: Resolver) -> List[str]:
    try:
        found = await resolve(place.host, place.port)
    except (OSError, UnicodeError) as error:
        raise SourceError("The URL's server is not known; is it spelt correctly?") from error
    # A zone ("fe80::1%eth0") is part of the text, but no part of what Python 3.8 calls an address.
    addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in found]
    if not addresses or not all(may_be_fetched(address, policy.allowed) for address in addresses):
        raise SourceError("The URL's server is not on the public Internet, and only such servers are asked.")
    return [str(address) for address in dict.fromkeys(addresses)]


class _Pinned(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were checked, whatever the host's name resolves to by now."""

    def __init__(self, addresses: Sequence[str]):
        self._addresses = addresses
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None):
        for number, address in enumerate(self._addresses, 1):
            try:
                return await self._backend.connect_tcp(address, port, _CONNECTING)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == len(self._addresses):
                    raise

    async def connect_unix_socket(self, path, timeout=None, socket_options=None):
        raise httpcore.ConnectError("a file is no server")


async def _asked(place: _Place, addresses: Sequence[str], policy: FetchPolicy) -> Tuple[Optional[bytes], str]:
    """What a server answers: the content, or None and where it sends us."""
    url = httpcore.URL(scheme=place.scheme, host=place.host, port=place.port, target=place.target)
    headers = {
        "Host": place.host_header,
        "Accept": "image/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
        "User-Agent": "emomask",
    }
    try:
        async with httpcore.AsyncConnectionPool(network_backend=_Pinned(addresses), retries=0) as pool:
            async with pool.stream("GET", url, headers=headers) as answer:
                return await _read(answer, policy)
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError, ValueError) as error:
        raise SourceError("The URL's server cannot be reached, or does not speak HTTP.") from error


async def _read(answer: httpcore.Response, policy: FetchPolicy) -> Tuple[Optional[bytes], str]:
    fields = {name.lower(): value for name, value in answer.headers}
    if answer.status in _REDIRECTS and b"location" in fields:
        return None, fields[b"location"].decode("latin-1")
    if answer.status != 200:
        raise SourceError("The URL's server answers %d; is the address right?" % answer.status)
    if fields.get(b"content-encoding", b"identity").lower() != b"identity":
        raise SourceError("The URL's server sends something packed, which is not unpacked here.")
    too_large = SourceError("What the URL names is larger than %.1f MB." % (policy.largest / (1 << 20)))
    announced = fields.get(b"content-length", b"0")
    if announced.isdigit() and int(announced) > policy.largest:
        raise too_large
    body = bytearray()
    async for chunk in answer.aiter_stream():
        body += chunk
        if len(body) > policy.largest:
            raise too_large
    return bytes(body), ""
