#!/usr/bin/env python3
"""Load a website of this machine with uploads and cameras at the same time, and check every answer.

Starts "emomask serve" on 127.0.0.1 and sends it a picture with three faces: UPLOADS clients post it again and again,
each waiting for its answer (after a 429 as long as it is told to), and CAMERAS clients send it as frames. Every client
has an address of its own, as behind a proxy. Prints figures as JSON; exit code 1 when a face was not covered, an answer
was none of 200 and 429, a camera got no frames, the server died, or its memory went on growing.
"""

import argparse
import asyncio
import collections
import json
import statistics
import sys
import time

import cv2
import httpx
import numpy as np
from running_site import SOLID, answer_of, frame_message
from server_process import server_process
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from emomask.media.demo_clip import DemoClip, true_faces

FRAME = 165  # of the demo clip: three faces
GREY = 128
CAMERA_RATE = 15.0  # frames/s that a camera sends at most
GROWTH = 1.25  # of memory, from the end of the first quarter to the end


def is_covered(data):
    """Whether all three faces of an answer's picture are grey."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None or image.shape != (480, 640, 3):
        return False
    centers = [(int(x), int(y)) for x, y in (box.center for box in true_faces(FRAME))]
    return all(np.abs(image[y - 8 : y + 8, x - 8 : x + 8].astype(int) - GREY).mean() < 8 for x, y in centers)


class Load:
    """The clients, and what they have seen."""

    def __init__(self, server, seconds):
        self.server = server
        self.ends = time.monotonic() + seconds
        self.began = time.monotonic()
        self.picture = cv2.imencode(".jpg", DemoClip().frame(FRAME))[1].tobytes()
        self.statuses = collections.Counter()
        self.uncovered = 0
        self.upload_seconds = []
        self.frames = collections.Counter()
        self.frame_seconds = []
        self.failures = collections.Counter()
        self.memory = []

    @property
    def runs(self):
        return time.monotonic() < self.ends

    async def upload(self, number):
        headers = {"Content-Type": "image/jpeg", "X-Forwarded-For": "198.51.100.%d" % number}
        async with httpx.AsyncClient(base_url=self.server.url, timeout=60, trust_env=False) as client:
            while self.runs:
                began = time.monotonic()
                try:
                    answer = await client.post(
                        "api/mask", content=self.picture, headers=headers, params={"style": "solid"}
                    )
                except httpx.HTTPError as error:
                    self.failures["upload %s" % type(error).__name__] += 1
                    await asyncio.sleep(1)
                    continue
                self.statuses[answer.status_code] += 1
                if answer.status_code == 200:
                    self.upload_seconds.append(time.monotonic() - began)
                    self.uncovered += not is_covered(answer.content)
                else:
                    await asyncio.sleep(float(answer.headers.get("retry-after", 1)))

    async def film(self, number):
        place = self.server.url.replace("http", "ws", 1) + "api/live"
        headers = {"X-Forwarded-For": "203.0.113.%d" % number}
        while self.runs:
            try:
                async with connect(place, additional_headers=headers) as socket:
                    await socket.send(json.dumps(SOLID))
                    await self._film(number, socket)
            except (OSError, ConnectionClosed, AssertionError, asyncio.TimeoutError) as error:
                self.failures["camera %s" % type(error).__name__] += 1
                await asyncio.sleep(1)

    async def _film(self, number, socket):
        while self.runs:
            began = time.monotonic()
            await socket.send(frame_message(1, self.picture))
            _, header, image = answer_of(await asyncio.wait_for(socket.recv(), 30))
            self.frames[number] += 1
            self.frame_seconds.append(time.monotonic() - began)
            self.uncovered += header["error"] is not None or not is_covered(image)
            await asyncio.sleep(max(0.0, began + 1 / CAMERA_RATE - time.monotonic()))

    async def watch(self):
        while self.runs:
            self.memory.append(self.server.memory())
            await asyncio.sleep(1)

    async def run(self, uploads, cameras):
        clients = [self.upload(number) for number in range(uploads)] + [self.film(number) for number in range(cameras)]
        await asyncio.gather(self.watch(), *clients)

    def figures(self):
        seconds = time.monotonic() - self.began
        return {
            "seconds": round(seconds),
            "answers": {str(status): count for status, count in sorted(self.statuses.items())},
            "pictures_per_second": round(self.statuses[200] / seconds, 2),
            "upload_p50_ms": _milliseconds(self.upload_seconds, 50),
            "upload_p95_ms": _milliseconds(self.upload_seconds, 95),
            "camera_fps": [round(count / seconds, 1) for _, count in sorted(self.frames.items())],
            "camera_p50_ms": _milliseconds(self.frame_seconds, 50),
            "camera_p95_ms": _milliseconds(self.frame_seconds, 95),
            "uncovered": self.uncovered,
            "failures": dict(self.failures),
            "memory_mb": [round(value / 2**20) for value in self.memory[:: max(1, len(self.memory) // 12)]],
        }

    def faults(self, cameras):
        """What was not as it should be, in words."""
        quarter = statistics.median(self.memory[len(self.memory) // 4 :][:10])
        found = {
            "a face was not covered": self.uncovered,
            "an answer was neither 200 nor 429": set(self.statuses) - {200, 429},
            "no picture was masked": not self.statuses[200],
            "a camera got no frames": len(self.frames) < cameras,
            "the server died": self.server.process.poll() is not None,
            "clients failed": self.failures,
            "memory went on growing": statistics.median(self.memory[-10:]) > GROWTH * quarter,
        }
        return [text for text, is_true in found.items() if is_true]


def _milliseconds(seconds, percentile):
    return round(1000 * float(np.percentile(seconds, percentile))) if seconds else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--uploads", type=int, default=50)
    parser.add_argument("--cameras", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=180)
    options = parser.parse_args()
    with server_process("--behind-proxy") as server:
        load = Load(server, options.seconds)
        asyncio.run(load.run(options.uploads, options.cameras))
        faults = load.faults(options.cameras)
        print(json.dumps({**load.figures(), "faults": faults}, indent=1))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
