"""An IP camera for the tests: MJPEG over HTTP, which can be cut and started again on the same port."""

import threading
import time
from http.server import BaseHTTPRequestHandler

import cv2
from camera_server import CameraServer, picture


class MjpegServer(CameraServer):
    """Serves ``picture(0)``, ``picture(1)``, ... to each client at ``rate`` frames/s until it is closed."""

    def __init__(self, port=0, rate=20.0):
        closing = threading.Event()

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

        super().__init__(Camera, port, "http://127.0.0.1:%d/video", closing)
