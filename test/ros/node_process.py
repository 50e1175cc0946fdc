"""A node of the package as a process of its own, for tests of how nodes start and end."""

import itertools
import signal
import subprocess
import tempfile
from pathlib import PurePath

import roslib.packages

_numbers = itertools.count(1)


class NodeProcess:
    """Starts a node under a name of its own (parameters outlive a node) with ``_name:=value`` and other arguments."""

    def __init__(self, node, *arguments):
        script = roslib.packages.find_node("emomask", node)[0]
        self.name = "%s_%d" % (PurePath(node).stem, next(_numbers))
        # A file, because a pipe that nobody reads would stop the node when it is full.
        self._output = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            [script, "__name:=" + self.name, *map(str, arguments)], stdout=self._output, stderr=subprocess.STDOUT
        )

    @property
    def text(self):
        """What the node has printed so far, to standard output and standard error."""
        self._output.seek(0)
        return self._output.read()

    @property
    def running(self):
        return self._process.poll() is None

    @property
    def pid(self):
        return self._process.pid

    def send_signal(self, number):
        """Send a signal (``signal.SIGSTOP`` ...)."""
        self._process.send_signal(number)

    def interrupt(self):
        """Send what Ctrl-C sends."""
        self.send_signal(signal.SIGINT)

    def wait(self, deadline=60.0):
        """Wait for the node's end; gives its exit code. Raises subprocess.TimeoutExpired when it does not end."""
        return self._process.wait(deadline)

    def close(self):
        """Kill the node if it still runs."""
        if self.running:
            self._process.kill()
            self._process.wait()
        self._output.close()
