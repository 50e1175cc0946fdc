"""Signals that come at a bad moment."""

import contextlib
import signal


@contextlib.contextmanager
def signals_held(*signals):
    """Hold ``signals`` back from this thread until the block ends; threads and processes begun in it inherit that."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
