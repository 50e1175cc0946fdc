"""A robot's camera, already masked, shown to any number of visitors: each gets the newest picture, or none."""

import asyncio
import contextlib
import threading
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

import numpy as np


class Shown(NamedTuple):
    """A masked picture: its number, counting from 1, the uint8 ``(H, W, 3)`` BGR pixels, and faces for JSON."""

    number: int
    image: np.ndarray
    faces: List[Dict[str, Any]]


class Feed:
    """Hands the newest masked picture from a thread to the visitors of an event loop.

    Attributes
    ----------
    viewers: how many are looking; without any, nobody needs to ``put`` pictures.
    """

    def __init__(self):
        self.viewers = 0
        self._newest: Optional[Shown] = None
        self._count = 0
        self._lock = threading.Lock()
        self._waiting = []  # of (loop, event)

    def put(self, image: np.ndarray, faces: List[Dict[str, Any]]) -> None:
        """Show ``image`` from now on; never waits for a visitor."""
        with self._lock:
            self._count += 1
            self._newest = Shown(self._count, image, faces)
            waiting, self._waiting = self._waiting, []
        for loop, event in waiting:
            with contextlib.suppress(RuntimeError):  # the server has ended
                loop.call_soon_threadsafe(event.set)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Count a viewer; to be called in the event loop."""
        self.viewers += 1
        try:
            yield
        finally:
            self.viewers -= 1
            if not self.viewers:
                with self._lock:
                    self._newest = None  # of another time, when somebody looks again

    async def after(self, number: int) -> Shown:
        """The newest picture as soon as its number is larger than ``number``."""
        while True:
            waiter = asyncio.get_running_loop(), asyncio.Event()
            with self._lock:
                if self._newest is not None and self._newest.number > number:
                    return self._newest
                self._waiting.append(waiter)
            try:
                await waiter[1].wait()
            finally:
                with self._lock, contextlib.suppress(ValueError):  # a visitor who goes away
                    self._waiting.remove(waiter)
