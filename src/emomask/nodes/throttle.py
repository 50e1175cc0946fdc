"""A limit on how often something is logged."""

import time


class Throttle:
    """Says yes at most once per ``period`` seconds of the wall clock, which runs on when a simulated clock stands."""

    def __init__(self, period: float, start_ready: bool = True):
        self._period = period
        self._next = time.monotonic() + (0.0 if start_ready else period)

    def ready(self) -> bool:
        """Whether the time has come; a yes starts the next period."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._period
        return True
