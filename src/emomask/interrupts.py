"""Interrupts that come at a bad moment."""

import contextlib
import signal


@contextlib.contextmanager
def interrupts_held():
    """Hold SIGINT and SIGTERM back from this thread until the block ends; what begins in it inherits that for good."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
