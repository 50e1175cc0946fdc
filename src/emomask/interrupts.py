"""Interrupts that come at a bad moment."""

import contextlib
import signal
import sys
from typing import Callable, List

_received: List[int] = []


def on_interrupts(handler: Callable[[int], None]) -> None:
    """Have ``handler`` called in the main thread with the number of each SIGINT and SIGTERM that comes."""

    def handle(number: int, _) -> None:
        _received.append(number)
        handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)


def interrupted() -> bool:
    """Whether a signal has come since ``on_interrupts``."""
    return bool(_received)


def leave_on_interrupts() -> None:
    """From now on a signal ends the process, by SystemExit. Much code catches that as well: ask ``interrupted()``."""
    on_interrupts(lambda _: sys.exit(0))


@contextlib.contextmanager
def interrupts_held():
    """Hold SIGINT and SIGTERM back from this thread until the block ends; what begins in it inherits that for good."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
