#!/usr/bin/env python3
"""The talker under a simulated clock: nothing hangs before it runs, and stamps are in its time."""

import threading
import time
import unittest

import rospy
from probe import wait_until
from rosgraph_msgs.msg import Clock, Log
from sensor_msgs.msg import Image

START = 1000.0


class TalkerClockTest(unittest.TestCase):
    def test_frames_are_stamped_in_simulated_time_as_soon_as_it_runs(self):
        images, lines = [], []
        rospy.init_node("test_talker_clock")
        rospy.Subscriber("image_raw", Image, images.append, queue_size=100, buff_size=2**24)
        rospy.Subscriber("/rosout", Log, lambda line: lines.append(line.msg), queue_size=100)
        wait_until(lambda: any("nothing comes on /clock" in line for line in lines), "a line about the missing clock")
        self.assertEqual(images, [])

        clock = rospy.Publisher("/clock", Clock, queue_size=10)
        over = threading.Event()
        began = time.monotonic()

        def tick():
            while not over.wait(0.01):
                clock.publish(Clock(rospy.Time.from_sec(START + time.monotonic() - began)))

        ticking = threading.Thread(target=tick)
        ticking.start()
        try:
            wait_until(lambda: len(images) >= 10, "ten frames")
        finally:
            over.set()
            ticking.join()
        stamps = [image.header.stamp.to_sec() for image in images]
        self.assertEqual(stamps, sorted(stamps))
        self.assertGreater(stamps[0], START - 1)
        self.assertLess(stamps[-1], START + time.monotonic() - began)


if __name__ == "__main__":
    import rostest

    rostest.rosrun("emomask", "talker_clock", TalkerClockTest)
