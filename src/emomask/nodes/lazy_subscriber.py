"""A subscription that is there only while it is wanted, so that the publisher can rest as well."""

import threading
import time
from typing import Optional

import rospy

# A viewer that is started anew must not cost a camera's start.
LINGER = 1.0


class LazySubscriber:
    """What rospy.Subscriber is, from ``follow(True)`` on until ``follow(False)`` has been said for ``LINGER`` seconds.

    Attributes
    ----------
    name: the resolved topic.
    since: ``time.monotonic()`` of the subscription; None while there is none.
    """

    def __init__(self, topic: str, kind, callback, **options):
        self.name = rospy.resolve_name(topic)
        self.since: Optional[float] = None
        self._arguments = (self.name, kind, callback)
        self._options = options
        self._subscriber: Optional[rospy.Subscriber] = None
        self._last_wanted = -LINGER
        self._closed = False
        self._lock = threading.Lock()

    def follow(self, wanted: bool) -> None:
        """Subscribe or unsubscribe as wanted; to be called again and again."""
        now = time.monotonic()
        if wanted:
            self._last_wanted = now
        with self._lock:
            if wanted and self._subscriber is None and not self._closed:
                self._subscriber = rospy.Subscriber(*self._arguments, **self._options)
                self.since = now
            elif not wanted and now - self._last_wanted >= LINGER:
                self._end()

    def get_num_connections(self) -> int:
        """How many publishers are connected."""
        with self._lock:
            return self._subscriber.get_num_connections() if self._subscriber else 0

    def unregister(self) -> None:
        """End the subscription for good."""
        with self._lock:
            self._closed = True
            self._end()

    def _end(self) -> None:
        if self._subscriber is not None:
            self._subscriber.unregister()
            self._subscriber = self.since = None
