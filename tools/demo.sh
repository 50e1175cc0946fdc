#!/usr/bin/env bash
# Run demo.launch with a master of its own and save the masked clip as demo/masked.mp4. Needs tools/setup.sh before.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
output=$PWD/demo/masked.mp4
# Far more than the ten seconds of the clip; ends a demo that hangs.
limit=300

set +u
source tools/environment.bash
set -u
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export ROS_HOSTNAME=localhost ROS_MASTER_URI=http://localhost:$port ROS_HOME=$PWD/.ws/ros PYTHONUNBUFFERED=1

view=none
if [ -n "${DISPLAY:-}" ] && python3 - <<'PYTHON' 2>/dev/null
import ctypes, sys
x11 = ctypes.CDLL("libX11.so.6")
x11.XOpenDisplay.restype = ctypes.c_void_p
sys.exit(not x11.XOpenDisplay(None))
PYTHON
then
    view=image_view
fi

mkdir -p demo
rm -f "$output"
status=0
timeout --foreground --signal=INT --kill-after=30 "$limit" \
    roslaunch --no-summary emomask demo.launch output:="$output" view:="$view" 2>&1 | tee .ws/demo.log || status=$?
# roslaunch exits with 0 whatever becomes of its nodes; the recorder leaves a file only when it has finished it.
if [ "$status" -ne 0 ] || [ ! -s "$output" ]; then
    echo "emomask: the demo failed (see above)." >&2
    exit 1
fi
echo
sed -n '/^Recorded /,/^latency /p' .ws/demo.log
echo "The masked clip is ${output#"$PWD"/}."
