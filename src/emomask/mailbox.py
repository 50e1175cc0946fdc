"""What threads hand items to each other by: a mailbox whose newest item counts, and a handover that loses none."""

import collections
import threading
from typing import Any, Optional


class Mailbox:
    """Hands the newest item from one thread to another, so that work that is slower than its input never lags.

    ``capacity``: how many items may wait; with more than one they are taken in the order in which they came.

    Attributes
    ----------
    dropped: how many items were replaced before they were taken.
    """

    def __init__(self, capacity: int = 1):
        self.dropped = 0
        self._items = collections.deque()
        self._capacity = capacity
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: Any) -> None:
        """Leave ``item`` (not None), in the place of the oldest when all are taken; never waits. Not once closed."""
        with self._changed:
            if self._closed:
                return
            if len(self._items) == self._capacity:
                self._items.popleft()
                self.dropped += 1
            self._items.append(item)
            self._changed.notify_all()

    def take(self, timeout: float) -> Optional[Any]:
        """The item, or None when none came within ``timeout`` seconds or the mailbox is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed, timeout)
            if not self._items:
                return None
            self._changed.notify_all()
            return self._items.popleft()

    def clear(self) -> None:
        """Discard what waits."""
        with self._changed:
            self._items.clear()
            self._changed.notify_all()

    def close(self) -> None:
        """Discard what is left and wake every waiting ``take``."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()


class Handover(Mailbox):
    """Hands every item from one thread to another, in the order in which they come: whoever puts one waits."""

    def put(self, item: Any, ahead: bool = False) -> None:
        """Leave ``item`` (not None) once there is room for it, and wait until all are taken, unless ``ahead``."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._items) < self._capacity or self._closed)
            super().put(item)
            self._changed.wait_for(lambda: ahead or not self._items or self._closed)
