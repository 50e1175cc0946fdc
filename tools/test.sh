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
results=$(catkin_test_results --verbose build/test_results) || status=$?
read -r total errors failures skipped < <(
    sed -nE 's/^Summary: ([0-9]+) tests, ([0-9]+) errors, ([0-9]+) failures, ([0-9]+) skipped$/\1 \2 \3 \4/p' <<<"$results"
)
echo
echo "$results"
echo "$((total - errors - failures - skipped)) passed, $((errors + failures)) failed, $skipped skipped"
[ "$total" -gt 0 ] && exit "$status"
