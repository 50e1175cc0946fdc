"""A mailbox for one item, in which a newer item replaces the one that nobody has taken yet."""

import threading
from typing import Any, Optional


class Mailbox:
    """Hands the newest item from one thread to another, so that work that is slower than its input never lags.

    Attributes
    ----------
    dropped: how many items were replaced before they were taken.
    """

    def __init__(self):
        self.dropped = 0
        self._item = None
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: Any) -> None:
        """Leave ``item`` (not None), replacing an older one; never waits for the taker. Ignored once closed."""
        with self._changed:
            if self._closed:
                return
            if self._item is not None:
                self.dropped += 1
            self._item = item
            self._changed.notify()

    def take(self, timeout: float) -> Optional[Any]:
        """The item, or None when none came within ``timeout`` seconds or the mailbox is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed, timeout)
            item, self._item = self._item, None
            return item

    def close(self) -> None:
        """Discard what is left and wake every waiting ``take``."""
        with self._changed:
            self._closed = True
            self._item = None
            self._changed.notify_all()
