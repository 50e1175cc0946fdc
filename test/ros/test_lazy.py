#!/usr/bin/env python3
"""emomask.launch with a lazy talker: while nobody looks, the source is released and both nodes use no processor."""

import time
import unittest

import rospy
from probe import processor_seconds, wait_until
from rosgraph_msgs.msg import Log
from sensor_msgs.msg import Image

IDLE = 0.05  # of a processor, each node: rospy's threads and a look at the subscribers now and then


class LazyTest(unittest.TestCase):
    def test_the_source_is_open_only_while_somebody_looks_at_masked_frames(self):
        rospy.init_node("test_lazy")
        lines, masked = [], []
        rospy.Subscriber("/rosout", Log, lambda line: lines.append(line.msg), queue_size=100)
        for times in (1, 2):
            viewer = rospy.Subscriber("image_masked", Image, masked.append, queue_size=1, buff_size=2**24)
            count = len(masked) + 10
            wait_until(lambda: len(masked) >= count, "ten masked frames")  # noqa: B023
            viewer.unregister()

            def releases():
                return [line for line in lines if "Released the demo clip" in line]

            wait_until(lambda: len(releases()) >= times, "the release of the source")  # noqa: B023
            time.sleep(3)  # what is under way comes to its end
            count = len(masked)
            for node in ("talker", "listener"):
                used = processor_seconds(node, lambda: time.sleep(4)) / 4
                print("Idle, the %s uses %.1f %% of a processor." % (node, 100 * used))
                self.assertLess(used, IDLE, node)
            self.assertEqual(len(masked), count)


if __name__ == "__main__":
    import rostest

    rostest.rosrun("emomask", "lazy", LazyTest)
