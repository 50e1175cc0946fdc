#!/usr/bin/env bash
# Run all tests: pytest, rostest and the checks of the launch files. Needs "tools/setup.sh test" before.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

set +u
source tools/environment.bash
set -u
export ROS_HOSTNAME=localhost ROS_HOME=$PWD/.ws/ros PYTHONUNBUFFERED=1
cd .ws
rm -rf build/test_results
# The make target succeeds whatever the tests say: the results decide.
catkin_make -j1 run_tests
status=0
results=$(catkin_test_results build/test_results) || status=$?
echo
echo "$results"
# Cases, not sub-tests, which catkin_test_results adds up as failures.
python3 - <<'PYTHON' || status=1
import collections
from pathlib import Path
from xml.etree import ElementTree

counts = collections.Counter()
for path in sorted(Path("build/test_results").rglob("*.xml")):
    for case in ElementTree.parse(str(path)).iter("testcase") if path.stat().st_size else ():
        tags = {child.tag for child in case}
        outcome = "failed" if tags & {"failure", "error"} else "skipped" if "skipped" in tags else "passed"
        counts[outcome] += 1
        if outcome == "failed":
            print("FAILED %s %s.%s" % (path.stem, case.get("classname"), case.get("name")))
print("%d passed, %d failed, %d skipped" % (counts["passed"], counts["failed"], counts["skipped"]))
raise SystemExit(counts["failed"] > 0 or counts["passed"] == 0)
PYTHON
exit "$status"
