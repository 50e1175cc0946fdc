#!/usr/bin/env python3
"""The listener node on compressed images: good ones are masked, damaged ones are survived."""

import sys
import time
import unittest

import cv2
import rospy
from probe import FACE, Probe, astronaut_frame, covered_fraction, wait_until
from sensor_msgs.msg import CompressedImage

from emomask.nodes.messages import compressed_to_array, image_to_array


class CompressedInputTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        rospy.init_node("test_listener_compressed")
        cls.frame = astronaut_frame()
        cls.probe = Probe(input_type=CompressedImage)

    def message(self, extension=".jpg", form="jpeg"):
        data = cv2.imencode(extension, self.frame)[1].tobytes()
        return CompressedImage(header=self.probe.next_header(), format=form, data=data)

    def assert_masked(self, message):
        answer = self.probe.answer(message)
        self.assertEqual(answer.header.frame_id, message.header.frame_id)
        frame, masked = compressed_to_array(message), image_to_array(answer)
        self.assertGreaterEqual(covered_fraction(frame, masked, FACE), 0.9)
        self.assertEqual(covered_fraction(frame, masked, (0, 0, 60, 480)), 0)
        wait_until(lambda: self.probe.faces.get(message.header.stamp), "the faces of the frame")

    def test_jpeg_and_png(self):
        for extension, form in (
            (".jpg", "jpeg"),
            (".jpg", "bgr8; jpeg compressed bgr8"),
            (".png", "png"),
            (".png", "bgr8; png compressed bgr8"),
        ):
            with self.subTest(form):
                self.assert_masked(self.message(extension, form))

    def test_damaged_data_publishes_nothing_and_the_next_good_frame_is_masked(self):
        good = self.message().data
        for name, data in (
            ("empty", b""),
            ("no picture", b"no picture at all" * 100),
            ("only the start", good[:20]),
            ("huge by its header", b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03" + good),
            ("damaged tables", good[:100] + bytes(400) + good[500:600]),
        ):
            with self.subTest(name):
                bad = CompressedImage(header=self.probe.next_header(), format="jpeg", data=data)
                stamp = self.probe.send(bad)
                time.sleep(0.2)  # else the good frame replaces the bad one in the mailbox
                self.assert_masked(self.message())
                self.assertNotIn(stamp, self.probe.masked)
                self.assertNotIn(stamp, self.probe.faces)
        wait_until(lambda: self.probe.logged("Frames failed"), "a log line about the failures")


if __name__ == "__main__":
    import rostest

    rostest.rosrun("emomask", "listener_compressed", CompressedInputTest, sys.argv)
