"""Cameras over WebSockets: of each visitor only the newest frame waits, and all are served in turn."""

import asyncio
import time
from typing import Any, Dict, Optional, Tuple

from starlette.websockets import WebSocket

from emomask.errors import SourceError
from emomask.web.choices import Choices
from emomask.web.conversation import NUMBER, conversation, said, said_hello, send_picture, until_first_ends
from emomask.web.engine import Engine, LiveStream, MaskingError
from emomask.web.errors import Refusal
from emomask.web.limits import Places, visitor_of

LARGEST_FRAME = 2 << 20  # bytes
_IDLE_SECONDS = 60.0  # without a frame


class LiveView:
    """Masks a visitor's camera.

    The visitor says hello with a JSON text (``token`` where one is needed, and ``Choices``), and may change the choices
    with further ones. Frames are binary: a number, uint32 big-endian, and a JPEG; the answer carries the same number,
    see ``send_picture``. A frame that comes while another one waits replaces it.
    """

    def __init__(self, engine: Engine, defaults: Choices, places: Places, token: str):
        self._engine = engine
        self._defaults = defaults
        self._places = places
        self._token = token

    async def serve(self, socket: WebSocket) -> None:
        """Serve one visitor until either side has had enough."""
        async with conversation(socket):
            choices = self._defaults.changed(await said_hello(socket, self._token))
            stream = self._engine.stream(choices)
            with self._places.taken_by(visitor_of(socket)):
                visit = _Visit(socket, stream, choices)
                await until_first_ends(visit.receive(), visit.answer())


class _Visit:
    def __init__(self, socket: WebSocket, stream: LiveStream, choices: Choices):
        self._socket = socket
        self._stream = stream
        self._choices = choices
        self._waiting: Optional[Tuple[int, bytes]] = None
        self._changed = asyncio.Event()

    async def receive(self) -> None:
        last = time.monotonic()
        while True:
            rest = max(0.0, last + _IDLE_SECONDS - time.monotonic())
            message = await asyncio.wait_for(self._socket.receive(), rest)
            data = message.get("bytes")
            if data is None:
                self._choices = self._choices.changed(said(message))
                self._stream.choose(self._choices)
                continue
            if not NUMBER.size < len(data) <= LARGEST_FRAME:
                raise Refusal(413, "A frame must be a picture of at most %d MB." % (LARGEST_FRAME >> 20))
            last = time.monotonic()
            self._waiting = NUMBER.unpack_from(data)[0], data[NUMBER.size :]
            self._changed.set()

    async def answer(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            (number, data), self._waiting = self._waiting, None
            header: Dict[str, Any] = {"error": None, "faces": []}
            image = b""
            try:
                masked = await self._stream.mask(data)
                image = masked.data
                header.update(faces=masked.faces, ms=masked.milliseconds, width=masked.width, height=masked.height)
            except (SourceError, MaskingError) as error:
                header["error"] = str(error)
            await send_picture(self._socket, number, header, image)
