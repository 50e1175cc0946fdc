#!/usr/bin/env python3
"""The talker with sources that end, break, vanish and come back, and with ones that never were."""

import shutil
import sys
import tempfile
import time
import unittest
from pathlib import Path

import rospy
from node_process import NodeProcess
from probe import wait_until
from sensor_msgs.msg import CameraInfo, Image

from emomask.nodes.messages import image_to_array

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from clips import cut, number_of, write_clip, write_clip_as
from mjpeg_server import MjpegServer
from rtsp_server import RtspServer

CALIBRATION = """
image_width: 64
image_height: 48
camera_name: camera
camera_matrix: {rows: 3, cols: 3, data: [70.0, 0, 32, 0, 71, 24, 0, 0, 1]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [0.1, 0, 0, 0, 0]}
rectification_matrix: {rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}
projection_matrix: {rows: 3, cols: 4, data: [70.0, 0, 32, 0, 0, 71, 24, 0, 0, 0, 1, 0]}
"""


class TalkerSourcesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        rospy.init_node("test_talker_sources")

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, str(self.folder))
        self.images, self.infos = [], []
        # A topic for each test: a talker that is about to end must not be heard by the next one.
        self.topic = "/%s/image_raw" % self.id().rpartition(".")[2]
        image = rospy.Subscriber(self.topic, Image, self.images.append, queue_size=100, buff_size=2**24)
        self.addCleanup(image.unregister)

    def talker(self, **parameters):
        arguments = ["_%s:=%s" % item for item in parameters.items()]
        node = NodeProcess("talker", "__ns:=" + self.topic.split("/")[1], *arguments)
        self.addCleanup(node.close)
        return node

    def assert_ends_with(self, node, *words):
        """The node ends with code 1 and exactly one line of error, which has ``words`` in it."""
        self.assertEqual(node.wait(), 1, node.text)
        fatal = [line for line in node.text.splitlines() if "FATAL" in line or "ERROR" in line]
        self.assertEqual(len(fatal), 1, node.text)
        self.assertNotIn("Traceback", node.text)
        for word in words:
            self.assertIn(word, fatal[0])

    def test_a_file_is_played_once_at_its_own_rate(self):
        path = write_clip(self.folder / "clip.mp4", count=36, rate=12)
        node = self.talker(source=path, wait_for_subscriber=True)
        self.assertEqual(node.wait(), 0, node.text)
        self.assertIn("The end of the file %s is reached: 36 frames published." % path, node.text)
        wait_until(lambda: number_of(image_to_array(self.images[-1])) == 35, "the last frame")
        numbers = [number_of(image_to_array(image)) for image in self.images]
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertGreaterEqual(len(numbers), 33)
        seconds = (self.images[-1].header.stamp - self.images[0].header.stamp).to_sec()
        rate = (numbers[-1] - numbers[0]) / seconds
        self.assertLess(abs(rate - 12), 0.2 * 12)

    def test_stamps_encoding_rate_and_calibration_follow_their_parameters(self):
        path = write_clip(self.folder / "clip.mp4", count=38, rate=20)
        (self.folder / "calibration.yaml").write_text(CALIBRATION)
        infos = rospy.Subscriber(self.topic.replace("image_raw", "camera_info"), CameraInfo, self.infos.append)
        self.addCleanup(infos.unregister)
        self.talker(
            source=path,
            loop=True,
            encoding="mono8",
            capture_delay=5.0,
            publish_rate=5,
            camera_info_url="file://%s/calibration.yaml" % self.folder,
        )
        wait_until(lambda: len(self.images) >= 11 and len(self.infos) >= 11, "eleven frames")
        self.assertEqual((self.images[0].encoding, self.images[0].step), ("mono8", 64))
        age = (rospy.Time.now() - self.images[-1].header.stamp).to_sec()
        self.assertTrue(4.9 < age < 7, age)
        seconds = (self.images[10].header.stamp - self.images[0].header.stamp).to_sec()
        self.assertLess(abs(10 / seconds - 5), 1, seconds)
        self.assertEqual(self.infos[0].K[0], 70.0)
        self.assertEqual(self.infos[0].P[5], 71.0)
        self.assertEqual(self.infos[0].distortion_model, "plumb_bob")

    def test_a_stream_that_is_cut_is_taken_up_again(self):
        self.assert_taken_up_again(MjpegServer)

    def test_so_is_one_over_rtsp(self):
        self.assert_taken_up_again(RtspServer)

    def assert_taken_up_again(self, kind):
        server = kind()
        self.addCleanup(lambda: server.close())
        node = self.talker(source=server.url.replace("//", "//user:secret@"), timeout=2)
        wait_until(lambda: len(self.images) >= 10, "frames of the stream")
        server.close()
        wait_until(lambda: "is tried again" in node.text, "a line about the loss")
        count = len(self.images)
        self.assertTrue(node.running)
        server = kind(server.port)
        wait_until(lambda: len(self.images) >= count + 10, "frames after the stream is back")
        self.assertNotIn("secret", node.text)
        self.assertNotIn("Traceback", node.text)

    def test_a_looped_file_that_is_deleted_is_taken_up_when_it_is_back(self):
        path = write_clip(self.folder / "clip.mp4", count=12, rate=12)
        node = self.talker(source=path, loop=True)
        wait_until(lambda: len(self.images) >= 5, "frames of the file")
        path.rename(self.folder / "elsewhere.mp4")
        wait_until(lambda: "There is no file" in node.text, "a line about the loss")
        time.sleep(0.3)
        count = len(self.images)
        (self.folder / "elsewhere.mp4").rename(path)
        wait_until(lambda: len(self.images) >= count + 15, "frames after the file is back")
        self.assertTrue(node.running)

    def test_what_cannot_be_opened_is_one_line_and_a_failure(self):
        (self.folder / "empty.mp4").touch()
        nodes = [
            (self.talker(source="/dev/video93", reconnect=False), ("`video` group", "two", "busy", "container")),
            (self.talker(source=self.folder / "missing.mp4"), ("There is no file", "missing.mp4")),
            (self.talker(source=self.folder / "empty.mp4", loop=True), ("empty (0 bytes)",)),
            (self.talker(source="gopher://user:secret@host/x"), ("gopher", "rtsp")),
        ]
        for node, words in nodes:
            self.assert_ends_with(node, *words)
            self.assertNotIn("secret", node.text)
        self.assert_ends_with(self.talker(source="demo", rotate=45), "rotate must be 0, 90, 180 or 270")
        self.assert_ends_with(self.talker(source="demo", camera_info_url="/no/such.yaml"), "/no/such.yaml")
        self.assertEqual(self.images, [])

    def test_a_file_that_breaks_off_is_played_up_to_there_and_a_failure(self):
        path = cut(write_clip_as(self.folder / "clip.mkv"), 0.5)
        self.assert_ends_with(self.talker(source=path, loop=True), "damaged or incomplete: it can be read up to")
        self.assertGreater(len(self.images), 5)

    def test_a_camera_that_is_not_there_yet_is_tried_again_until_ctrl_c(self):
        node = self.talker(source="/dev/video93", no_such_parameter=1)
        wait_until(lambda: "`video` group" in node.text, "a line about the camera")
        time.sleep(2)
        self.assertTrue(node.running)
        self.assertEqual(node.text.count("Cannot open"), 1)
        self.assertIn("Unknown parameter ~no_such_parameter", node.text)
        node.interrupt()
        self.assertEqual(node.wait(10), 0, node.text)
        self.assertNotIn("Traceback", node.text)


if __name__ == "__main__":
    import rostest

    rostest.rosrun("emomask", "talker_sources", TalkerSourcesTest)
