# shellcheck shell=bash
# For bash, to be sourced after "make demo" or "make test": puts the virtual environment and the workspace into this
# shell, so that roslaunch, rosrun, rostest, python3 and emomask are the right ones.
emomask_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source "$emomask_root/.venv/bin/activate"
source "$emomask_root/.ws/devel/setup.bash"
unset emomask_root
