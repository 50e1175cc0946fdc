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
python3 ../tools/count_cases.py build/test_results || status=1
exit "$status"
