"""How much visitors may ask for: requests in a minute, work at the same time, bytes and seconds of a request."""

import asyncio
import collections
import contextlib
import functools
import ipaddress
import math
import time
from typing import AsyncIterator, Callable

from starlette.requests import ClientDisconnect, HTTPConnection, Request

from emomask.web.errors import Refusal

_ADDRESSES = 10000  # that are remembered at most
_MINUTE = 60.0


def visitor_of(connection: HTTPConnection) -> str:
    """Whom limits count: the visitor's IPv4 address or IPv6 /64 network, which one household has for itself."""
    return household(connection.client.host if connection.client else "")


@functools.lru_cache(maxsize=1024)
def household(host: str) -> str:
    """Whom an address counts as: see ``visitor_of``."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:  # a Unix socket, or a test
        return host
    if address.version == 6:
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


class RateLimit:
    """A token bucket for each visitor: ``per_minute`` requests on average, and as many in one go."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic):
        self._per_minute = per_minute
        self._clock = clock
        self._buckets = collections.OrderedDict()  # visitor: (tokens, when they were counted); the latest last

    def check(self, visitor: str) -> None:
        """Count a request. Raises Refusal (429) when it is one too many."""
        now = self._clock()
        tokens, counted = self._buckets.pop(visitor, (float(self._per_minute), now))
        tokens = min(self._per_minute, tokens + (now - counted) * self._per_minute / _MINUTE)
        self._buckets[visitor] = (max(0.0, tokens - 1), now) if tokens >= 1 else (tokens, now)
        if len(self._buckets) > _ADDRESSES:
            self._buckets.popitem(last=False)
        if tokens < 1:
            wait = math.ceil((1 - tokens) * _MINUTE / self._per_minute)
            raise Refusal(429, "Too many requests from your address; try again in %d s." % wait, wait)


class Places:
    """Room for so much work at the same time, of which one visitor may have at most half (but one at least)."""

    def __init__(self, places: int, full: str):
        """``full``: what to say when there is no room."""
        self._places = places
        self._share = max(1, math.ceil(places / 2))
        self._full = full
        self._taken = collections.Counter()

    @property
    def taken(self) -> int:
        """How many places are taken."""
        return sum(self._taken.values())

    @contextlib.contextmanager
    def taken_by(self, visitor: str):
        """A place for as long as the context lasts. Raises Refusal (429) when there is none left."""
        self.take(visitor)
        try:
            yield
        finally:
            self.free(visitor)

    def take(self, visitor: str) -> None:
        """Take a place until ``free``. Raises Refusal (429) when there is none left."""
        if self.taken >= self._places or self._taken[visitor] >= self._share:
            raise Refusal(429, self._full, 2)
        self._taken[visitor] += 1

    def free(self, visitor: str) -> None:
        """Give back a place."""
        self._taken[visitor] -= 1
        if not self._taken[visitor]:
            del self._taken[visitor]


class Turns:
    """Work for so many at the same time; those who wait are served in turn, however much each of them wants."""

    def __init__(self, workers: int):
        self._free = workers
        self._lines = collections.OrderedDict()  # visitor: deque of futures; who is served next first

    @contextlib.asynccontextmanager
    async def taken_by(self, visitor: str):
        """A turn for as long as the context lasts; waits for it."""
        await self._turn(visitor)
        try:
            yield
        finally:
            self._pass_on()

    async def _turn(self, visitor: str) -> None:
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._lines.setdefault(visitor, collections.deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        while self._lines:
            visitor, line = self._lines.popitem(last=False)
            turn = line.popleft()
            if line:
                self._lines[visitor] = line  # behind the others
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


async def body_parts(request: Request, largest: int, seconds: float) -> AsyncIterator[bytes]:
    """The parts of a request's body as they arrive.

    Raises Refusal: 413 when there are more than ``largest`` bytes, announced or sent, 408 when they take longer than
    ``seconds``, 400 when the visitor goes away.
    """
    too_large = Refusal(413, "The file is larger than the %.0f MB that are taken here." % (largest / (1 << 20)))
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > largest:
        raise too_large
    deadline = time.monotonic() + seconds
    parts = request.stream()
    received = 0
    while True:
        try:
            part = await asyncio.wait_for(parts.__anext__(), max(0.0, deadline - time.monotonic()))
        except StopAsyncIteration:
            return
        except asyncio.TimeoutError as error:
            raise Refusal(408, "The upload took longer than %.0f s." % seconds) from error
        except ClientDisconnect as error:
            raise Refusal(400, "The upload was broken off.") from error
        received += len(part)
        if received > largest:
            raise too_large
        yield part


async def read_body(request: Request, largest: int, seconds: float) -> bytes:
    """The whole body; see ``body_parts``. Raises Refusal (400) when it is empty, too."""
    body = bytearray()
    async for part in body_parts(request, largest, seconds):
        body += part
    if not body:
        raise Refusal(400, "There is no picture in the request: send the file as its body.")
    return bytes(body)
