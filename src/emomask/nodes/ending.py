"""How Ctrl-C and SIGTERM end a node."""

import atexit
import contextlib
import os
import sys
import threading
from typing import Iterator

import rospy

from emomask.interrupts import interrupted, leave_on_interrupts, on_interrupts

LONGEST_END = 10.0  # seconds for which the process waits for rospy's shutdown

_may_end = threading.Lock()


def init_node(name: str) -> None:
    """``rospy.init_node``, but signals shut the node down from a thread of their own.

    rospy's handlers do it in the main thread, whatever that is doing. While it asks the master for something it holds a
    lock that the shutdown needs, too, and the node would hang for ever. Before there is a node, while it waits for a
    master, a signal ends the process (SystemExit).
    """
    leave_on_interrupts()
    rospy.init_node(name, disable_signals=True)
    if interrupted():  # and rospy, or an import, has caught the exception
        sys.exit(0)
    reader, writer = os.pipe()

    def shut_down() -> None:
        reason = "signal-%d" % os.read(reader, 1)[0]
        with _may_end:
            rospy.signal_shutdown(reason)

    def finish() -> None:
        if interrupted():
            ending.join(LONGEST_END)

    ending = threading.Thread(target=shut_down, name="ending", daemon=True)
    ending.start()
    atexit.register(finish)
    on_interrupts(lambda number: os.write(writer, bytes([number])))


@contextlib.contextmanager
def set_up() -> Iterator[None]:
    """Hold a shutdown by a signal back until the block ends: what a node begins to register, it registers whole."""
    with _may_end:
        yield
