#!/usr/bin/env python3
"""The listener node with real models, fed by messages of every kind."""

import sys
import time
import unittest

import cv2
import numpy as np
import rospy
from probe import FACE, Probe, astronaut_frame, covered_fraction, processor_seconds, wait_until
from sensor_msgs.msg import Image

from emomask import EMOTIONS, Settings
from emomask.nodes.messages import array_to_image, compressed_to_array, image_to_array


def packed(pixels, encoding, header, padding=0, big=False):
    """An Image message of ``pixels`` with ``padding`` bytes of noise after each row."""
    height, width = pixels.shape[:2]
    rows = pixels.astype(pixels.dtype.newbyteorder(">" if big else "<")).view(np.uint8).reshape(height, -1)
    noise = np.random.default_rng(1).integers(0, 256, (height, padding), dtype=np.uint8)
    data = np.hstack([rows, noise])
    return Image(header, height, width, encoding, big, data.shape[1], data.tobytes())


class ListenerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        rospy.init_node("test_listener")
        cls.frame = astronaut_frame()

    def setUp(self):
        self.probe = Probe()

    def tearDown(self):
        self.probe.unsubscribe()
        self.probe.publisher.unregister()

    def assert_masked(self, message, frame):
        """The answer to ``message`` shows ``frame`` with its face, and only that, replaced."""
        probe = self.probe
        answer = probe.answer(message)
        self.assertEqual(answer.header.stamp, message.header.stamp)
        self.assertEqual(answer.header.frame_id, message.header.frame_id)
        self.assertEqual(answer.encoding, "bgr8")
        masked = image_to_array(answer)
        self.assertEqual(masked.shape, frame.shape)
        self.assertGreaterEqual(covered_fraction(frame, masked, FACE), 0.9)
        faces = wait_until(lambda: probe.faces.get(message.header.stamp), "the faces of the frame").faces
        outside = np.ones(frame.shape[:2], bool)
        for face in faces:
            box = face.covered
            outside[int(box.top) : int(np.ceil(box.bottom)), int(box.left) : int(np.ceil(box.right))] = False
        self.assertGreater(outside.mean(), 0.7)
        np.testing.assert_array_equal(masked[outside], frame[outside])
        return faces

    def test_header_faces_and_pixels(self):
        header = self.probe.next_header()
        faces = self.assert_masked(array_to_image(self.frame, header), self.frame)
        message = self.probe.faces[header.stamp]
        self.assertEqual(message.header.frame_id, "camera_optical_frame")
        left, top, right, bottom = FACE
        centre = np.array([(left + right) / 2, (top + bottom) / 2])
        near = [f for f in faces if f.box.left < centre[0] < f.box.right and f.box.top < centre[1] < f.box.bottom]
        self.assertEqual(len(near), 1)
        face = near[0]
        points = np.array([[point.x, point.y] for point in face.landmarks])
        self.assertEqual(points.shape, (68, 2))
        np.testing.assert_allclose(points.mean(axis=0), centre, atol=25)
        self.assertIn(face.emotion, EMOTIONS)
        self.assertAlmostEqual(sum(face.probabilities), 1, places=4)
        self.assertGreater(face.score, 0.2)
        self.assertGreaterEqual(face.track_id, 1)
        self.assertFalse(face.held)

    def test_every_encoding_that_holds_a_picture(self):
        frame = self.frame
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        mosaic = frame[:, :, 1].copy()
        mosaic[0::2, 0::2] = frame[0::2, 0::2, 2]
        mosaic[1::2, 1::2] = frame[1::2, 1::2, 0]
        rgba = cv2.cvtColor(frame, cv2.COLOR_BGR2RGBA)
        for pixels, encoding, padding, big in (
            (frame, "bgr8", 64, False),
            (frame, "8UC3", 0, False),
            (frame[:, :, ::-1], "rgb8", 0, False),
            (frame[:, :, ::-1], "rgb8", 13, False),
            (rgba, "rgba8", 0, False),
            (grey, "mono8", 32, False),
            (grey.astype(np.uint16) * 257, "mono16", 0, False),
            (grey.astype(np.uint16) * 257, "mono16", 6, True),
            (grey.astype(np.uint16) * 16, "16UC1", 0, False),
            (mosaic, "bayer_rggb8", 0, False),
            (mosaic, "bayer_rggb8", 24, False),
            (mosaic.astype(np.uint16) * 257, "bayer_rggb16", 0, True),
        ):
            with self.subTest(encoding=encoding, padding=padding, big=big):
                message = packed(np.ascontiguousarray(pixels), encoding, self.probe.next_header(), padding, big)
                self.assert_masked(message, image_to_array(message))

    def test_malformed_messages_publish_nothing_and_the_next_good_frame_is_masked(self):
        for name, changes in (
            ("truncated", {"data": bytes(1000)}),
            ("no data", {"data": b""}),
            ("zero size", {"width": 0, "height": 0, "step": 0, "data": b""}),
            ("absurd size", {"width": 2**31, "height": 2**31}),
            ("step too small", {"step": 5}),
            ("unknown encoding", {"encoding": "no_such_encoding"}),
            ("empty encoding", {"encoding": ""}),
            ("depth", {"encoding": "32FC1", "width": 480}),
        ):
            with self.subTest(name):
                bad = array_to_image(self.frame, self.probe.next_header())
                for field, value in changes.items():
                    setattr(bad, field, value)
                failed = self.probe.send(bad)
                time.sleep(0.2)  # else the good frame replaces the bad one in the mailbox
                good = array_to_image(self.frame, self.probe.next_header())
                self.assert_masked(good, self.frame)
                self.assertNotIn(failed, self.probe.masked)
                self.assertNotIn(failed, self.probe.faces)
        wait_until(lambda: self.probe.logged("Frames failed"), "a log line about the failures")

    def test_tiny_and_odd_sizes(self):
        for height, width in ((17, 640), (480, 19), (241, 319), (1, 1), (2, 640), (480, 3)):
            with self.subTest(height=height, width=width):
                frame = np.ascontiguousarray(self.frame[:height, :width])
                message = array_to_image(frame, self.probe.next_header())
                if min(height, width) < 16:
                    self.probe.send(message)
                    time.sleep(0.2)
                else:
                    answer = self.probe.answer(message)
                    self.assertEqual((answer.height, answer.width), (height, width))
        self.assert_masked(array_to_image(self.frame, self.probe.next_header()), self.frame)
        self.assertTrue(all(min(answer.height, answer.width) >= 16 for answer in self.probe.masked.values()))

    def test_stamps_that_go_back_start_anew(self):
        first = self.probe.answer(array_to_image(self.frame, self.probe.next_header()), "faces")
        header = self.probe.next_header(-5.0)
        self.assert_masked(array_to_image(self.frame, header), self.frame)
        wait_until(lambda: self.probe.logged("stamps went back"), "a log line about the stamps")
        self.assertLess(header.stamp, first.header.stamp)

    def test_a_frame_without_a_stamp_is_masked(self):
        header = self.probe.next_header()
        header.stamp = rospy.Time()
        self.assert_masked(array_to_image(self.frame, header), self.frame)

    def test_compressed_output_comes_when_it_is_subscribed(self):
        probe = self.probe
        probe.subscribe("image_masked/compressed")
        probe.greet("compressed")
        header = probe.next_header()
        answer = probe.answer(array_to_image(self.frame, header), "compressed")
        self.assertEqual((answer.format, answer.header.frame_id), ("jpeg", header.frame_id))
        masked = compressed_to_array(answer)
        self.assertGreaterEqual(covered_fraction(self.frame, masked, FACE), 0.8)
        raw = image_to_array(wait_until(lambda: probe.masked.get(header.stamp), "the raw frame"))
        self.assertLess(np.abs(masked.astype(int) - raw).mean(), 4)

    def feed(self, seconds, rate=30.0):
        """Publish the frame at ``rate``, stamped with the time of publishing; returns the stamps."""
        message = array_to_image(self.frame, self.probe.next_header())
        start, stamps = time.monotonic(), []
        for number in range(int(seconds * rate)):
            time.sleep(max(0.0, start + number / rate - time.monotonic()))
            message.header.stamp = rospy.Time.from_sec(time.time())
            stamps.append(self.probe.send(message))
        return stamps

    def test_latency_stays_low_at_30_frames_per_second(self):
        stamps = set(self.feed(10))
        received = {stamp: moment for stamp, moment in dict(self.probe.received).items() if stamp in stamps}
        ages = sorted(moment - stamp.to_sec() for stamp, moment in received.items())
        rate = len(ages) / 10
        median, last = ages[len(ages) // 2], ages[int(len(ages) * 0.95)]
        print("30 Hz in: %.1f frames/s out, age median %.0f ms, p95 %.0f ms" % (rate, median * 1e3, last * 1e3))
        self.assertGreater(rate, 2)
        # One frame in work, one in the mailbox and those that wait for later ones, whatever the speed of the machine:
        # ages never add up.
        self.assertLess(median, 0.1 + (2 + Settings().lookahead) / rate)
        self.assertLess(last, 0.3 + 4 / rate)
        self.assertEqual(sorted(received, key=received.get), sorted(received))

    def test_without_a_subscriber_no_frame_is_masked(self):
        self.feed(1)
        busy = processor_seconds("listener", lambda: self.feed(3))
        self.probe.unsubscribe()
        wait_until(lambda: self.probe.logged("Nobody subscribes"), "a log line that says so")
        idle = processor_seconds("listener", lambda: self.feed(3))
        print("3 s at 30 Hz: %.2f s of processor time with a subscriber, %.2f s without" % (busy, idle))
        self.assertLess(idle, busy / 3)
        self.probe.subscribe("image_masked")
        self.probe.greet()
        self.assertGreaterEqual(
            covered_fraction(
                self.frame, image_to_array(self.probe.answer(array_to_image(self.frame, self.now()))), FACE
            ),
            0.9,
        )

    def now(self):
        header = self.probe.next_header()
        header.stamp = rospy.Time.from_sec(time.time())
        return header


if __name__ == "__main__":
    import rostest

    rostest.rosrun("emomask", "listener_messages", ListenerTest, sys.argv)
