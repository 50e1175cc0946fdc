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
read -r total errors failures skipped < <(
    sed -nE 's/^Summary: ([0-9]+) tests, ([0-9]+) errors, ([0-9]+) failures, ([0-9]+) skipped$/\1 \2 \3 \4/p' <<<"$results"
)
echo
python3 - <<'PYTHON'
from pathlib import Path
from xml.etree import ElementTree

for path in sorted(Path("build/test_results").rglob("*.xml")):
    cases = ElementTree.parse(str(path)).iter("testcase") if path.stat().st_size else ()
    for case in cases:
        if case.find("failure") is not None or case.find("error") is not None:
            print("FAILED %s %s.%s" % (path.stem, case.get("classname"), case.get("name")))
PYTHON
echo "$results"
echo "$((total - errors - failures - skipped)) passed, $((errors + failures)) failed, $skipped skipped"
[ "$total" -gt 0 ] && exit "$status"
