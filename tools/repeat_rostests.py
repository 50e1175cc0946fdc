#!/usr/bin/env python3
"""Run every rostest many times, to find those that fail now and then. After "make test", in its environment.

Each run is a line: test, round, what passed, failed and was skipped, seconds. The end is a table, and the exit status
says whether anything failed. A run's output is kept in the folder --logs.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from count_cases import count_cases, in_words

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 600.0  # seconds of one run
ALONE = {"overload", "two_hosts"}  # measure what two cores give, and whether that lasts: never beside another test


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tests", nargs="*", help="names in test/ros without .test (default: all)")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--lanes", type=int, default=1, help="tests that run at the same time (default: 1)")
    parser.add_argument("--logs", type=Path, default=ROOT / ".ws" / "repeated")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # nodes end by it; a shell's background jobs ignore it
    tests = options.tests or sorted(path.stem for path in (ROOT / "test" / "ros").glob("*.test"))
    # A test never runs beside itself: it may have a port or a folder of its own.
    alone = {test: threading.Lock() for test in tests}
    totals = {test: Counter() for test in tests}

    def run(number: int, test: str) -> None:
        with alone[test]:
            start = time.monotonic()
            counts = run_once(test, options.logs / ("%s_%02d" % (test, number)))
            seconds = time.monotonic() - start
        totals[test].update(counts, runs=1, seconds=seconds)
        print("%-24s %2d  %s  %.0f s" % (test, number, in_words(counts), seconds), flush=True)

    rounds = [(number + 1, test) for number in range(options.rounds) for test in tests]
    with ThreadPoolExecutor(options.lanes) as lanes:
        for future in [lanes.submit(run, *one) for one in rounds if one[1] not in ALONE]:
            future.result()
    for one in rounds:
        if one[1] in ALONE:
            run(*one)
    print("\n| rostest | runs | cases | seconds a run |\n|---|---|---|---|")
    for test, total in totals.items():
        print("| %s | %d | %s | %.0f |" % (test, total["runs"], in_words(total), total["seconds"] / total["runs"]))
    total = sum(totals.values(), Counter())
    print("| all | %d | %s | |" % (total["runs"], in_words(total)))
    return int(total["failed"] > 0 or total["passed"] == 0)


def run_once(test: str, folder: Path) -> Counter:
    """What the cases of one run came to; a run that gives no results, or is too slow, counts as a failure."""
    shutil.rmtree(str(folder), ignore_errors=True)
    folder.mkdir(parents=True)
    package = ROOT / ".ws" / "src" / "emomask"
    file = package / "test" / "ros" / (test + ".test")
    command = ["rostest", "--pkgdir", str(package), "--package", "emomask", str(file)]
    places = {"ROS_HOME": str(folder), "ROS_TEST_RESULTS_DIR": str(folder / "results")}
    environment = {**os.environ, **places, "ROS_HOSTNAME": "localhost", "PYTHONUNBUFFERED": "1"}
    with open(str(folder / "output.txt"), "w") as output:
        process = subprocess.Popen(
            command, cwd=str(ROOT), env=environment, stdout=output, stderr=output, start_new_session=True
        )
        try:
            status = process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)  # rostest ends its nodes, which are in sessions of their own
            process.wait()
            return Counter(failed=1)
    counts = count_cases(folder / "results")
    if not counts or (status and not counts["failed"]):
        counts["failed"] += 1
    return counts


if __name__ == "__main__":
    sys.exit(main())
