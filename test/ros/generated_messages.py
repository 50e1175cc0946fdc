"""Python classes of the messages in test/messages, for tests on machines without the packages that define them."""

import os
import subprocess
import sys
from pathlib import Path

import rospkg

DEFINITIONS = Path(__file__).resolve().parents[1] / "messages"
NEEDED = ("geometry_msgs", "sensor_msgs", "std_msgs")


def generator():
    """genpy's generator of messages: in a ROS of its own folder, or in Debian's."""
    for prefix in os.environ.get("CMAKE_PREFIX_PATH", "").split(os.pathsep) + ["/usr"]:
        path = Path(prefix) / "lib" / "genpy" / "genmsg_py.py"
        if path.is_file():
            return path
    raise FileNotFoundError("genpy's genmsg_py.py is neither in CMAKE_PREFIX_PATH nor in /usr")


def generate(folder):
    """Write the packages' Python modules into ``folder``, which then belongs on the path."""
    packages = rospkg.RosPack()
    includes = ["-I%s:%s/msg" % (name, packages.get_path(name)) for name in NEEDED]
    includes += ["-I%s:%s" % (package.name, package / "msg") for package in DEFINITIONS.iterdir() if package.is_dir()]
    for package in DEFINITIONS.iterdir():
        if not package.is_dir():
            continue
        output = Path(folder) / package.name / "msg"
        output.mkdir(parents=True)
        (output.parent / "__init__.py").touch()
        command = [sys.executable, str(generator())]
        for path in sorted((package / "msg").iterdir()):
            arguments = ["-p", package.name, *includes, "-o", str(output), str(path)]
            subprocess.run(command + arguments, check=True, timeout=60)
        subprocess.run([*command, "--initpy", "-p", package.name, "-o", str(output)], check=True, timeout=60)
