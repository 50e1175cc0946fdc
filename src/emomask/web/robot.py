"""Shows a robot's masked camera to a visitor over a WebSocket, the newest picture only."""

import asyncio

from starlette.websockets import WebSocket

from emomask.web.conversation import conversation, said, said_hello, send_picture, until_first_ends
from emomask.web.engine import jpeg
from emomask.web.feed import Feed
from emomask.web.limits import Places, visitor_of


class RobotView:
    """Sends the pictures of ``feed``; a visitor who is slower than the camera misses some.

    The visitor says hello as in ``LiveView``; the answers are as there, numbered as the feed's pictures are.
    """

    def __init__(self, feed: Feed, places: Places, token: str):
        self._feed = feed
        self._places = places
        self._token = token

    async def serve(self, socket: WebSocket) -> None:
        """Serve one visitor until the connection ends."""
        async with conversation(socket):
            await said_hello(socket, self._token)
            with self._places.taken_by(visitor_of(socket)), self._feed.watched():
                await until_first_ends(self._send(socket), _listen(socket))

    async def _send(self, socket: WebSocket) -> None:
        number = 0
        while True:
            number, image, faces = await self._feed.after(number)
            height, width = image.shape[:2]
            header = {"error": None, "faces": faces, "width": width, "height": height}
            data = await asyncio.get_running_loop().run_in_executor(None, jpeg, image)
            await send_picture(socket, number, header, data)


async def _listen(socket: WebSocket) -> None:
    while True:  # until the visitor goes away; there is nothing to say
        said(await socket.receive())
