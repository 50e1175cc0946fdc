"""An IP camera for the tests: MJPEG over HTTP, which can be cut and started again on the same port."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np


def picture(number, width=320, height=240):
    """A textured picture ``(height, width, 3)`` uint8 BGR whose brightness tells ``number``."""
    image = np.full((height, width, 3), 40 + number % 8 * 20, np.uint8)
    cv2.putText(image, str(number), (20, height // 2), cv2.FONT_HERSHEY_SIMPLEX, 2, (255, 255, 255), 3)
    return image


class MjpegServer:
    """Serves ``picture(0)``, ``picture(1)``, ... to each client at ``rate`` frames/s until it is closed."""

    def __init__(self, port=0, rate=20.0):
        closing = self._closing = threading.Event()

        class Camera(BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path != "/video":
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                number, due = 0, time.monotonic()
                while not closing.wait(max(0.0, due - time.monotonic())):
                    data = cv2.imencode(".jpg", picture(number))[1].tobytes()
                    head = "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data)
                    try:
                        self.wfile.write(head.encode() + data + b"\r\n")
                    except OSError:  # the client went away
                        return
                    number, due = number + 1, due + 1 / rate

            def log_message(self, *args):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

        self._server = Server(("127.0.0.1", port), Camera)
        self.port = self._server.server_address[1]
        self.url = "http://127.0.0.1:%d/video" % self.port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def close(self):
        """Cut every connection and stop listening."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
