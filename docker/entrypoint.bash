#!/usr/bin/env bash
# Runs the container's command with the virtual environment and the workspace; devel/setup.bash brings ROS with it.
set -e
source /opt/emomask/tools/environment.bash
exec "$@"
