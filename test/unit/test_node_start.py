"""Starting a node in a Python without ROS."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "node, missing, remedy",
    [
        ("listener", "rospy", "--system-site-packages"),
        ("talker", "rospy", "--system-site-packages"),
        ("recorder", "rospy", "--system-site-packages"),
        ("web", "rospy", "--system-site-packages"),
        ("listener", "cv_bridge", "--system-site-packages"),
        ("talker", "cv_bridge", "--system-site-packages"),
        ("recorder", "cv_bridge", "--system-site-packages"),
        # The talker has no messages of emomask's own.
        ("listener", "emomask.msg", "catkin_make"),
        ("recorder", "emomask.msg", "catkin_make"),
        ("web", "emomask.msg", "catkin_make"),
        ("web", "fastapi", "[web]"),
    ],
)
def test_what_is_missing_and_the_remedy_are_one_line(node, missing, remedy):
    """``missing`` is made impossible to import, after all that ROS nodes import besides."""
    if missing == "fastapi":
        pytest.importorskip("emomask.msg", reason="needs the built messages: source devel/setup.bash")
    if missing == "emomask.msg":
        pytest.importorskip("cv_bridge", reason="needs ROS to get as far as the messages of emomask")
    code = "import sys; sys.modules[%r] = None; from emomask.nodes import run; run(%r)" % (missing, node)
    ended = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, timeout=60)
    assert ended.returncode == 1
    assert remedy in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
