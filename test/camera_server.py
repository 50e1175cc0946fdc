"""What the tests' network cameras share: their pictures, and a server that can be cut and started again on its port."""

import socketserver
import threading

import cv2
import numpy as np


def picture(number, width=320, height=240):
    """A textured picture ``(height, width, 3)`` uint8 BGR whose brightness tells ``number``."""
    image = np.full((height, width, 3), 40 + number % 8 * 20, np.uint8)
    cv2.putText(image, str(number), (20, height // 2), cv2.FONT_HERSHEY_SIMPLEX, 2, (255, 255, 255), 3)
    return image


class CameraServer:
    """Answers each client by a ``handler`` of its own until it is closed.

    ``url``: with %d in the place of the port. ``closing``: an event that is set then, for the handlers to see.
    """

    def __init__(self, handler, port, url, closing):
        self._closing = closing

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self._server = Server(("127.0.0.1", port), handler)
        self.port = self._server.server_address[1]
        self.url = url % self.port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def close(self):
        """Cut every connection and stop listening."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
