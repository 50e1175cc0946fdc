"""Decodes strangers' pictures in processes of their own, so that a bad one costs a process and nothing more."""

import contextlib
import queue
import struct
import threading
from typing import Iterator, NamedTuple

import numpy as np

from emomask.errors import EmomaskError, SourceError
from emomask.web import decoder
from emomask.web.processes import start_process

_STARTING = 60.0  # seconds for a process to load the decoders, on a machine that is busy


class Decoded(NamedTuple):
    """A decoded picture: uint8 ``(H, W, 3)`` BGR, upright, over white; ``profile``: its ICC profile, or empty."""

    frame: np.ndarray
    profile: bytes


class Sandbox:
    """Processes that decode pictures, one each at a time; several threads may use a sandbox.

    Parameters
    ----------
    workers: how many processes.
    largest_pixels: what a picture may have; found in its header, before it is decoded.
    memory: bytes that decoding a picture may take.
    seconds: time that it may take; the process is then killed, and another one takes its place.
    is_camera: only JPEGs of a camera are decoded, fast and without care for orientation, colour profile and the like.
    """

    def __init__(
        self,
        workers: int,
        largest_pixels: int,
        memory: int = 1 << 30,
        seconds: float = 10.0,
        is_camera: bool = False,
    ):
        self._limits = largest_pixels, memory, is_camera
        self._seconds = seconds
        self._closed = False
        self._idle = queue.Queue()  # of _Worker
        self._workers = [_Worker(*self._limits) for _ in range(workers)]
        for worker in self._workers:
            self._idle.put(worker)

    def decode(self, data: bytes) -> Decoded:
        """The picture that ``data``, the bytes of a file, holds; what it is, its content tells.

        Raises SourceError, in one line, when it cannot be decoded, or not within the limits.
        """
        with self._worker() as worker:
            return worker.decode(data, self._seconds)

    def close(self) -> None:
        """End the processes."""
        self._closed = True
        for worker in self._workers:
            worker.close()

    @contextlib.contextmanager
    def _worker(self) -> Iterator["_Worker"]:
        worker = self._idle.get()
        try:
            yield worker
        finally:
            if not worker.alive and not self._closed:
                self._workers.remove(worker)
                worker.close()
                worker = _Worker(*self._limits)
                self._workers.append(worker)
            self._idle.put(worker)


class _Worker:
    def __init__(self, largest_pixels: int, memory: int, is_camera: bool):
        self._process, self._connection = start_process(decoder.serve, largest_pixels, memory, is_camera)
        self._longest = 1 + decoder.HEADER.size + decoder.LARGEST_PROFILE + 3 * largest_pixels
        self._ready = False
        self.alive = True

    def decode(self, data: bytes, seconds: float) -> Decoded:
        if not self._ready:
            self._exchange(_STARTING)
            self._ready = True
        answer = self._exchange(seconds, data)
        if answer[:1] == decoder.ERROR:
            raise SourceError(answer[1:].decode("utf-8", "replace")[:500])
        try:
            return _decoded(answer)
        except (struct.error, ValueError) as error:
            self.alive = False
            raise EmomaskError("The decoder gave an answer that is none.") from error

    def close(self) -> None:
        self.alive = False
        self._process.kill()
        self._process.join()
        self._connection.close()

    def _exchange(self, seconds: float, data: bytes = b"") -> bytes:
        """Send ``data``, when there is some, and wait for the answer. Raises SourceError when the process died."""
        expired = threading.Event()

        def expire():
            expired.set()
            self._process.kill()

        timer = threading.Timer(seconds, expire)
        timer.start()
        try:
            if data:
                self._connection.send_bytes(data)
            return self._connection.recv_bytes(self._longest)
        except (EOFError, OSError) as error:
            self.alive = False
            if expired.is_set():
                raise SourceError("The picture took longer than %g s to decode: scale it down." % seconds) from error
            raise SourceError("The picture cannot be decoded: it is damaged, or needs too much memory.") from error
        finally:
            timer.cancel()
            self.alive = self.alive and not expired.is_set()


def _decoded(answer: bytes) -> Decoded:
    """What a process answered; it may have been taken over by a picture, so nothing in it is believed."""
    height, width, profile = decoder.HEADER.unpack_from(answer, 1)
    start = 1 + decoder.HEADER.size + profile
    pixels = np.frombuffer(answer, np.uint8, offset=start).reshape(height, width, 3)
    return Decoded(pixels, answer[start - profile : start])
