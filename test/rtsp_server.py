"""A network camera for the tests: H.264 over RTSP (RFC 7826's forerunner, RFC 2326) in the same TCP connection."""

import socketserver
import struct
import threading
import time
from fractions import Fraction

import av
from camera_server import CameraServer, picture

_SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
_SDP += "a=fmtp:96 packetization-mode=1\r\na=control:track0\r\n"
_CLOCK = 90000  # RTP's clock of video, in Hz


class RtspServer(CameraServer):
    """Serves ``picture(0)``, ``picture(1)``, ... to each client at ``rate`` frames/s until it is closed."""

    def __init__(self, port=0, rate=20.0):
        closing = threading.Event()

        class Camera(socketserver.StreamRequestHandler):
            def handle(self):
                while self._answer():
                    pass

            def _answer(self):
                """Answer one request; False when there is none to follow."""
                lines = []
                while True:
                    line = self.rfile.readline().decode("latin-1").strip()
                    if not line:
                        break
                    lines.append(line)
                if not lines:
                    return False
                headers = {
                    name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
                }
                method = lines[0].split()[0]
                answer = ["RTSP/1.0 200 OK", "CSeq: " + headers["cseq"], "Session: 1"]
                if method == "OPTIONS":
                    answer.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
                elif method == "DESCRIBE":
                    answer += ["Content-Type: application/sdp", "Content-Length: %d" % len(_SDP)]
                elif method == "SETUP" and "TCP" not in headers["transport"]:
                    answer[0] = "RTSP/1.0 461 Unsupported Transport"
                elif method == "SETUP":
                    answer.append("Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
                self.wfile.write(("\r\n".join(answer) + "\r\n\r\n" + (_SDP if method == "DESCRIBE" else "")).encode())
                if method == "PLAY":
                    self._play()
                return method not in ("PLAY", "TEARDOWN")

            def _play(self):
                encoder = av.CodecContext.create("libx264", "w")
                encoder.width, encoder.height, encoder.pix_fmt = 320, 240, "yuv420p"
                encoder.time_base = Fraction(1, int(rate))
                encoder.options = {"tune": "zerolatency", "x264-params": "keyint=10:repeat-headers=1:log-level=none"}
                number, sequence, due = 0, 0, time.monotonic()
                while not closing.wait(max(0.0, due - time.monotonic())):
                    frame = av.VideoFrame.from_ndarray(picture(number), "bgr24").reformat(format="yuv420p")
                    frame.pts = number
                    units = [unit for packet in encoder.encode(frame) for unit in _units(bytes(packet))]
                    for unit in units:
                        # Of the units of a frame the last one is marked.
                        kind = 96 | (0x80 if unit is units[-1] else 0)
                        head = struct.pack(">BBHII", 0x80, kind, sequence & 0xFFFF, int(number * _CLOCK / rate), 7)
                        try:
                            self.wfile.write(struct.pack(">cBH", b"$", 0, len(head) + len(unit)) + head + unit)
                        except OSError:  # the client went away
                            return
                        sequence += 1
                    number, due = number + 1, due + 1 / rate

        super().__init__(Camera, port, "rtsp://127.0.0.1:%d/stream", closing)


def _units(stream):
    """The NAL units of a byte stream (H.264, annex B), each in 64 kB so that it need not be split for RTP."""
    units = [unit.rstrip(b"\0") for unit in stream.split(b"\0\0\1")]
    return [unit for unit in units if unit]
