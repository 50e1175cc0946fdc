#!/usr/bin/env python3
"""The talker on the looped demo clip: messages that belong together, well-formed, at the clip's rate."""

import threading
import time
import unittest

import cv2
import numpy as np
import rospy
from probe import wait_until
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from emomask.media import demo_clip
from emomask.nodes.messages import compressed_to_array, image_to_array


class Collector:
    """Keeps the messages of a topic and the seconds at which they came (wall clock)."""

    def __init__(self, topic, kind):
        self._lock = threading.Lock()
        self._messages = []
        self._subscriber = rospy.Subscriber(topic, kind, self._collect, queue_size=10, buff_size=2**24)

    def _collect(self, message):
        with self._lock:
            self._messages.append((time.time(), message))

    @property
    def messages(self):
        with self._lock:
            return list(self._messages)

    def wait_for(self, count):
        """Wait until so many messages have come; gives them all."""
        wait_until(lambda: len(self.messages) >= count, "%d messages of %s" % (count, self._subscriber.name))
        return self.messages

    def close(self):
        self._subscriber.unregister()


class TalkerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        rospy.init_node("test_talker")

    def collect(self, topic, kind):
        collector = Collector(topic, kind)
        self.addCleanup(collector.close)
        return collector

    def test_image_and_camera_info_have_one_header_and_the_clips_rate(self):
        images, infos = self.collect("image_raw", Image), self.collect("camera_info", CameraInfo)
        images.wait_for(1)
        infos.wait_for(1)
        before = len(images.messages)
        received = images.wait_for(before + 121)[before:]
        stamps = [message.header.stamp for _, message in received]
        self.assertEqual(stamps, sorted(set(stamps)))
        rate = (len(stamps) - 1) / (stamps[-1] - stamps[0]).to_sec()
        self.assertLess(abs(rate - demo_clip.RATE), 0.2 * demo_clip.RATE)
        # A stamp is a time of grabbing, shortly before the arrival, and not one of publishing or of the file.
        ages = [at - message.header.stamp.to_sec() for at, message in received]
        self.assertGreater(min(ages), 0)
        self.assertLess(np.median(ages), 0.1)

        wait_until(lambda: infos.messages[-1][1].header.stamp >= stamps[-1], "camera_info of the last image")
        headers = {info.header.stamp: info for _, info in infos.messages}
        for _, image in received:
            info = headers[image.header.stamp]
            self.assertEqual(image.header.frame_id, "front_optical_frame")
            self.assertEqual(info.header.frame_id, "front_optical_frame")
            self.assertEqual((image.width, image.height), (640, 480))
            self.assertEqual((info.width, info.height), (640, 480))
            self.assertEqual(set(info.K) | set(info.R) | set(info.P), {0.0})  # not calibrated
            self.assertEqual(list(info.D), [])
            self.assertEqual(image.encoding, "bgr8")
            self.assertEqual(image.step, 640 * 3)
            self.assertEqual(len(image.data), 480 * 640 * 3)

    def test_the_pictures_are_frames_of_the_clip_in_bgr_order(self):
        clip = demo_clip.DemoClip()
        shown = image_to_array(self.collect("image_raw", Image).wait_for(1)[0][1])
        likeness = [np.array_equal(shown, clip.frame(index)) for index in range(demo_clip.FRAMES)]
        self.assertEqual(sum(likeness), 1)

    def test_compressed_images_are_made_for_a_subscriber_and_decode(self):
        images, compressed = self.collect("image_raw", Image), self.collect("image_raw/compressed", CompressedImage)
        compressed.wait_for(10)
        raw = {}

        def pairs():
            raw.update((message.header.stamp, message) for _, message in images.messages)
            return [message for _, message in compressed.messages if message.header.stamp in raw]

        wait_until(lambda: len(pairs()) >= 3, "three compressed images and their raw ones")
        for message in pairs()[:3]:
            self.assertEqual(message.format, "jpeg")
            self.assertEqual(message.header.frame_id, "front_optical_frame")
            decoded = compressed_to_array(message)
            original = image_to_array(raw[message.header.stamp])
            self.assertEqual(decoded.shape, original.shape)
            self.assertGreater(cv2.PSNR(decoded, original), 28)


if __name__ == "__main__":
    import rostest

    rostest.rosrun("emomask", "talker_test", TalkerTest)
