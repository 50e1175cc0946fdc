#!/usr/bin/env python3
"""The talker on a camera: started and stopped, opened for subscribers only, calibrated, unplugged, and its rate."""

import os
import shutil
import statistics
import tempfile
import threading
import time
import unittest
from pathlib import Path

import cv2
import rospy
import rosservice
from node_process import NodeProcess
from probe import wait_until
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from sensor_msgs.srv import SetCameraInfo
from std_srvs.srv import Trigger
from talker_with_camera import HEIGHT, RATE, WIDTH

# The time after which what has not happened will not: a device that is not to be opened, a frame that is not to come.
QUIET = 1.5
SETTINGS = {"fourcc": "MJPG", "gain": 3, "auto_exposure": 1, "exposure": 200}
ASKED = ["set %d %s" % item for item in (
    (cv2.CAP_PROP_FOURCC, cv2.VideoWriter_fourcc(*"MJPG")),
    (cv2.CAP_PROP_AUTO_EXPOSURE, 1.0),
    (cv2.CAP_PROP_GAIN, 3.0),
    (cv2.CAP_PROP_EXPOSURE, 200.0),
)]  # fmt: skip
# Of one processor, for rospy's own threads and the node's look at its subscribers.
IDLE = 0.05


def calibration(width=WIDTH, height=HEIGHT, focal=70.0):
    return CameraInfo(
        width=width,
        height=height,
        distortion_model="plumb_bob",
        D=[0.1, 0, 0, 0, 0],
        K=[focal, 0, width / 2, 0, focal, height / 2, 0, 0, 1],
        R=[1, 0, 0, 0, 1, 0, 0, 0, 1],
        P=[focal, 0, width / 2, 0, 0, focal, height / 2, 0, 0, 0, 1, 0],
    )


class TalkerCameraTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        rospy.init_node("test_talker_camera")

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, str(self.folder))
        (self.folder / "plugged").touch()
        self.namespace = "/" + self.id().rpartition(".")[2]
        home = os.environ.get("ROS_HOME")
        os.environ["ROS_HOME"] = str(self.folder / "home")
        self.addCleanup(lambda: os.environ.pop("ROS_HOME") if home is None else os.environ.update(ROS_HOME=home))

    def talker(self, **parameters):
        arguments = ["_%s:=%s" % item for item in parameters.items()]
        node = NodeProcess("talker_with_camera.py", str(self.folder), "__ns:=" + self.namespace, *arguments)
        self.addCleanup(node.close)
        self.name = wait_until(self._found_name, "the node's services")
        return node

    def _found_name(self):
        """The private name of the talker that runs in this test's namespace."""
        names = rosservice.get_service_list(namespace=self.namespace)
        return next((name.rpartition("/")[0] for name in names if name.endswith("/stop_capture")), None)

    def subscribe(self, topic, kind):
        received = []
        subscriber = rospy.Subscriber(self.namespace + "/" + topic, kind, received.append, buff_size=2**24)
        self.addCleanup(subscriber.unregister)
        return received, subscriber

    def call(self, service, kind=Trigger, *arguments):
        name = service if service.startswith("/") else "%s/%s" % (self.name, service)
        rospy.wait_for_service(name, timeout=30)
        return rospy.ServiceProxy(name, kind)(*arguments)

    @property
    def log(self):
        path = self.folder / "log"
        return path.read_text().splitlines() if path.exists() else []

    @staticmethod
    def wait_for(received, count, what):
        wait_until(lambda: len(received) >= count, "%d %s" % (count, what))

    def assert_quiet(self, received):
        """Nothing is received any more; what is under way may still come."""
        time.sleep(0.3)
        count = len(received)
        time.sleep(QUIET)
        self.assertEqual(len(received), count)

    def test_it_can_be_stopped_and_started(self):
        images, _ = self.subscribe("image_raw", Image)
        node = self.talker(**SETTINGS)
        wait_until(lambda: len(images) >= 5, "frames")
        self.assertEqual(self.log, ["open"] + ASKED)
        answer = self.call("stop_capture")
        self.assertTrue(answer.success, answer)
        self.assertEqual(self.log[-1], "release")
        self.assert_quiet(images)
        self.assertNotIn("No frame comes", node.text)
        self.assertTrue(self.call("stop_capture").success)  # again

        count = len(images)
        answer = self.call("start_capture")
        self.assertTrue(answer.success, answer)
        wait_until(lambda: len(images) >= count + 5, "frames after the start")
        self.assertEqual(self.log, ["open"] + ASKED + ["release", "open"] + ASKED)
        self.assertTrue(self.call("start_capture").success)
        self.assertTrue(node.running)
        self.assertNotIn("Traceback", node.text)

    def test_a_start_that_fails_says_why(self):
        node = self.talker()
        wait_until(lambda: "open" in self.log, "the camera to be opened")
        self.call("stop_capture")
        (self.folder / "plugged").unlink()
        answer = self.call("start_capture")
        self.assertFalse(answer.success)
        self.assertIn("`video` group", answer.message)
        (self.folder / "plugged").touch()
        wait_until(lambda: self.log.count("open") == 2, "the camera to be tried again")
        self.assertTrue(node.running)

    def test_lazy_opens_with_the_first_subscriber_and_releases_after_the_last(self):
        node = self.talker(lazy=True, **SETTINGS)
        time.sleep(QUIET)
        self.assertEqual(self.log, [])
        self.assertIn("until somebody subscribes", node.text)
        self.assertTrue(self.call("start_capture").success)  # which subscribers are to follow
        self.assertEqual(self.log, [])
        began, before = time.monotonic(), self.cpu_seconds(node)
        time.sleep(4)
        used = (self.cpu_seconds(node) - before) / (time.monotonic() - began)
        rospy.loginfo("Idle, the talker uses %.1f %% of a processor.", 100 * used)
        self.assertLess(used, IDLE)

        for times, (topic, kind) in enumerate((("image_raw", Image), ("image_raw/compressed", CompressedImage))):
            received, subscriber = self.subscribe(topic, kind)
            info, info_subscriber = self.subscribe("camera_info", CameraInfo)
            self.wait_for(received, 5, topic)
            self.wait_for(info, 5, "camera_info")
            self.assertEqual(self.log, (["open"] + ASKED + ["release"]) * times + ["open"] + ASKED)
            subscriber.unregister()
            time.sleep(QUIET)
            self.assertEqual(self.log[-1], ASKED[-1])  # camera_info still has a subscriber
            info_subscriber.unregister()
            wait_until(lambda: self.log[-1] == "release", "the release of the camera")
        self.assertTrue(node.running)
        self.assertNotIn("No frame comes", node.text)

    def test_what_is_stopped_is_not_opened_by_a_subscriber(self):
        self.talker(lazy=True)
        self.assertTrue(self.call("stop_capture").success)
        images, _ = self.subscribe("image_raw", Image)
        time.sleep(QUIET)
        self.assertEqual((self.log, images), ([], []))
        self.assertTrue(self.call("start_capture").success)
        wait_until(lambda: len(images) >= 5, "frames after the start")

    @staticmethod
    def cpu_seconds(node):
        fields = Path("/proc/%d/stat" % node.pid).read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def test_a_camera_that_is_plugged_in_again_gets_its_settings_again(self):
        images, _ = self.subscribe("image_raw", Image)
        node = self.talker(**SETTINGS)
        self.wait_for(images, 5, "frames")
        for times in (1, 2):
            (self.folder / "plugged").unlink()
            wait_until(lambda: self.log[-1] == "release", "the loss to be noticed")
            self.assert_quiet(images)
            (self.folder / "plugged").touch()
            self.wait_for(images, len(images) + 5, "frames after the camera is back")
            self.assertEqual(self.log, (["open"] + ASKED + ["release"]) * times + ["open"] + ASKED)
        self.assertIn("gives no more frames", node.text)
        self.assertTrue(node.running)
        stamps = [image.header.stamp for image in images]
        self.assertEqual(stamps, sorted(set(stamps)))

    def test_a_calibration_is_set_saved_and_found_again(self):
        infos, _ = self.subscribe("camera_info", CameraInfo)
        node = self.talker(camera_name="front")
        wait_until(lambda: infos, "camera_info")
        self.assertEqual(infos[-1].K[0], 0)
        service = self.namespace + "/set_camera_info"
        for bad in (calibration(width=0), calibration(focal=0), calibration(focal=float("nan"))):
            answer = self.call(service, SetCameraInfo, bad)
            self.assertFalse(answer.success)
            self.assertTrue(answer.status_message)
        answer = self.call(service, SetCameraInfo, calibration())
        self.assertTrue(answer.success, answer.status_message)
        path = self.folder / "home" / "camera_info" / "front.yaml"
        self.assertIn("camera_name: front", path.read_text())
        wait_until(lambda: infos[-1].K[0] == 70, "the new calibration")
        info = infos[-1]
        self.assertEqual((info.P[6], info.D[0], info.distortion_model), (HEIGHT / 2, 0.1, "plumb_bob"))
        node.close()

        infos, _ = self.subscribe("camera_info", CameraInfo)
        self.talker(camera_name="front")
        wait_until(lambda: infos and infos[-1].K[0] == 70, "the saved calibration after a new start")

    def test_a_calibration_for_another_size_is_scaled_when_that_is_asked_for(self):
        infos, _ = self.subscribe("camera_info", CameraInfo)
        node = self.talker(rescale_camera_info=True)
        answer = self.call(self.namespace + "/set_camera_info", SetCameraInfo, calibration(2 * WIDTH, 2 * HEIGHT, 140))
        self.assertTrue(answer.success, answer.status_message)
        wait_until(lambda: infos and infos[-1].K[0], "a calibration")
        self.assertEqual(list(infos[-1].K), list(calibration().K))
        self.assertEqual((infos[-1].width, infos[-1].height), (WIDTH, HEIGHT))
        wait_until(lambda: "it is scaled" in node.text, "a line about the scaling")

    def test_every_frame_is_published_at_the_cameras_rate(self):
        """Counts, for hztest does not run on Python 3.12."""
        arrivals, images, enough = [], [], threading.Event()

        def arrive(image):
            arrivals.append(time.monotonic())
            images.append(image)
            if len(images) >= 151:
                enough.set()

        subscriber = rospy.Subscriber(self.namespace + "/image_raw", Image, arrive, queue_size=100, buff_size=2**24)
        self.addCleanup(subscriber.unregister)
        self.talker()
        self.assertTrue(enough.wait(60), "%d frames" % len(images))
        stamps = [image.header.stamp.to_sec() for image in images[1:]]
        rate = (len(stamps) - 1) / (stamps[-1] - stamps[0])
        received = (len(stamps) - 1) / (arrivals[-1] - arrivals[1])
        steps = [later - earlier for earlier, later in zip(stamps, stamps[1:])]
        rospy.loginfo("%.2f frames/s stamped, %.2f received.", rate, received)
        self.assertLess(abs(rate - RATE), 0.1 * RATE)
        self.assertLess(abs(received - RATE), 0.1 * RATE)
        self.assertGreater(min(steps), 0)
        self.assertLess(abs(statistics.median(steps) - 1 / RATE), 0.1 / RATE)


if __name__ == "__main__":
    import rostest

    rostest.rosrun("emomask", "talker_camera", TalkerCameraTest)
