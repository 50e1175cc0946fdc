#!/usr/bin/env python3
"""The recorder: the video that it writes, the figures that it prints, and how it ends."""

import re
import shutil
import sys
import tempfile
import time
import unittest
from pathlib import Path

import numpy as np
import rospy
from node_process import NodeProcess
from probe import wait_until
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from emomask.faces import Face
from emomask.media.sources import SourceSettings, open_source
from emomask.msg import Faces
from emomask.nodes.messages import array_to_image, faces_to_message

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from clips import number_of, numbered

STEP = 0.05


def face(track, emotion):
    return Face((0, 0, 9, 9), np.zeros((68, 2), np.float32), 0.9, emotion, np.full(7, 1 / 7), track, (0, 0, 9, 9))


class RecorderTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        rospy.init_node("test_recorder")
        cls.image = rospy.Publisher("image_masked", Image, queue_size=10)
        cls.faces = rospy.Publisher("faces", Faces, queue_size=10)

    def setUp(self):
        # One that has ended counts as connected for up to a second more.
        wait_until(
            lambda: not (self.image.get_num_connections() or self.faces.get_num_connections()), "no former recorder"
        )
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, str(self.folder))
        self.path = self.folder / "masked.mp4"

    def recorder(self, *arguments):
        node = NodeProcess("recorder", "image:=image_masked", "_output:=%s" % self.path, *arguments)
        self.addCleanup(node.close)
        return node

    def wait_for_connections(self):
        wait_until(lambda: self.image.get_num_connections() == 1, "the recorder subscribes to the images")
        wait_until(lambda: self.faces.get_num_connections() == 1, "the recorder subscribes to the faces")

    def play(self, count, first_stamp, **size):
        """Publish numbered frames every ``STEP`` seconds, stamped so from ``first_stamp`` on, with two faces each."""
        due = time.monotonic()
        for number in range(count):
            header = Header(stamp=first_stamp + rospy.Duration.from_sec(number * STEP))
            self.image.publish(array_to_image(numbered(number, **size), header))
            self.faces.publish(faces_to_message([face(1, "happy"), face(2, "sad" if number % 2 else "fear")], header))
            due += STEP
            time.sleep(max(0.0, due - time.monotonic()))

    def recorded(self):
        with open_source(SourceSettings(source=str(self.path), realtime=False)) as source:
            frames = list(iter(source.read, None))
        return [number_of(frame.image) for frame in frames], [frame.position for frame in frames]

    def test_a_stream_is_recorded_at_its_true_speed_and_summed_up(self):
        node = self.recorder("_idle_timeout:=1.5")
        self.wait_for_connections()
        self.play(30, rospy.Time.now() - rospy.Duration.from_sec(0.2))
        self.assertTrue(node.running)
        self.assertFalse(self.path.exists())
        self.assertEqual(node.wait(), 0, node.text)
        numbers, times = self.recorded()
        self.assertEqual(numbers, list(range(30)))
        np.testing.assert_allclose(times, STEP * np.arange(30), atol=0.002)
        self.assertIn("Recorded    %s" % self.path, node.text)
        frames, rate = re.search(r"frames +(\d+) in [\d.]+ s, ([\d.]+) frames/s", node.text).groups()
        self.assertEqual(int(frames), 30)
        self.assertLess(abs(float(rate) - 1 / STEP), 3)
        self.assertIn("60 in all frames, 2 distinct tracks", node.text)
        self.assertRegex(node.text, r"emotions +happy 30, (fear 15, sad 15|sad 15, fear 15)")
        median = int(re.search(r"latency +median (\d+) ms, p95 \d+ ms", node.text).group(1))
        self.assertTrue(200 <= median < 400, median)

    def test_a_rate_can_be_set_and_stamps_may_be_missing_or_go_back(self):
        node = self.recorder("_idle_timeout:=1.5", "_rate:=10")
        self.wait_for_connections()
        for number in range(6):
            header = Header(stamp=rospy.Time(0 if number < 3 else 9 - number))
            self.image.publish(array_to_image(numbered(number), header))
            time.sleep(STEP)
        self.assertEqual(node.wait(), 0, node.text)
        numbers, times = self.recorded()
        self.assertEqual(numbers, list(range(6)))
        np.testing.assert_allclose(times, 0.1 * np.arange(6), atol=0.002)

    def test_damaged_frames_are_left_out_and_another_size_is_fitted(self):
        node = self.recorder("_idle_timeout:=1.5")
        self.wait_for_connections()
        start = rospy.Time.now()
        self.play(3, start)
        damaged = array_to_image(numbered(3), Header(stamp=start + rospy.Duration(1)))
        damaged.data = damaged.data[:100]
        self.image.publish(damaged)
        time.sleep(STEP)
        self.image.publish(array_to_image(numbered(4, width=128, height=48), Header(stamp=start + rospy.Duration(1))))
        self.assertEqual(node.wait(), 0, node.text)
        self.assertEqual(len(self.recorded()[0]), 4)
        self.assertIn("truncated", node.text)
        self.assertIn("1 lost", node.text)

    def test_ctrl_c_completes_the_video(self):
        node = self.recorder("_idle_timeout:=60")
        self.wait_for_connections()
        self.play(10, rospy.Time.now())
        time.sleep(0.5)
        node.interrupt()
        self.assertEqual(node.wait(20), 0, node.text)
        self.assertEqual(self.recorded()[0], list(range(10)))
        self.assertNotIn("Traceback", node.text)

    def test_what_cannot_be_recorded_is_one_line_and_a_failure(self):
        nodes = [
            (self.recorder("_start_timeout:=1"), "No image came on /image_masked within 1 s"),
            (NodeProcess("recorder", "image:=/camera/image_raw", "_output:=%s" % self.path), "masked streams only"),
            (NodeProcess("recorder", "image:=image_masked"), "~output is not set"),
            (NodeProcess("recorder", "image:=image_masked", "_output:=/no/such/a.mp4"), "there is no folder"),
            (self.recorder("_idle_timeout:=-1"), "idle_timeout must lie between"),
        ]
        for node, words in nodes:
            self.addCleanup(node.close)
            self.assertEqual(node.wait(), 1, node.text)
            fatal = [line for line in node.text.splitlines() if "FATAL" in line]
            self.assertEqual(len(fatal), 1, node.text)
            self.assertIn(words, fatal[0])
            self.assertNotIn("Traceback", node.text)
        self.assertEqual(list(self.folder.iterdir()), [])


if __name__ == "__main__":
    import rostest

    rostest.rosrun("emomask", "recorder_test", RecorderTest)
