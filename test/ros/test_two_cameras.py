#!/usr/bin/env python3
"""Two cameras and two listeners side by side: neither sees anything of the other, and each is lazy by itself."""

import sys
import time
import unittest
import zlib

import rospy
from probe import covered_fraction, processor_seconds, visible, wait_until
from sensor_msgs.msg import Image

from emomask.faces import Box
from emomask.media.demo_clip import FRAMES, DemoClip, true_faces
from emomask.msg import Faces
from emomask.nodes.messages import image_to_array

WANTED = 60  # masked frames of each camera


class Camera:
    """What comes from one camera; the clip is ``mirrored`` there or not."""

    def __init__(self, name, clip, mirrored):
        self.name, self.clip, self.mirrored = name, clip, mirrored
        self.indices = {zlib.crc32(self.frame(index).tobytes()): index for index in range(FRAMES)}
        self.raw, self.frame_ids, self.fractions, self.checked, self.faces = {}, set(), [], 0, 0
        self._subscribers = []
        self.subscribe("image_raw", Image, self._on_raw)

    def subscribe(self, topic, kind, callback):
        topic = "/%s/%s" % (self.name, topic)
        self._subscribers.append(rospy.Subscriber(topic, kind, callback, queue_size=10, buff_size=2**24))

    def subscribe_outputs(self):
        self.subscribe("image_masked", Image, self._on_masked)
        self.subscribe("faces", Faces, self._on_faces)

    def frame(self, index):
        frame = self.clip.frame(index)
        return frame[:, ::-1] if self.mirrored else frame

    def boxes(self, index):
        for box in filter(visible, true_faces(index)):
            yield Box(640 - box.right, box.top, 640 - box.left, box.bottom) if self.mirrored else box

    def _on_raw(self, message):
        self.raw[message.header.stamp] = self.indices.get(zlib.crc32(message.data))

    def _on_faces(self, message):
        self.frame_ids.add(message.header.frame_id)
        self.faces += len(message.faces)

    def _on_masked(self, message):
        self.frame_ids.add(message.header.frame_id)
        index = self.raw.get(message.header.stamp)
        if index is not None:
            picture, frame = image_to_array(message), self.frame(index)
            self.fractions += [(covered_fraction(frame, picture, box), index) for box in self.boxes(index)]
            self.checked += 1


class TwoCamerasTest(unittest.TestCase):
    def test_each_is_masked_from_its_own_stream_and_only_while_somebody_subscribes_to_it(self):
        rospy.init_node("test_two_cameras")
        clip = DemoClip()
        left, right = Camera("left", clip, False), Camera("right", clip, True)
        left.subscribe_outputs()
        wait_until(lambda: left.checked >= WANTED, "masked frames of the left camera")
        self.assertEqual(right.faces, 0)
        busy = processor_seconds("/left/listener", lambda: time.sleep(4))
        idle = processor_seconds("/right/listener", lambda: time.sleep(4))
        print("4 s at 8 Hz: %.2f s of processor time with a subscriber, %.2f s without" % (busy, idle))
        self.assertLess(idle, busy / 3)

        right.subscribe_outputs()
        wait_until(lambda: right.checked >= WANTED, "masked frames of the right camera")
        for camera in (left, right):
            with self.subTest(camera.name):
                self.assertEqual(camera.frame_ids, {camera.name + "_optical_frame"})
                self.assertGreater(camera.faces, 30)
                self.assertGreater(len(camera.fractions), 30)
                self.assertEqual([found for found in camera.fractions if found[0] < 0.9], [])


if __name__ == "__main__":
    import rostest

    rostest.rosrun("emomask", "two_cameras", TwoCamerasTest, sys.argv)
