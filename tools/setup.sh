#!/usr/bin/env bash
# Install what emomask needs on Debian and build it: packages from apt, a virtual environment in .venv, a catkin
# workspace in .ws. What is already there is left alone, so that a second run takes seconds and needs no network.
# Usage: bash tools/setup.sh [test]     "test" also installs what the tests, the linters and the training need
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD

# ROS and the tools that build a package with messages; pip brings OpenCV, NumPy and the networks' runtime.
# std_srvs: the talker's services that start and stop the capture.
# libimage-view-dev and libnodeletlib-tools hold the package.xml files without which ROS does not find image_view.
packages=(
    catkin g++ libdynamic-reconfigure-config-init-mutex-dev libimage-view-dev libnodeletlib-tools librostest-dev
    libsensor-msgs-dev libstd-msgs-dev make python3-cv-bridge python3-diagnostic-updater python3-dynamic-reconfigure
    python3-pip python3-rosbag python3-roslaunch python3-rospy python3-rostest python3-setuptools python3-std-srvs
    python3-venv python3-wheel ros-core ros-core-python-dev ros-image-view ros-message-generation ros-message-runtime
    ros-sensor-msgs ros-std-msgs ros-std-srvs rosbash
)
requirements=(-r requirements.txt)
level="run"
if [ "${1:-}" = test ]; then
    # The browser for the website's tests, with letters; a display for the preview's; messages for the listener's.
    packages+=(chromium fonts-dejavu-core python3-opencv-apps python3-xlib xvfb)
    requirements+=(-r requirements-test.txt)
    level="test"
fi

fail() {
    echo "emomask: $*" >&2
    exit 1
}

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

install_packages() {
    command -v apt-get dpkg-query >/dev/null ||
        fail "this needs Debian (12 or later), whose archive carries ROS 1. README.md says how to build elsewhere."
    local missing=() package as_root=()
    for package in "${packages[@]}"; do
        installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null ||
            fail "only root can install packages and there is no sudo. As root: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    echo "emomask: installing ${missing[*]}"
    "${as_root[@]}" apt-get update -q ||
        fail "apt-get update failed (see above)."
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" ||
        fail "apt-get could not install ROS (see above). Only Debian 12 or later has it in its own archive."
}

# The system's Python, because ROS' modules and cv_bridge are compiled for it and installed into it.
make_environment() {
    local python=.venv/bin/python3 stamp=.venv/installed-$level state
    if ! "$python" -c 'import rospy, sys; sys.exit(sys.base_prefix != "/usr")' 2>/dev/null; then
        echo "emomask: making the virtual environment .venv"
        /usr/bin/python3 -m venv --system-site-packages --clear .venv
    fi
    state=$(echo "$root" | cat - constraints.txt package.xml pyproject.toml requirements*.txt setup.py | sha256sum)
    [ "$(cat "$stamp" 2>/dev/null)" = "$state" ] && return
    echo "emomask: installing the Python requirements into .venv"
    "$python" -m pip install --disable-pip-version-check -c constraints.txt "${requirements[@]}"
    "$python" -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
    echo "$state" >"$stamp"
}

build_workspace() {
    mkdir -p .ws/src
    ln -sfn "$root" .ws/src/emomask
    # A workspace that was made elsewhere, before the folder was moved, cannot be built again.
    if [ -f .ws/build/CMakeCache.txt ] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root/.ws/src" .ws/build/CMakeCache.txt; then
        rm -rf .ws/build .ws/devel
    fi
    (
        PATH=$root/.venv/bin:$PATH
        cd .ws
        catkin_make -j1 -DPYTHON_EXECUTABLE="$root/.venv/bin/python3" >build.log 2>&1
    ) || {
        cat .ws/build.log >&2
        fail "the package could not be built (see above)."
    }
}

[[ $root != *[[:space:]]* ]] || fail "catkin cannot build in a folder whose path has a space: $root"
install_packages
make_environment
build_workspace
