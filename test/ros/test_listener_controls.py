#!/usr/bin/env python3
"""What may change while the listener runs: every change applies between two frames, and none uncovers a face."""

import sys
import threading
import time
import unittest

import numpy as np
import rospy
from dynamic_reconfigure.client import Client
from probe import FACE, Probe, astronaut_frame, covered_fraction, wait_until
from std_srvs.srv import Trigger

from emomask import Settings
from emomask.nodes.messages import array_to_image, image_to_array
from emomask.srv import SetStyle

PERIOD = 0.05  # seconds between frames
START = {"style": "solid", "margin": 0.1, "lookahead": 3, "detection_threshold": 0.15, "hold": 1.0, "smoothing": 0.5}
START.update({"unsure": 0.5, "on_failure": "drop"})


class ListenerControlsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        rospy.init_node("test_listener_controls")
        cls.frame = astronaut_frame()
        cls.probe = Probe()
        cls.client = Client("listener", timeout=30)
        cls.first = cls.client.get_configuration(timeout=30)
        cls.set_style = rospy.ServiceProxy("listener/set_style", SetStyle)
        cls.reset_tracks = rospy.ServiceProxy("listener/reset_tracks", Trigger)

    def setUp(self):
        self.client.update_configuration(START)
        self.probe.masked.clear()
        self.probe.faces.clear()
        self._ended = threading.Event()
        self._feeder = threading.Thread(target=self.feed)
        # A gap, after which the tracks of the test before are given up; some frames of it may still come.
        self.begin = self.probe.next_header().stamp
        self._feeder.start()
        wait_until(lambda: len(self.probe.masked) > 8, "masked frames")

    def tearDown(self):
        self._ended.set()
        self._feeder.join()

    def feed(self):
        while not self._ended.wait(PERIOD):
            self.probe.send(array_to_image(self.frame, self.probe.next_header(PERIOD)))

    def more(self, number=10):
        """Wait for so many further frames; gives the last message."""
        known = len(self.probe.masked)
        wait_until(lambda: len(self.probe.masked) >= known + number, "further frames")
        return list(self.probe.masked.values())[-1]

    def assert_all_covered(self):
        """Every frame of this test is covered, those around the changes included."""
        answers = list(self.probe.masked.values())
        for number, message in enumerate(answers):
            masked = image_to_array(message)
            if masked.shape == self.frame.shape:
                self.assertGreater(covered_fraction(self.frame, masked, FACE), 0.9, number)
        return len(answers)

    def tracks(self):
        messages = [message for stamp, message in list(self.probe.faces.items()) if stamp > self.begin]
        return {face.track_id for message in messages for face in message.faces if not face.held}

    def is_grey(self, message):
        left, top, right, bottom = FACE
        middle = image_to_array(message)[(top + bottom) // 2, (left + right) // 2]
        return bool((middle == 128).all())

    def area(self):
        face = list(self.probe.faces.values())[-1].faces[0]
        return (face.covered.right - face.covered.left) * (face.covered.bottom - face.covered.top)

    def test_a_style_takes_effect_and_no_track_is_lost(self):
        for _ in range(3):
            for style, grey in (("emoji", False), ("pixelate", False), ("blur", False), ("solid", True)):
                answer = self.set_style(style)
                self.assertTrue(answer.success, answer.message)
                self.assertEqual(self.is_grey(self.more(6)), grey)
        self.assertEqual(rospy.get_param("listener/style"), "solid")
        self.assertGreater(self.assert_all_covered(), 70)
        self.assertEqual(len(self.tracks()), 1)

    def test_margin_and_lookahead(self):
        self.more()
        before = self.area()
        config = self.client.update_configuration({"margin": 0.5, "lookahead": 0})
        self.assertEqual((config["margin"], config["lookahead"]), (0.5, 0))
        self.more()
        self.assertGreater(self.area(), 1.3 * before)
        self.client.update_configuration({"lookahead": 6, "detection_threshold": 0.3, "hold": 3.0, "smoothing": 0.0})
        self.more()
        self.client.update_configuration({"lookahead": 0})
        self.more()
        # In order, without a pause beyond what a busy machine skips; the unit tests count the frames.
        stamps = [stamp.to_sec() for stamp in list(self.probe.masked) if stamp > self.begin]
        gaps = np.diff(stamps)
        self.assertTrue((gaps > 0).all())
        self.assertLess(gaps.max(), 20 * PERIOD)
        self.assert_all_covered()
        self.assertEqual(len(self.tracks()), 1)

    def test_what_would_uncover_faces_is_refused_or_kept_within_limits(self):
        for style in ("", "none", "Emoji"):
            answer = self.set_style(style)
            self.assertFalse(answer.success)
            self.assertIn("style must be one of emoji, blur, pixelate, solid", answer.message)
        config = self.client.update_configuration({"on_failure": "publish"})
        self.assertEqual(config["on_failure"], "drop")
        config = self.client.update_configuration({"detection_threshold": 0.99, "hold": 0.0})
        self.assertEqual((config["detection_threshold"], config["hold"]), (0.5, 0.2))
        self.assertTrue(self.is_grey(self.more()))
        offered = {entry["name"] for entry in self.client.get_parameter_descriptions(timeout=30)}
        self.assertFalse(offered & {"only", "excepted", "smallest_face", "models", "detector"})
        wait_until(lambda: self.probe.logged("Nothing is changed"), "a log line about the refusal")
        self.assert_all_covered()

    def test_reset_tracks_begins_new_ones_and_uncovers_nothing(self):
        self.more()
        before = self.tracks()
        answer = self.reset_tracks()
        self.assertTrue(answer.success, answer.message)
        self.more()
        self.assertEqual(len(self.tracks() - before), 1)
        self.assert_all_covered()

    def test_many_changes_at_a_time(self):
        def change(number):
            for turn in range(6):
                self.set_style(("emoji", "solid", "blur")[(turn + number) % 3])
                self.client.update_configuration({"margin": 0.1 + 0.1 * turn, "lookahead": (turn * number) % 4})

        threads = [threading.Thread(target=change, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertTrue(self.set_style("solid").success)
        self.assertTrue(self.is_grey(self.more(8)))
        self.assert_all_covered()
        self.assertEqual(len(self.tracks()), 1)

    def test_a_change_applies_also_while_no_frame_comes(self):
        self._ended.set()
        self._feeder.join()
        start = time.monotonic()
        self.assertTrue(self.set_style("blur").success)
        self.assertLess(time.monotonic() - start, 3)
        self.assertEqual(rospy.get_param("listener/style"), "blur")
        # The client hears of it by a topic.
        wait_until(lambda: self.client.get_configuration(timeout=30)["style"] == "blur", "the update", 10)

    def test_the_start_values_are_those_of_the_parameters(self):
        expected = Settings(style="solid")
        for name in START:
            self.assertEqual(self.first[name], getattr(expected, name))


if __name__ == "__main__":
    import rostest

    rostest.rosrun("emomask", "listener_controls", ListenerControlsTest, sys.argv)
