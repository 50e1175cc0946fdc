"""What the WebSockets have in common: the hello, the form of the pictures, and an end that says why."""

import asyncio
import contextlib
import json
import logging
import struct
from typing import Any, AsyncIterator, Dict

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from emomask.errors import SettingsError
from emomask.web.errors import Refusal
from emomask.web.security import check_token

_log = logging.getLogger(__name__)

NUMBER = struct.Struct(">I")
_HELLO_SECONDS = 10.0
_SENDING_SECONDS = 10.0  # for one message; a visitor who takes longer is gone
_POLICY_VIOLATION, _TRY_AGAIN_LATER = 1008, 1013  # RFC 6455's codes


@contextlib.asynccontextmanager
async def conversation(socket: WebSocket) -> AsyncIterator[None]:
    """Accept ``socket`` and, when the context ends, close it; a Refusal is said first: ``{"error": ...}`` as text."""
    await socket.accept()
    try:
        yield
    except (Refusal, SettingsError) as refusal:
        busy = isinstance(refusal, Refusal) and refusal.status == 429
        await _end(socket, str(refusal), _TRY_AGAIN_LATER if busy else _POLICY_VIOLATION)
    except asyncio.TimeoutError:
        await _end(socket, "Nothing came for a while; start again when you are ready.", _POLICY_VIOLATION)
    except WebSocketDisconnect:
        return
    except RuntimeError as error:  # starlette's word for a connection that was lost meanwhile
        _log.debug("A connection was lost: %s", error)


async def said_hello(socket: WebSocket, token: str) -> Dict[str, Any]:
    """What the visitor's first message, a JSON object, says besides the token. Raises Refusal when it is wrong."""
    values = said(await asyncio.wait_for(socket.receive(), _HELLO_SECONDS))
    check_token(values.pop("token", None), token)
    return values


def said(message: Dict[str, Any]) -> Dict[str, Any]:
    """The JSON object that a text message holds. Raises Refusal when it is none."""
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code") or 1000)
    try:
        values = json.loads(message.get("text") or "")
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "The message must be a JSON object.") from error
    if not isinstance(values, dict):
        raise Refusal(400, "The message must be a JSON object.")
    return values


async def send_picture(socket: WebSocket, number: int, header: Dict[str, Any], image: bytes) -> None:
    """Send ``number`` and the length of ``header`` (uint32, big-endian), ``header`` as JSON, and a JPEG or nothing.

    Raises asyncio.TimeoutError when the visitor does not take it in time.
    """
    told = json.dumps(header, separators=(",", ":")).encode("utf-8")
    message = b"".join((NUMBER.pack(number), NUMBER.pack(len(told)), told, image))
    await asyncio.wait_for(socket.send_bytes(message), _SENDING_SECONDS)


async def until_first_ends(*coroutines) -> None:
    """Run ``coroutines`` until one of them ends, whose error is raised; the others are cancelled."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _end(socket: WebSocket, reason: str, code: int) -> None:
    if WebSocketState.DISCONNECTED in (socket.client_state, socket.application_state):
        return
    for farewell in (socket.send_text(json.dumps({"error": reason})), socket.close(code)):
        with contextlib.suppress(RuntimeError, OSError, WebSocketDisconnect, asyncio.TimeoutError):
            await asyncio.wait_for(farewell, _SENDING_SECONDS)
