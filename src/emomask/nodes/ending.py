"""How Ctrl-C and SIGTERM end a node."""

import atexit
import contextlib
import os
import signal
import sys
import threading
from typing import Iterator

import rospy

LONGEST_END = 10.0  # seconds for which the process waits for rospy's shutdown

_may_end = threading.Lock()


def init_node(name: str) -> None:
    """``rospy.init_node``, but signals shut the node down from a thread of their own.

    rospy's handlers do it in the main thread, whatever that is doing. While it asks the master for something it holds a
    lock that the shutdown needs, too, and the node would hang for ever. A signal while there is no master yet ends the
    process (SystemExit).
    """
    reader, writer = os.pipe()

    def shut_down() -> None:
        reason = "signal-%d" % os.read(reader, 1)[0]
        with _may_end:
            rospy.signal_shutdown(reason)

    ending = threading.Thread(target=shut_down, name="ending", daemon=True)
    received = []

    def pass_on(number: int, _) -> None:
        received.append(number)
        os.write(writer, bytes([number]))

    def finish() -> None:
        if received:
            ending.join(LONGEST_END)

    ending.start()
    atexit.register(finish)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, pass_on)
    try:
        rospy.init_node(name, disable_signals=True)
    except rospy.ROSInitException:
        if not received:
            raise
        sys.exit(0)


@contextlib.contextmanager
def set_up() -> Iterator[None]:
    """Hold a shutdown by a signal back until the block ends: what a node begins to register, it registers whole."""
    with _may_end:
        yield
