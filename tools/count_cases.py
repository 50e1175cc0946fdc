#!/usr/bin/env python3
"""Count the cases in the JUnit files below a folder: those that passed, failed and were skipped; name the failed ones.

Cases, not sub-tests, which catkin_test_results adds up as failures. The exit status is 1 when one failed, and when none
passed.
"""

import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree


def count_cases(folder: Path) -> Counter:
    """How many cases ``passed``, ``failed`` and were ``skipped``; prints a line for each that failed."""
    counts = Counter()
    for path in sorted(folder.rglob("*.xml")):
        for case in ElementTree.parse(str(path)).iter("testcase") if path.stat().st_size else ():
            tags = {child.tag for child in case}
            outcome = "failed" if tags & {"failure", "error"} else "skipped" if "skipped" in tags else "passed"
            counts[outcome] += 1
            if outcome == "failed":
                print("FAILED %s %s.%s" % (path.stem, case.get("classname"), case.get("name")))
    return counts


def in_words(counts: Counter) -> str:
    """The counts as text."""
    return "%d passed, %d failed, %d skipped" % (counts["passed"], counts["failed"], counts["skipped"])


if __name__ == "__main__":
    found = count_cases(Path(sys.argv[1]))
    print(in_words(found))
    sys.exit(found["failed"] > 0 or found["passed"] == 0)
