import signal
import subprocess
import sys

import pytest

LEAVING = """
import time
from emomask.interrupts import interrupted, leave_on_interrupts
leave_on_interrupts()
try:
    print(interrupted(), flush=True)
    time.sleep(60)
except:
    {caught}
print(interrupted(), flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("caught, output", [("raise", ""), ("pass", "True\n")])
def test_a_signal_ends_the_process_and_is_known_where_that_is_caught(number, caught, output):
    command = [sys.executable, "-c", LEAVING.format(caught=caught)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout.readline() == "False\n"
    process.send_signal(number)
    rest, _ = process.communicate(timeout=30)
    assert (process.returncode, rest) == (0, output)
