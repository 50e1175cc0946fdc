#!/usr/bin/env python3
"""A listener whose model is much slower than the camera: frames are skipped, and those that come out are young."""

import sys
import time
import unittest

import rospy
from faulty_listener import SLOW
from node_process import NodeProcess
from probe import FACE, Probe, astronaut_frame, covered_fraction
from std_msgs.msg import Header

from emomask.nodes.messages import array_to_image, image_to_array

RATE = 30.0
SECONDS = 12.0


class ListenerSlowTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        rospy.init_node("test_listener_slow")
        cls.frame = astronaut_frame()

    def ages(self, *arguments):
        """Sorted ages, in seconds, of the frames that come out of a listener with a slow detector, 30 a second in."""
        node = NodeProcess("faulty_listener.py", *arguments)
        self.addCleanup(node.close)
        probe = Probe()
        self.addCleanup(probe.publisher.unregister)
        self.addCleanup(probe.unsubscribe)
        message, sent = array_to_image(self.frame, Header()), set()
        start = time.monotonic()
        for number in range(int(RATE * SECONDS)):
            time.sleep(max(0.0, start + number / RATE - time.monotonic()))
            message.header = Header(stamp=rospy.Time.from_sec(time.time()), frame_id="detection:slow")
            sent.add(probe.send(message))
        time.sleep(2)
        self.assertTrue(node.running)
        received = {stamp: moment for stamp, moment in probe.received.items() if stamp in sent}
        for stamp in list(received)[::5]:
            masked = probe.masked.get(stamp)
            if masked:
                self.assertGreater(covered_fraction(self.frame, image_to_array(masked), FACE), 0.9)
        ages = sorted(moment - stamp.to_sec() for stamp, moment in received.items())
        print("%d frames; ages %.2f to %.2f s, median %.2f" % (len(ages), ages[0], ages[-1], ages[len(ages) // 2]))
        # Nearly as many as the model can do: it is slow, not idle.
        self.assertGreater(len(ages), 0.6 * SECONDS / (SLOW + 0.1))
        return ages

    def test_without_lookahead_the_age_is_less_than_twice_the_processing_time(self):
        ages = self.ages("_lookahead:=0")
        work = ages[0]  # the quickest: it was taken as it came
        self.assertGreater(work, SLOW)
        self.assertLess(ages[len(ages) // 2], 2 * work)
        self.assertLess(ages[int(0.95 * len(ages))], 2 * work)
        # And it does not grow: a queue anywhere would add the whole run.
        self.assertLess(ages[-1], 2 * work + 0.5)

    def test_the_lookahead_adds_its_frames_and_no_more(self):
        ages = self.ages("_lookahead:=2")
        self.assertLess(ages[int(0.95 * len(ages))], (2 + 2) * (SLOW + 0.15))


if __name__ == "__main__":
    import rostest

    rostest.rosrun("emomask", "listener_slow", ListenerSlowTest, sys.argv)
