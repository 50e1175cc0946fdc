"""Who may ask, from where, and what a browser may do with the answer; around the whole application."""

import hmac
import ipaddress
import json
import logging
from typing import Optional, Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emomask.web.errors import Refusal
from emomask.web.faults import log_fault

_log = logging.getLogger(__name__)

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
# Of every answer; the server adds them, so that its own errors have them too.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), display-capture=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
# No part of an answer is of use without the rest: none is kept, and a video is removed when it was fetched.
_UNHEARD = (b"range", b"if-range")
# What the page must know before it can ask for the token, and what everybody may read.
_UNGUARDED = ("/api/health", "/api/openapi.json", "/api/options")


class Guard:
    """Lets through to ``app`` what may come.

    - A request that says its length in two ways is refused: a proxy may have believed the other one.
    - The Host header must be an address, localhost or one of ``names``: another website whose name is made to point
      here (DNS rebinding) is refused.
    - A request that a browser sends from a page of another site is refused, and so is such a WebSocket.
    - With a ``token``, requests to ``/api/`` must carry it ("Authorization: Bearer ..."); WebSockets say it in their
      first message, as browsers cannot set headers there.
    """

    def __init__(self, app: ASGIApp, names: Sequence[str] = (), token: str = "", base_path: str = ""):
        self._app = app
        self._names = {"localhost", *names}
        self._token = token
        self._base_path = base_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except Refusal as refusal:
            await _refuse(scope, send, refusal)
            return

        answered = False

        async def send_and_note(message: Message) -> None:
            nonlocal answered
            answered = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        heard = [field for field in scope["headers"] if field[0] not in _UNHEARD]
        try:
            await self._app({**scope, "headers": heard}, receive, send_and_note)
        except Exception as error:
            if scope["type"] == "websocket" and isinstance(error, OSError):  # the visitor is gone
                raise
            log_fault(_log, "A request failed", error)
            # Starlette raises again what it has answered; the server would close the connection for that.
            if not answered:
                raise RuntimeError("a request failed") from None

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if "content-length" in headers and "transfer-encoding" in headers:
            raise Refusal(400, "The length of the request is not clear.")
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or not self._is_known(host):
            raise Refusal(400, "This site does not go by that name; its operator can add the name (--names).")
        origin = headers.get("origin")
        if origin is not None and not _is_own(origin, host, scope["scheme"]):
            raise Refusal(403, "Requests from pages of other sites are refused.")
        if scope["type"] == "websocket" and origin is None and headers.get("sec-fetch-site"):
            raise Refusal(403, "A browser must say from which page it connects.")
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not _is_visit(scope, headers):
            raise Refusal(403, "Requests from pages of other sites are refused.")
        path = scope["path"][len(self._base_path) :] if scope["path"].startswith(self._base_path) else scope["path"]
        if self._token and scope["type"] == "http" and path.startswith("/api/") and path not in _UNGUARDED:
            check_token(headers.get("authorization", "").partition("Bearer ")[2], self._token)

    def _is_known(self, host: str) -> bool:
        try:
            name = urlsplit("//" + host).hostname or ""
        except ValueError:
            return False
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _is_own(origin: str, host: str, scheme: str) -> bool:
    """Whether ``origin`` is this site's. Behind a proxy that brings the TLS, an https page reaches an http server."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and scheme in ("http", "ws"))
    return is_safe and parts.netloc.lower() == host.lower()


def check_token(given: Optional[str], token: str) -> None:
    """Raise Refusal (401) unless ``given`` is ``token``; an empty token lets everybody in."""
    if token and not hmac.compare_digest(str(given or "").encode("utf-8", "replace"), token.encode("utf-8")):
        reason = "That is not this site's token" if given else "This site needs a token"
        raise Refusal(401, reason + "; ask its operator for it.")


def _is_visit(scope: Scope, headers: Headers) -> bool:
    """Whether somebody follows a link to the page from another site; that shows the page and does nothing."""
    is_reading = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
    return is_reading and headers.get("sec-fetch-mode") == "navigate" and "/api/" not in scope["path"]


async def _refuse(scope: Scope, send: Send, refusal: Refusal) -> None:
    if scope["type"] == "websocket":  # before it is accepted: the browser sees a failed handshake
        await send({"type": "websocket.close", "code": 1008})
        return
    body = json.dumps({"error": str(refusal)}).encode("utf-8")
    fields = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if refusal.status == 400:  # what follows on the connection cannot be trusted either
        fields.append((b"connection", b"close"))
    if refusal.status == 401:
        fields.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": fields})
    await send({"type": "http.response.body", "body": body})
