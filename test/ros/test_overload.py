#!/usr/bin/env python3
"""More than the machine can do, 1080p at 60 frames/s: frames are left out, none comes late, and none shows the face."""

import sys
import threading
import time
import unittest

import cv2
import numpy as np
import rospy
from node_process import NodeProcess
from probe import FACE, astronaut_frame, covered_fraction, wait_until
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from emomask.nodes.messages import array_to_image, image_to_array
from emomask.settings import Settings

RATE = 60.0
SECONDS = 12.0
SCALE = 2.25  # of the picture and its face, to 1080 rows
STEP = 4  # pixels by which the face moves from frame to frame, to and fro
TRANSPORT = 0.4  # seconds that messages of 6 MB may need on a busy machine, there and back
KEPT = 5  # of so many masked frames, one is looked at
SETTLED = 3.0  # seconds after the first masked frame in which ages do not count


def frames():
    """1080p frames (uint8 ``(1080, 1920, 3)`` BGR) in which the face moves to the right, and its boxes."""
    plain = cv2.resize(astronaut_frame(), None, fx=SCALE, fy=SCALE)
    for shift in range(0, 240, STEP):
        left = 120 + shift
        frame = cv2.copyMakeBorder(plain, 0, 0, left, 1920 - 1440 - left, cv2.BORDER_REPLICATE)
        yield frame, tuple(round(edge * SCALE) + (left if axis % 2 == 0 else 0) for axis, edge in enumerate(FACE))


class OverloadTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        rospy.init_node("test_overload")

    def setUp(self):
        node = NodeProcess("listener", "_warm_up_width:=1920", "_warm_up_height:=1080")
        self.addCleanup(node.close)
        self.sent = {}  # the number of the frame by its stamp
        self.seen = []  # seconds of arrival, age, number of the frame, and, of one in KEPT, its message
        self.publisher = rospy.Publisher("image", Image, queue_size=1, tcp_nodelay=True)
        subscriber = rospy.Subscriber("image_masked", Image, self.look, queue_size=1, buff_size=2**24, tcp_nodelay=True)
        self.addCleanup(subscriber.unregister)
        self.pictures = list(frames())
        wait_until(self.publisher.get_num_connections, "the listener subscribes")
        wait_until(subscriber.get_num_connections, "the listener publishes")

    def look(self, message):
        age = (rospy.Time.now() - message.header.stamp).to_sec()
        kept = None if len(self.seen) % KEPT else message
        self.seen.append((time.monotonic(), age, self.sent[message.header.stamp], kept))

    def flood(self, stop):
        """Publish at RATE, to and fro through the pictures."""
        messages = [array_to_image(frame, Header()) for frame, _ in self.pictures]
        order = [*range(len(messages)), *range(len(messages) - 2, 0, -1)]
        begin, index = time.monotonic(), 0
        while not stop.is_set():
            number = order[index % len(order)]
            message = messages[number]
            message.header = Header(stamp=rospy.Time.now(), frame_id="camera_optical_frame")
            self.sent[message.header.stamp] = number
            self.publisher.publish(message)
            index += 1
            time.sleep(max(0.0, begin + index / RATE - time.monotonic()))

    def test_the_age_is_bounded_and_the_face_covered(self):
        stop = threading.Event()
        thread = threading.Thread(target=self.flood, args=(stop,))
        thread.start()
        try:
            wait_until(lambda: self.seen, "a masked frame")
            first = self.seen[0][0]
            time.sleep(SETTLED + SECONDS)
        finally:
            stop.set()
            thread.join()
        seen = [one for one in list(self.seen) if one[0] > first + SETTLED]
        self.assertGreater(len(seen), 10)
        self.assertLess(len(self.seen), len(self.sent), "the machine could do it all: there was no overload")
        arrivals, ages = np.array([one[0] for one in seen]), np.array([one[1] for one in seen])
        # What a frame takes is the pause from one to the next. A frame waits for that before it, for its own, and for
        # those that the lookahead waits for.
        pause = float(np.percentile(np.diff(arrivals), 90))
        bound = (2 + Settings().lookahead) * pause + TRANSPORT
        self.assertLess(float(np.percentile(ages, 95)), bound)
        third = len(ages) // 3
        self.assertLess(float(np.median(ages[-third:])), 1.5 * float(np.median(ages[:third])) + 0.1, "it lags more")
        for _, _, number, message in self.seen[::KEPT]:
            frame, face = self.pictures[number]
            self.assertGreater(covered_fraction(frame, image_to_array(message), face), 0.9)


if __name__ == "__main__":
    import rostest

    rostest.rosrun("emomask", "overload", OverloadTest, sys.argv)
