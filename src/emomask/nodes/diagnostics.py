"""/diagnostics of a node, once a second by the wall clock."""

import functools
import threading
from typing import Any, Callable, Mapping, NamedTuple, Optional

import rospy
from diagnostic_updater import Updater

from emomask.errors import described
from emomask.health import Figures, Level

PERIOD = 1.0  # seconds


class Status(NamedTuple):
    """One line of a monitor: how bad, why, and the figures behind it by name."""

    level: Level
    message: str
    values: Mapping[str, Any]


class Diagnostics:
    """Publishes what ``tasks`` say, from a thread of its own, until the node ends.

    Parameters
    ----------
    hardware_id: what the statuses are about: a device, a source.
    tasks: by name, what gives a ``Status``; each is called once a second.
    """

    def __init__(self, hardware_id: str, tasks: Mapping[str, Callable[[], Status]]):
        self._updater = Updater()
        self._updater.setHardwareID(hardware_id)
        for name, task in tasks.items():
            self._updater.add(name, functools.partial(_filled, task))
        self._ended = threading.Event()
        rospy.on_shutdown(self._ended.set)
        threading.Thread(target=self._run, name="diagnostics", daemon=True).start()

    def _run(self) -> None:
        while not self._ended.wait(PERIOD):
            try:
                self._updater.force_update()
            except rospy.ROSException:  # the topic is closed: the node is ending
                return


def figures_as_values(figures: Figures) -> Mapping[str, str]:
    """What a monitor shows of a node's ``figures``."""
    return {
        "frames published per second": "%.1f" % figures.rate,
        "frames received per second": "%.1f" % figures.arrival_rate,
        "frames skipped for newer ones": figures.dropped,
        "frames failed": figures.failed,
        "counted over (s)": "%.0f" % figures.seconds,
        "stamp to publishing, median (ms)": _milliseconds(figures.age),
        "stamp to publishing, longest (ms)": _milliseconds(figures.longest_age),
        "arrival to publishing, median (ms)": _milliseconds(figures.work),
        "since the last frame (s)": "%.1f" % figures.silence if figures.begun else "none yet",
    }


def _milliseconds(seconds: Optional[float]) -> str:
    return "unknown" if seconds is None else "%.0f" % (seconds * 1000)


def _filled(task: Callable[[], Status], stat):
    """``stat``, a DiagnosticStatusWrapper, with what ``task`` says; a task that fails is an error itself."""
    try:
        level, message, values = task()
    except Exception as error:
        level, message, values = Level.ERROR, "This status cannot be had: %s" % described(error), {}
    stat.summary(int(level), message)
    for name, value in values.items():
        stat.add(name, str(value))
    return stat
