#!/usr/bin/env python3
"""The faces in the messages of other packages: vision_msgs, opencv_apps, and hri_msgs as REP-155 asks."""

import importlib
import os
import shutil
import sys
import tempfile
import threading
import unittest

import generated_messages
import numpy as np
import rosgraph
import rospy
from node_process import NodeProcess
from probe import FACE, Probe, astronaut_frame, covered_fraction, wait_until
from sensor_msgs.msg import Image

from emomask import EMOTIONS
from emomask.nodes.messages import array_to_image, image_to_array

PERIOD = 0.1  # seconds between frames


def missing(*packages):
    found = []
    for package in packages:
        try:
            importlib.import_module(package + ".msg")
        except ImportError:
            found.append(package)
    return found


class ListenerStandardsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        rospy.init_node("test_listener_standards")
        cls.frame = astronaut_frame()
        if missing("hri_msgs", "vision_msgs"):
            folder = tempfile.mkdtemp()
            cls.addClassCleanup(shutil.rmtree, folder)
            generated_messages.generate(folder)
            sys.path.insert(0, folder)
            os.environ["PYTHONPATH"] = os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")])
            importlib.invalidate_caches()

    def start(self, names):
        """A listener that also publishes these, and the probe that feeds it."""
        node = NodeProcess("listener", "_also_publish:=%s" % names)
        self.addCleanup(node.close)
        self.node = node
        probe = Probe()
        self.addCleanup(probe.publisher.unregister)
        self.addCleanup(probe.unsubscribe)
        self.probe = probe
        return probe

    def feed(self, frame):
        """Send ``frame`` until the test ends, or what this returns is called."""
        ended = threading.Event()

        def run():
            while not ended.wait(PERIOD):
                self.probe.send(array_to_image(frame, self.probe.next_header(PERIOD)))

        thread = threading.Thread(target=run)
        thread.start()

        def end():
            ended.set()
            thread.join()

        self.addCleanup(end)
        return end

    def collect(self, topic, kind):
        """A list that grows by the messages of a topic."""
        messages = []
        subscriber = rospy.Subscriber(topic, kind, messages.append, queue_size=10)
        self.addCleanup(subscriber.unregister)
        return messages

    def own(self, message):
        """The listener's own message on the same frame."""
        return wait_until(lambda: self.probe.faces.get(message.header.stamp), "faces of the same stamp")

    def published(self, start):
        """The topics under ``start`` that have a publisher."""
        topics, _, _ = rosgraph.Master("/test").getSystemState()
        return {topic for topic, _ in topics if topic.startswith(start)}

    def test_vision_msgs(self):
        from vision_msgs.msg import Detection2DArray, VisionInfo

        self.start("vision_msgs")
        arrays = self.collect("faces/detections", Detection2DArray)
        self.feed(self.frame)
        array = wait_until(lambda: next((array for array in arrays if array.detections), None), "a detection")
        own = self.own(array)
        self.assertEqual(array.header.frame_id, own.header.frame_id)
        self.assertEqual(len(array.detections), len(own.faces))
        for detection, face in zip(array.detections, own.faces):
            self.assertEqual(detection.header.stamp, own.header.stamp)
            box = detection.bbox
            corners = [box.center.x - box.size_x / 2, box.center.y - box.size_y / 2]
            np.testing.assert_allclose(corners, [face.box.left, face.box.top], atol=0.01)
            size = [face.box.right - face.box.left, face.box.bottom - face.box.top]
            np.testing.assert_allclose([box.size_x, box.size_y], size, atol=0.01)
            scores = [result.score for result in detection.results]
            self.assertEqual(scores, sorted(scores, reverse=True))
            self.assertEqual(sorted(result.id for result in detection.results), list(range(7)))
            expected = [face.probabilities[result.id] for result in detection.results]
            np.testing.assert_allclose(scores, expected, atol=1e-5)
            self.assertEqual(detection.source_img.data, b"")
        infos = self.collect("faces/vision_info", VisionInfo)
        wait_until(lambda: infos, "where the names are")
        names = rospy.get_param(infos[0].database_location)
        self.assertEqual([names[str(index)] for index in range(7)], list(EMOTIONS))

    def test_opencv_apps(self):
        if missing("opencv_apps"):
            self.skipTest("needs opencv_apps (python3-opencv-apps)")
        from opencv_apps.msg import FaceArrayStamped

        self.start("opencv_apps")
        arrays = self.collect("faces/opencv_apps", FaceArrayStamped)
        self.feed(self.frame)
        array = wait_until(lambda: next((array for array in arrays if array.faces), None), "a face")
        own = self.own(array)
        for face, mine in zip(array.faces, own.faces):
            self.assertEqual(face.label, mine.emotion)
            self.assertAlmostEqual(face.confidence, mine.probabilities[EMOTIONS.index(mine.emotion)], places=5)
            self.assertAlmostEqual(face.face.x, (mine.box.left + mine.box.right) / 2, places=2)
            self.assertAlmostEqual(face.face.height, mine.box.bottom - mine.box.top, places=2)
            left, right = face.eyes
            self.assertLess(left.x, right.x)
            self.assertTrue(all(mine.box.left < eye.x < mine.box.right for eye in face.eyes))

    def test_rep_155(self):
        from hri_msgs.msg import Expression, FacialLandmarks, IdsList, NormalizedRegionOfInterest2D

        rospy.set_param("/humans/faces/width", 96)
        self.addCleanup(rospy.delete_param, "/humans/faces/width")
        self.start("hri_msgs")
        lists = self.collect("/humans/faces/tracked", IdsList)
        end = self.feed(self.frame)
        (name,) = wait_until(lambda: lists and lists[-1].ids, "an ID")
        self.assertRegex(name, "^f[a-z]{5}$")
        root = "/humans/faces/%s/" % name
        kinds = {
            "roi": NormalizedRegionOfInterest2D,
            "landmarks": FacialLandmarks,
            "expression": Expression,
            "cropped": Image,
        }
        self.assertEqual(self.published("/humans"), {"/humans/faces/tracked"} | {root + topic for topic in kinds})
        messages = {topic: self.collect(root + topic, kind) for topic, kind in kinds.items()}
        wait_until(lambda: all(len(some) > 3 for some in messages.values()), "messages on each topic")
        roi, landmarks, expression, cropped = (messages[topic][3] for topic in kinds)
        for message in (roi, landmarks, expression, cropped):
            self.assertEqual(message.header.frame_id, "camera_optical_frame")
            # Each topic has a connection of its own: the list of a frame may come after what it lists.
            stamp = message.header.stamp
            wait_until(lambda stamp=stamp: stamp in {one.header.stamp for one in lists}, "the list of the same stamp")

        (face,) = self.own(roi).faces
        np.testing.assert_allclose(
            [roi.xmin * 640, roi.ymin * 480, roi.xmax * 640, roi.ymax * 480],
            [face.box.left, max(0, face.box.top), face.box.right, face.box.bottom],
            atol=0.1,
        )
        self.assertAlmostEqual(roi.c, face.score, places=5)
        (face,) = self.own(landmarks).faces
        self.assertEqual((len(landmarks.landmarks), landmarks.width, landmarks.height), (70, 640, 480))
        for point, mine in zip(landmarks.landmarks, face.landmarks):
            np.testing.assert_allclose([point.x * 640, point.y * 480], [mine.x, mine.y], atol=0.1)
        self.assertEqual([point.c for point in landmarks.landmarks[68:]], [0, 0])
        (face,) = self.own(expression).faces
        self.assertEqual((face.emotion, expression.expression), ("happy", "happy"))
        self.assertAlmostEqual(expression.confidence, face.probabilities[EMOTIONS.index("happy")], places=5)
        self.assert_shows_no_face(messages["cropped"])

        end()
        self.feed(np.full_like(self.frame, 90))
        wait_until(lambda: not lists[-1].ids, "a list without the face that is gone")
        wait_until(lambda: self.published("/humans") == {"/humans/faces/tracked"}, "its topics gone")

    def assert_shows_no_face(self, crops):
        """Each crop is the one of the masked picture."""
        for crop in list(crops):
            own = self.own(crop)
            masked = wait_until(lambda stamp=crop.header.stamp: self.probe.masked.get(stamp), "the masked frame")
            (face,) = own.faces
            box = face.covered
            self.assertGreater(covered_fraction(self.frame, image_to_array(masked), FACE), 0.9)
            pixels = image_to_array(crop)
            self.assertEqual(pixels.shape, (128, 96, 3))
            part = image_to_array(masked)[int(box.top) : int(box.bottom), int(box.left) : int(box.right)]
            scale = min(96 / part.shape[1], 128 / part.shape[0])
            wide, high = int(part.shape[1] * scale), int(part.shape[0] * scale)
            x, y = (96 - wide) // 2, (128 - high) // 2
            middle = pixels[y : y + high, x : x + wide]
            self.assertLess(abs(middle.mean() - part.mean()), 6)
            pixels[y : y + high, x : x + wide] = 0
            self.assertFalse(pixels.any())
            original = self.frame[int(box.top) : int(box.bottom), int(box.left) : int(box.right)]
            self.assertGreater(abs(middle.mean(axis=(0, 1)) - original.mean(axis=(0, 1))).max(), 20)

    def test_faces_are_masked_for_these_topics_alone_too_and_given_up_when_nobody_listens(self):
        from hri_msgs.msg import IdsList

        self.start("hri_msgs, vision_msgs")
        self.feed(self.frame)
        self.probe.unsubscribe()
        wait_until(lambda: self.probe.logged("Nobody subscribes"), "a log line that says so")
        lists = []
        subscriber = rospy.Subscriber("/humans/faces/tracked", IdsList, lists.append, queue_size=10)
        wait_until(lambda: lists and lists[-1].ids, "an ID")
        subscriber.unregister()
        wait_until(lambda: self.published("/humans") == {"/humans/faces/tracked"}, "the face's topics gone")

    def test_a_face_is_given_up_when_no_frame_comes_and_at_the_end(self):
        from hri_msgs.msg import IdsList

        self.start("hri_msgs")
        lists = self.collect("/humans/faces/tracked", IdsList)
        end = self.feed(self.frame)
        wait_until(lambda: lists and lists[-1].ids, "an ID")
        end()
        wait_until(lambda: not lists[-1].ids, "an empty list after the last frame", 15)
        self.feed(self.frame)
        wait_until(lambda: lists[-1].ids, "an ID again")
        self.node.interrupt()
        self.assertEqual(self.node.wait(), 0)
        wait_until(lambda: not lists[-1].ids, "an empty list at the end", 10)
        self.assertEqual(self.published("/humans"), set())

    def assert_refused(self, reason, *arguments):
        node = NodeProcess("listener", *arguments)
        self.addCleanup(node.close)
        self.assertEqual(node.wait(), 1)
        self.assertIn(reason, node.text)
        self.assertNotIn("Traceback", node.text)

    def test_what_cannot_be_published_is_one_clear_line(self):
        known = "also_publish knows vision_msgs, opencv_apps, hri_msgs, not 'ros4hri'"
        self.assert_refused(known, "_also_publish:=ros4hri")
        rospy.set_param("/humans/faces/height", "tall")
        self.addCleanup(rospy.delete_param, "/humans/faces/height")
        self.assert_refused("/humans/faces/height must be a whole number", "_also_publish:=hri_msgs")
        path = os.environ.pop("PYTHONPATH")
        self.addCleanup(os.environ.update, PYTHONPATH=path)
        kept = [part for part in path.split(os.pathsep) if not (part and os.path.isdir(os.path.join(part, "hri_msgs")))]
        os.environ["PYTHONPATH"] = os.pathsep.join(kept)
        if not any(os.path.isdir(os.path.join(part, "hri_msgs")) for part in kept if part):
            self.assert_refused("needs the messages of the package hri_msgs", "_also_publish:=hri_msgs")


if __name__ == "__main__":
    import rostest

    rostest.rosrun("emomask", "listener_standards", ListenerStandardsTest, sys.argv)
