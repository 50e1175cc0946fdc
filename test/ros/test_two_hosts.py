#!/usr/bin/env python3
"""The talker and the master on one network host, the listener on another one, over compressed images.

The hosts are network namespaces that a cable (veth) joins: each has its own address, ports and routes, and nothing of
the other's loopback. It needs root and the command ip, and is skipped without them. The machine is the same, so the
clocks agree and the processors are shared.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import cv2
import numpy as np
import roslib.packages
from probe import astronaut_frame, wait_until

RATE = 30  # frames/s of the source
SECONDS = 10.0
# What the cable must carry, and what must come out masked when all share a busy machine. The figures are printed.
CARRIED, MASKED = 0.6 * RATE, 0.2 * RATE
MASTER_PORT = 11711
COUNTER = roslib.packages.find_node("emomask", "frame_counter.py")[0]


def ip(*words):
    subprocess.run(("ip",) + words, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)


def why_not():
    """Why this machine cannot be two hosts; empty when it can."""
    if os.geteuid():
        return "network namespaces need root"
    if not shutil.which("ip"):
        return "the command ip is missing (iproute2)"
    name = "emomask-try-%d" % os.getpid()
    try:
        ip("netns", "add", name)
        ip("netns", "delete", name)
    except subprocess.CalledProcessError as error:
        return "no network namespace can be made: %s" % error.stdout.decode().strip()
    return ""


class Host:
    """A network namespace with an address, from which commands are run."""

    def __init__(self, name, address, master):
        self.name = "emomask-%s-%d" % (name, os.getpid())
        self.address = address
        self.environment = dict(os.environ, ROS_IP=address, ROS_MASTER_URI="http://%s:%d" % (master, MASTER_PORT))
        self.environment.pop("ROS_HOSTNAME", None)
        ip("netns", "add", self.name)
        ip("-n", self.name, "link", "set", "lo", "up")

    def command(self, *words):
        return ["ip", "netns", "exec", self.name] + [str(word) for word in words]

    def run(self, *words):
        """Run a command to its end, within a minute and a half; gives its output."""
        return subprocess.run(
            self.command(*words), env=self.environment, stdout=subprocess.PIPE, check=True, timeout=90
        ).stdout.decode()

    def delete(self):
        ip("netns", "delete", self.name)


class TwoHostsTest(unittest.TestCase):
    def setUp(self):
        reason = why_not()
        if reason:
            self.skipTest(reason)
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, str(self.folder))
        self.robot, self.desk = self.hosts()
        for number in range(RATE):  # a second of a face that moves
            frame = cv2.warpAffine(astronaut_frame(), shifted(2 * abs(number - RATE // 2)), (640, 480))
            cv2.imwrite(str(self.folder / ("%02d.jpg" % number)), frame)

    def hosts(self):
        """Two hosts and the cable between them. 198.18.0.0/15 is set aside for tests of networks (RFC 2544)."""
        hosts = []
        for name, address in (("robot", "198.18.7.1"), ("desk", "198.18.7.2")):
            hosts.append(Host(name, address, "198.18.7.1"))
            self.addCleanup(hosts[-1].delete)
        ip("-n", hosts[0].name, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", hosts[1].name)
        for host in hosts:
            ip("-n", host.name, "address", "add", host.address + "/24", "dev", "cable")
            ip("-n", host.name, "link", "set", "cable", "up")
        return hosts

    def start(self, host, *words):
        """Run a command on a host until the test ends."""
        output = (self.folder / ("%s-%s.txt" % (host.name, Path(words[0]).name))).open("w+")
        process = subprocess.Popen(
            host.command(*words), env=host.environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )

        def end():
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)
            output.close()

        self.addCleanup(end)
        return process

    def test_masked_frames_come_from_the_other_host_at_the_cameras_rate(self):
        self.start(self.robot, "roscore", "-p", MASTER_PORT)
        wait_until(lambda: subprocess.run(
            self.desk.command("rosparam", "list"), env=self.desk.environment, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, timeout=20,
        ).returncode == 0, "the master, seen from the other host")  # fmt: skip
        source = ["source:=%s" % self.folder, "fps:=%d" % RATE, "loop:=true", "lazy:=true"]
        talker = self.start(self.robot, "roslaunch", "--wait", "emomask", "talker.launch", *source)
        carried = self.count("CompressedImage", "/camera/image_raw/compressed")
        self.assertGreater(carried["frames_per_second"], CARRIED)
        listener = self.start(self.desk, "roslaunch", "--wait", "emomask", "remote_listener.launch", "respawn:=false")
        masked = self.count("Image", "/camera/image_masked")
        self.assertEqual(masked["width"], 640)
        self.assertGreater(masked["frames_per_second"], MASKED)
        self.assertLess(masked["frames_per_second"], 1.1 * RATE)
        self.assertIsNone(talker.poll())
        self.assertIsNone(listener.poll())
        # JPEG alone has crossed the cable; the raw pictures are ten times as large.
        crossed = int(self.robot.run("cat", "/sys/class/net/cable/statistics/tx_bytes"))
        print("Sent by the camera's host: %.1f MB" % (crossed / 1e6))
        self.assertLess(crossed, 0.3 * 640 * 480 * 3 * RATE * 3 * SECONDS)

    def count(self, kind, topic):
        """The figures of frame_counter.py on the host without the camera."""
        figures = json.loads(self.desk.run(sys.executable, COUNTER, kind, topic, SECONDS).splitlines()[-1])
        print("%s: %s" % (topic, figures))
        return figures


def shifted(pixels):
    """The matrix that moves a picture to the right."""
    return np.array([[1, 0, pixels], [0, 1, 0]], np.float32)


if __name__ == "__main__":
    import rostest

    rostest.rosrun("emomask", "two_hosts", TwoHostsTest)
