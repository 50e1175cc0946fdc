#!/usr/bin/env python3
"""The listener node under a simulated clock: a bag that is recorded here and played in a loop."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import numpy as np
import rosbag
import rospy
from probe import FACE, Probe, astronaut_frame, covered_fraction, wait_until
from std_msgs.msg import Header

from emomask.nodes.messages import array_to_image, image_to_array

RATE, FRAMES, START = 15, 45, 1500000000


def stamp_of(index):
    return rospy.Time(START + index // RATE, index % RATE * (10**9 // RATE))


class BagTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        rospy.init_node("test_listener_bag")
        frame = astronaut_frame()
        cls.frames = {stamp_of(index): np.roll(frame, 3 * index, axis=1) for index in range(FRAMES)}
        cls.shifts = {stamp_of(index): 3 * index for index in range(FRAMES)}

    def test_a_bag_played_in_a_loop(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "camera.bag"
            with rosbag.Bag(str(path), "w") as bag:
                for stamp, frame in self.frames.items():
                    image = array_to_image(frame, Header(stamp=stamp, frame_id="camera_optical_frame"))
                    bag.write("/camera/image_raw", image, stamp)
            probe = Probe(greet=False)
            # No clock yet: what a user sees must not depend on one.
            wait_until(lambda: len(probe.logged("Waiting for images on /camera/image_raw")) >= 2, "two waiting lines")
            self.assertEqual(rospy.Time.now(), rospy.Time())
            # The player's clock topic is relative.
            player = subprocess.Popen(
                ["rosbag", "play", "--clock", "--loop", "--quiet", str(path)], env=dict(os.environ, ROS_NAMESPACE="/")
            )
            try:
                wait_until(lambda: len(probe.logged("stamps went back")) >= 2, "the bag starts again twice")
                wait_until(lambda: len(probe.masked) > FRAMES // 3, "a third of the bag's frames")
                self.assertAlmostEqual(rospy.Time.now().to_sec(), START, delta=60)
            finally:
                player.send_signal(signal.SIGINT)
                player.wait(20)
        time.sleep(0.5)
        masked = dict(probe.masked)
        self.assertLessEqual(set(masked), set(self.frames))
        left, top, right, bottom = FACE
        for stamp, message in masked.items():
            shift = self.shifts[stamp]
            picture = image_to_array(message)
            face = (left + shift, top, right + shift, bottom)
            self.assertGreaterEqual(covered_fraction(self.frames[stamp], picture, face), 0.9, stamp)
            self.assertEqual(message.header.frame_id, "camera_optical_frame")


if __name__ == "__main__":
    import rostest

    rostest.rosrun("emomask", "listener_bag", BagTest, sys.argv)
