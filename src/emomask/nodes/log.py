"""What the core says through Python's logging, on the console and /rosout of a node."""

import logging


class _ToRosout(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        logging.getLogger("rosout").handle(record)


def forward_core_log() -> None:
    """Show the core's log lines from level INFO on as the node's own; rospy sends them to the log file only.

    Call it once, after ``rospy.init_node``.
    """
    core = logging.getLogger("emomask")
    core.setLevel(logging.INFO)
    core.propagate = False
    core.addHandler(_ToRosout())
