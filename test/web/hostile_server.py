"""An HTTP server that does everything that one should not; each path is a misdeed."""

import contextlib
import socketserver
import threading
import time

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40


class _Misdeeds(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                line = self.rfile.readline()
                if not line:
                    return
                head += line
            self.server.requests.append(head.decode("latin-1"))
            path, _, query = head.split()[1].decode("latin-1").partition("?")
            getattr(self, path.strip("/").replace("-", "_") or "picture")(query)
        except OSError:  # the client has had enough
            pass

    def send(self, body=b"", status="200 OK", *fields):
        lines = ["HTTP/1.1 " + status, *fields]
        if not any(field.lower().startswith(("content-length", "transfer-encoding")) for field in fields):
            lines.append("Content-Length: %d" % len(body))
        self.wfile.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def picture(self, query):
        self.send(PICTURE, "200 OK", "Content-Type: image/png")

    def redirect(self, query):
        self.send(b"", "302 Found", "Location: " + query)

    def loop(self, query):
        self.send(b"", "301 Moved", "Location: /loop")

    def nowhere(self, query):
        self.send(b"", "302 Found")

    def missing(self, query):
        self.send(b"<html>no", "404 Not Found")

    def announces_much(self, query):
        self.send(b"x", "200 OK", "Content-Length: 99999999999")

    def endless(self, query):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while True:
            self.wfile.write(b"x" * 65536)

    def endless_chunks(self, query):
        self.send(b"", "200 OK", "Transfer-Encoding: chunked")
        while True:
            self.wfile.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    def endless_headers(self, query):
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            self.wfile.write(b"X-More: " + b"x" * 8000 + b"\r\n")

    def endless_interim(self, query):
        while True:
            self.wfile.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")

    def drips_body(self, query):
        self.send(b"", "200 OK", "Content-Length: 10000")
        self._drip()

    def drips_header(self, query):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        self._drip()

    def silent(self, query):
        self.server.closing.wait(30)

    def cut_off(self, query):
        self.send(b"only this", "200 OK", "Content-Length: 10000")

    def packed(self, query):
        self.send(b"\x1f\x8b" + bytes(100), "200 OK", "Content-Encoding: gzip")

    def no_http(self, query):
        self.wfile.write(b"220 mail.example ESMTP\r\n")

    def _drip(self):
        while not self.server.closing.is_set():
            self.wfile.write(b"x")
            time.sleep(0.05)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, host):
        super().__init__((host, 0), _Misdeeds)
        self.requests = []
        self.closing = threading.Event()


@contextlib.contextmanager
def hostile_server(host="127.0.0.1", tls=None):
    """A running server: ``port``, and ``requests``, the heads that it received. ``tls``: an SSLContext."""
    with _Server(host) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()
