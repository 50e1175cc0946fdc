#!/usr/bin/env python3
"""The web node: the masked camera of the robot on the website, and how the node starts and ends."""

import json
import re
import sys
import time
import unittest
from pathlib import Path

import cv2
import numpy as np
import rospy
from node_process import NodeProcess
from probe import wait_until
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from emomask.faces import Box, Face
from emomask.msg import Faces
from emomask.nodes.messages import array_to_image, faces_to_message

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "web"))
from running_site import Site, answer_of


def face():
    return Face(Box(1, 2, 9, 9), np.zeros((68, 2), np.float32), 0.9, "happy", np.full(7, 1 / 7), 3, Box(0, 0, 9, 9))


class WebTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        rospy.init_node("test_web")
        cls.image = rospy.Publisher("image_masked", Image, queue_size=1)
        cls.faces = rospy.Publisher("faces", Faces, queue_size=1)

    def node(self, *arguments):
        node = NodeProcess("web", *arguments)
        self.addCleanup(node.close)
        return node

    def site(self, node):
        found = wait_until(lambda: re.search(r"The website is at (\S+)", node.text), "the website is there")
        return Site(re.sub(r"\x1b.*", "", found.group(1)))

    def publish(self, brightness, with_faces=True):
        header = Header(stamp=rospy.Time.now())
        self.image.publish(array_to_image(np.full((48, 64, 3), brightness, np.uint8), header))
        if with_faces:
            self.faces.publish(faces_to_message([face()], header))

    def greet(self, visitor):
        """Publish until something is shown: the first messages of a connection may be lost."""

        def is_answered():
            self.publish(20)
            try:
                return visitor.recv(0.5)
            except TimeoutError:
                return None

        wait_until(is_answered, "the first image is shown")

    def shown(self, visitor, brightness):
        """The header and the picture of this brightness; earlier ones are passed over."""
        while True:
            _, header, data = answer_of(visitor.recv(20))
            picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            if abs(float(picture.mean()) - brightness) < 3:
                return header, picture

    def test_the_robots_camera_is_shown_while_somebody_looks(self):
        node = self.node("image:=image_masked", "_port:=0")
        site = self.site(node)
        self.assertTrue(site.client.get("api/options").json()["robot"])
        self.assertEqual(self.image.get_num_connections(), 0)  # nobody looks yet
        with site.socket("api/robot") as visitor:
            wait_until(self.image.get_num_connections, "the node subscribes to the images")
            wait_until(self.faces.get_num_connections, "the node subscribes to the faces")
            self.greet(visitor)
            for brightness in (50, 100, 150):
                self.publish(brightness)
                header, shown = self.shown(visitor, brightness)
                self.assertEqual(shown.shape, (48, 64, 3))
                (told,) = header["faces"]
                self.assertEqual((told["track"], told["emotion"], told["box"]), (3, "happy", [1, 2, 9, 9]))
                self.assertEqual(
                    list(told["probabilities"]), json.loads(site.client.get("api/options").text)["emotions"]
                )
            # Images whose faces do not come are shown as soon as the next one is there.
            self.publish(70, with_faces=False)
            time.sleep(0.5)  # only the newest image waits
            self.publish(200, with_faces=False)
            header, _ = self.shown(visitor, 70)
            self.assertEqual(header["faces"], [])
        wait_until(lambda: self.image.get_num_connections() == 0, "nobody looks, nothing is subscribed to")
        node.interrupt()
        self.assertEqual(node.wait(20), 0, node.text)
        self.assertNotIn("Traceback", node.text)

    def test_what_cannot_be_served_is_one_line_and_a_failure(self):
        for arguments, words in (
            (("image:=/camera/image_raw", "_port:=0"), "masked streams only"),
            (("_port:=70000",), "port must lie between"),
            (("_host:=203.0.113.7",), "Cannot listen on 203.0.113.7"),
            (("_token_file:=/nowhere",), "/nowhere cannot be read"),
        ):
            node = self.node(*arguments)
            self.assertEqual(node.wait(), 1, node.text)
            fatal = [line for line in node.text.splitlines() if "FATAL" in line]
            self.assertEqual(len(fatal), 1, node.text)
            self.assertIn(words, fatal[0])
            self.assertNotIn("Traceback", node.text)


if __name__ == "__main__":
    import rostest

    rostest.rosrun("emomask", "web_test", WebTest)
