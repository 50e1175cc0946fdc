"""``emomask serve`` as a process of its own, for measurements."""

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx


class ServerProcess:
    """``url``: where it is; ``process``: the running command."""

    def __init__(self, process, url):
        self.process = process
        self.url = url

    def memory(self):
        """Bytes that the server and its workers hold (proportional share of what they have in common)."""
        total = 0
        for pid in [self.process.pid, *_descendants(self.process.pid)]:
            with contextlib.suppress(OSError):
                text = Path("/proc/%d/smaps_rollup" % pid).read_text()
                total += 1024 * int(re.search(r"^Pss: +(\d+) kB", text, re.MULTILINE).group(1))
        return total


def _descendants(pid):
    found = []
    with contextlib.suppress(OSError):
        for task in Path("/proc/%d/task" % pid).iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *_descendants(int(child))]
    return found


@contextlib.contextmanager
def server_process(*options):
    """A ``ServerProcess`` on a free port, with options of the command."""
    program = "import sys; from emomask.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "serve", "--port", "0", *options]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        url = re.search(r"http\S+", process.stdout.readline()).group()
        with httpx.Client(trust_env=False, transport=httpx.HTTPTransport(retries=20)) as client:
            client.get(url + "api/health")
        yield ServerProcess(process, url)
    finally:
        process.terminate()
        process.wait(30)
