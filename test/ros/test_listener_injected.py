#!/usr/bin/env python3
"""The listener node with failures injected into its stages: no frame is ever published with a face uncovered."""

import io
import os
import shutil
import sys
import tempfile
import time
import unittest
from pathlib import Path

import numpy as np
import rospy
from faulty_listener import STAGES
from node_process import NodeProcess
from probe import FACE, Probe, astronaut_frame, covered_fraction, wait_until
from std_srvs.srv import Trigger

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from face_scan import traces

from emomask.masks.styles import pixelated_frame
from emomask.nodes.messages import array_to_image, image_to_array
from emomask.resources import share_folder
from emomask.srv import SetStyle

FAULTS = ["%s:%s" % (stage, kind) for stage in STAGES for kind in ("exception", "memory")]
FAULTS += ["%s:nan" % network for network in ("centerface", "landmarks", "resnet42")]
PAUSE = 0.15  # seconds, in which a frame is masked


class ListenerInjectedTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        rospy.init_node("test_listener_injected")
        cls.frame = astronaut_frame()

    def start(self, *arguments):
        """The faulty node, ready, and the probe that feeds it; logs and temporary files go to ``self.folder``."""
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, str(self.folder))
        os.environ.update(ROS_LOG_DIR=str(self.folder), TMPDIR=str(self.folder))
        node = NodeProcess("faulty_listener.py", *arguments)
        self.addCleanup(node.close)
        probe = Probe()
        self.addCleanup(probe.unsubscribe)
        return node, probe

    def send(self, probe, fault=""):
        """Send the astronaut; ``fault`` is what is to fail. Gives the stamp."""
        header = probe.next_header()
        header.frame_id = fault or "camera"
        stamp = probe.send(array_to_image(self.frame, header))
        time.sleep(PAUSE)
        return stamp

    def send_and_wait(self, probe):
        """Send the astronaut and wait until it comes out masked."""
        stamp = self.send(probe)
        wait_until(lambda: stamp in probe.masked, "the masked frame")

    def assert_nothing_leaked(self, probe):
        """Each of the frames that were published has its face covered, and nothing else shows it."""
        for index, message in enumerate(list(probe.faces.values())):
            buffer = io.BytesIO()
            message.serialize(buffer)
            (self.folder / ("faces_%d.bin" % index)).write_bytes(buffer.getvalue())
        (self.folder / "rosout.txt").write_text("\n".join(probe.lines))
        self.assertEqual(traces(self.folder, self.frame, FACE), [])
        checked = 0
        for message in list(probe.masked.values()):
            masked = image_to_array(message)
            if masked.shape == self.frame.shape:
                self.assertGreater(covered_fraction(self.frame, masked, FACE), 0.9, message.header.frame_id)
                checked += 1
        return checked

    def test_whatever_fails_in_whatever_stage_its_frame_is_withheld_and_the_next_one_masked(self):
        _, probe = self.start("_lookahead:=0")
        for fault in FAULTS:
            with self.subTest(fault):
                bad = self.send(probe, fault)
                good = self.send(probe)
                wait_until(lambda stamp=good: stamp in probe.masked, "a frame after %s" % fault)
                self.assertNotIn(bad, probe.masked)
        self.assertEqual(self.assert_nothing_leaked(probe), len(FAULTS))
        wait_until(lambda: probe.logged("Frames failed"), "a log line about the failures")

    def test_with_pixelate_the_whole_frame_is_unrecognisable(self):
        _, probe = self.start("_lookahead:=0", "_on_failure:=pixelate")
        for fault in ("detection:exception", "landmarks:nan", "cover:memory"):
            stamp = self.send(probe, fault)
            message = wait_until(lambda stamp=stamp: probe.masked.get(stamp), "a frame for %s" % fault)
            np.testing.assert_array_equal(image_to_array(message), pixelated_frame(self.frame))

    def test_with_lookahead_a_failure_costs_its_own_frame_only(self):
        _, probe = self.start("_lookahead:=3")
        for fault in FAULTS:
            good = [self.send(probe) for _ in range(2)]
            self.send(probe, fault)
            good.append(self.send(probe))
        wait_until(lambda: good[-1] in probe.masked, "the last frame")
        self.assertGreater(self.assert_nothing_leaked(probe), 2 * len(FAULTS))

    def test_a_model_that_hangs_for_a_moment_delays_and_leaks_nothing(self):
        _, probe = self.start("_frame_timeout:=0.3")
        for fault in ("detection:hang", "landmarks:hang", "emotions:hang"):
            # One after the other: of two frames in a row a publisher's queue of one may drop the first.
            for frame_id in (fault, "camera"):
                stamp = self.send(probe, frame_id)
                wait_until(lambda stamp=stamp: stamp in probe.masked, "the frame %s after %s" % (frame_id, fault))
        self.assertEqual(self.assert_nothing_leaked(probe), 6)
        wait_until(lambda: probe.logged("A frame is in work"), "a log line about the frame that hangs")

    def assert_ends_the_node(self, fault, reason, *arguments):
        """``fault`` ends a node that was started with ``arguments``, with code 1, a line that gives the ``reason``."""
        node, probe = self.start(*arguments)
        self.send(probe)
        self.send(probe, fault)
        self.assertEqual(node.wait(30), 1)
        self.assertIn(reason, node.text)
        self.assert_nothing_leaked(probe)

    def test_while_a_frame_hangs_a_change_is_refused_rather_than_promised(self):
        node, probe = self.start("_hang_timeout:=60")
        self.send(probe, "detection:forever")
        answer = rospy.ServiceProxy(node.name + "/set_style", SetStyle)("solid")
        self.assertFalse(answer.success)
        self.assertIn("try again", answer.message)
        self.assertEqual(rospy.get_param(node.name + "/style"), "emoji")
        answer = rospy.ServiceProxy(node.name + "/reset_tracks", Trigger)()
        self.assertFalse(answer.success)

    def test_a_node_that_hangs_for_good_ends(self):
        self.assert_ends_the_node("detection:forever", "hangs", "_hang_timeout:=1")

    def test_a_node_of_which_a_thread_died_ends(self):
        for fault in ("detection:exit", "landmarks:exit"):
            with self.subTest(fault):
                self.assert_ends_the_node(fault, "has ended")

    def test_without_memory_nothing_leaks_and_with_it_the_node_goes_on(self):
        _, probe = self.start("_lookahead:=0")
        for _ in range(3):
            for stage in STAGES:
                self.send(probe, stage + ":exhausted")
        good = self.send(probe)
        wait_until(lambda: good in probe.masked, "a frame when there is memory again")
        self.assertGreater(self.assert_nothing_leaked(probe), 0)

    def test_model_files_that_are_swapped_while_it_runs_change_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            models = Path(folder) / "models"
            shutil.copytree(str(share_folder() / "models"), str(models))
            _, probe = self.start("_models:=%s" % models)
            self.send_and_wait(probe)
            for path in models.glob("*.onnx"):
                path.write_bytes(bytes(range(256)) * 40)
            self.send_and_wait(probe)
            shutil.rmtree(str(models))
            self.send_and_wait(probe)
            self.assertEqual(self.assert_nothing_leaked(probe), 3)

    def test_frames_that_are_cut_off_are_withheld(self):
        _, probe = self.start("_lookahead:=0")
        for rest in (0, 1, 640 * 3, 640 * 480 * 3 - 1):
            message = array_to_image(self.frame, probe.next_header())
            message.data = message.data[:rest]
            bad = probe.send(message)
            time.sleep(PAUSE)
            good = self.send(probe)
            wait_until(lambda stamp=good: stamp in probe.masked, "a frame after one that is cut off")
            self.assertNotIn(bad, probe.masked)
        self.assertEqual(self.assert_nothing_leaked(probe), 4)


if __name__ == "__main__":
    import rostest

    rostest.rosrun("emomask", "listener_injected", ListenerInjectedTest, sys.argv)
