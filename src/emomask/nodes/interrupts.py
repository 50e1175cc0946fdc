"""Signals while a node starts."""

import contextlib
import signal


@contextlib.contextmanager
def interrupts_held():
    """Hold SIGINT and SIGTERM back until the block ends; for the main thread.

    rospy's shutdown, which they begin, talks to the master: it deadlocks while the interrupted thread does so itself,
    as when it registers topics and services.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
