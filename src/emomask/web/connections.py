"""Connections that are too slow, or too many of one address: ended before they take the places of others."""

import asyncio
import json
import socket
from typing import Optional

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from emomask.web.limits import household

CONNECTIONS = 500  # at a time; more get an answer 503 at once
_OF_ONE_ADDRESS = 100  # of these; many visitors may share an address, and a browser opens six
_HEAD_SECONDS = 10.0
_UNREAD_SECONDS = 30.0


class Connection(H11Protocol):
    """A visitor's connection. uvicorn's own waits for a request as long as a visitor likes.

    It is closed when a request's head does not arrive in time, or, after an answer, the rest of a request that nobody
    reads any more; and at once when its address has too many. Behind a proxy the connections are all the proxy's.
    """

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self._patience: Optional[asyncio.TimerHandle] = None

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        if self._is_one_too_many():
            transport.abort()
        else:
            self._wait()

    def connection_lost(self, exc) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._wait_no_more()  # the application has limits of its own

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._wait_no_more()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete:  # otherwise the next request was there already
            self._wait()

    def send_400_response(self, msg: str) -> None:
        """As uvicorn's, but with the headers of every other answer."""
        kind = (b"content-type", b"application/json"), (b"connection", b"close")
        headers = [*self.server_state.default_headers, *kind]
        body = json.dumps({"error": msg}).encode("utf-8")
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            start = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
            for part in (start, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(part))
        self.transport.close()

    def _is_one_too_many(self) -> bool:
        if self.client is None or self.config.proxy_headers:
            return False
        mine = household(self.client[0])
        others = (other.client for other in self.connections if other.client is not None)
        return sum(household(client[0]) == mine for client in others) > _OF_ONE_ADDRESS

    def _wait(self) -> None:
        self._wait_no_more()
        self._patience = self.loop.call_later(_HEAD_SECONDS, self.transport.close)

    def _wait_no_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


def end_unread(listening: socket.socket) -> None:
    """Have the system end connections of ``listening`` whose visitors read nothing for a while; Linux alone can."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * _UNREAD_SECONDS))
