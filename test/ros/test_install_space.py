#!/usr/bin/env python3
"""The package built and installed by catkin_make into a folder of its own, and run from there."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import rospy
from probe import wait_until
from sensor_msgs.msg import Image

from emomask.msg import Faces
from emomask.srv import SetStyle

ROOT = Path(__file__).resolve().parents[2]
BUILDING = 300  # seconds
# What a sourced workspace and this test's launch file set: neither may be of use to what is installed.
SOURCED = {"CMAKE_PREFIX_PATH", "LD_LIBRARY_PATH", "PKG_CONFIG_PATH", "PYTHONPATH", "ROS_NAMESPACE", "ROS_PACKAGE_PATH"}


class InstallSpaceTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        rospy.init_node("test_install_space")
        folder = Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, str(folder))
        (folder / "src").mkdir()
        (folder / "src" / "emomask").symlink_to(ROOT)
        python = Path(sys.executable)
        cls.environment = {name: value for name, value in os.environ.items() if name not in SOURCED}
        cls.environment["PATH"] = "%s:%s" % (python.parent, os.environ["PATH"])
        ros = [path for path in os.environ.get("CMAKE_PREFIX_PATH", "").split(":") if Path(path, "lib/roslib").is_dir()]
        if ros:  # Noetic's; Debian's is in /usr
            cls.environment["CMAKE_PREFIX_PATH"] = ":".join(ros)
        options = ["-j2", "-DPYTHON_EXECUTABLE=%s" % python, "-DCATKIN_ENABLE_TESTING=OFF"]
        built = subprocess.run(
            ["catkin_make", "-C", str(folder), *options, "install"],
            env=cls.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=BUILDING,
        )
        assert built.returncode == 0, built.stdout.decode()[-3000:]
        for name in ("build", "devel"):
            shutil.rmtree(str(folder / name))
        (folder / "src" / "emomask").unlink()
        cls.installed = folder / "install"

    def command(self, *words):
        """How to run a command in the sourced install space, from a folder in which nothing is."""
        text = "source %s/setup.bash && exec %s" % (self.installed, " ".join(map(shlex.quote, words)))
        return {"args": ["bash", "-c", text], "env": self.environment, "cwd": "/"}

    def output(self, *words):
        return subprocess.check_output(**self.command(*words), timeout=120).decode().strip()

    def test_everything_is_installed(self):
        share = self.installed / "share" / "emomask"
        for name in ("emojis", "emojis/plain", "launch", "models", "msg", "srv"):
            here = {path.name for path in (ROOT / name).iterdir() if path.is_file()}
            self.assertTrue(here)
            self.assertEqual({path.name for path in (share / name).iterdir() if path.is_file()}, here, name)
        scripts = {path.name for path in (ROOT / "scripts").iterdir()}
        self.assertEqual({path.name for path in (self.installed / "lib" / "emomask").iterdir()}, scripts)
        self.assertEqual(self.output("rospack", "find", "emomask"), str(share))

    def test_the_installed_code_runs(self):
        program = "import emomask, emomask.cfg.ListenerConfig, emomask.msg, emomask.srv; print(emomask.__file__)"
        path = Path(self.output("python3", "-c", program))
        self.assertTrue(str(path).startswith(str(self.installed)), path)
        missing = {name.relative_to(ROOT / "src") for name in (ROOT / "src").rglob("*.py")} - {
            name.relative_to(path.parents[1]) for name in path.parent.rglob("*.py")
        }
        self.assertEqual(missing, set())
        self.assertIn("mask", self.output("rosrun", "emomask", "emomask", "--help"))

    def test_the_nodes_mask_the_demo_clip(self):
        launch = ("roslaunch", "emomask", "emomask.launch", "source:=demo", "loop:=true", "publish_rate:=10")
        with tempfile.TemporaryFile("w+") as log:
            process = subprocess.Popen(**self.command(*launch), stdout=log, stderr=subprocess.STDOUT)
            try:
                self.check_the_graph()
            except AssertionError as error:
                log.seek(0)
                raise AssertionError("%s\n%s" % (error, log.read()[-3000:])) from error
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(60)

    def check_the_graph(self):
        masked, faces = [], []
        rospy.Subscriber("image_masked", Image, lambda message: masked.append(message.height), queue_size=1)
        rospy.Subscriber("faces", Faces, lambda message: faces.extend(message.faces), queue_size=1)
        wait_until(lambda: len(masked) > 5 and faces, "masked frames with faces", 90)
        rospy.wait_for_service("listener/set_style", 30)
        self.assertTrue(rospy.ServiceProxy("listener/set_style", SetStyle)("solid").success)
        self.assertEqual(rospy.get_param("listener/style"), "solid")


if __name__ == "__main__":
    import rostest

    rostest.rosrun("emomask", "install_space", InstallSpaceTest, sys.argv)
