"""Runs the website: a port, perhaps with TLS, until it is interrupted."""

import logging
import socket
from typing import Optional

import uvicorn

from emomask.errors import EmomaskError
from emomask.settings import Settings
from emomask.web.app import create_app
from emomask.web.connections import CONNECTIONS, Connection, end_unread
from emomask.web.feed import Feed
from emomask.web.live import LARGEST_FRAME
from emomask.web.security import HEADERS
from emomask.web.settings import WebSettings

_log = logging.getLogger(__name__)

_LARGEST_HEAD = 16384  # bytes of a request's line and headers
_SHUTDOWN_SECONDS = 5


class Website:
    """A website that is ready to be served.

    ``feed``: a robot's camera that is shown, too. Raises ModelError when a network or an emoji set is missing or
    damaged, SettingsError when a setting is wrong, and EmomaskError when the address cannot be listened on.
    """

    def __init__(self, web: WebSettings, settings: Settings, feed: Optional[Feed] = None):
        self._socket = _listening(web.host, web.port)
        config = uvicorn.Config(
            create_app(web, settings, feed),
            http=Connection,
            headers=list(HEADERS.items()),
            ws_max_size=LARGEST_FRAME + 4096,
            ws_max_queue=2,
            ws_per_message_deflate=False,  # pictures are compressed
            h11_max_incomplete_event_size=_LARGEST_HEAD,
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
            proxy_headers=web.behind_proxy,
            forwarded_allow_ips="127.0.0.1,::1",
            ssl_certfile=web.tls_certificate or None,
            ssl_keyfile=web.tls_key or None,
            access_log=False,  # it would hold what is asked for
            log_config=None,
            log_level="warning",
            server_header=False,
        )
        try:
            config.load()
        except OSError as error:
            raise EmomaskError("The TLS certificate or its key cannot be used: %s." % error) from error
        self._server = uvicorn.Server(config)
        self.url = "%s://%s:%d%s/" % (
            "https" if web.tls_certificate else "http",
            "[%s]" % web.host if ":" in web.host else web.host,
            self._socket.getsockname()[1],
            web.base_path,
        )

    def run(self) -> None:
        """Serve until a signal or ``stop`` ends it."""
        self._server.run([self._socket])

    def stop(self) -> None:
        """End ``run``, from any thread."""
        self._server.should_exit = True


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        end_unread(listening)
    except OSError as error:
        reason = error.strerror or str(error)
        raise EmomaskError("Cannot listen on %s, port %d: %s; choose others." % (host, port, reason)) from error
    return listening


def serve(web: WebSettings, settings: Settings) -> None:
    """Run the website until it is interrupted, and say where it is. Raises as ``Website`` does."""
    website = Website(web, settings)
    print("emomask: the website is at %s (Ctrl-C ends it)" % website.url, flush=True)
    website.run()
