#!/usr/bin/env python3
"""The listener node's ends: what it refuses to start with, how it stops, and what it says when a frame hangs."""

import itertools
import shutil
import signal
import sys
import tempfile
import time
import unittest
from pathlib import Path

import rospy
from node_process import NodeProcess
from probe import Probe, astronaut_frame, wait_until

from emomask.nodes.messages import array_to_image
from emomask.resources import share_folder
from emomask.settings import EMOTION_NETWORKS


class ListenerFaultsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        rospy.init_node("test_listener_faults")

    def start(self, *arguments):
        node = NodeProcess("listener", *arguments)
        self.addCleanup(node.close)
        return node

    def assert_ends_cleanly(self, node, deadline):
        """After Ctrl-C ``node`` ends within ``deadline`` seconds with code 0 and no traceback."""
        node.interrupt()
        code = node.wait(deadline)
        self.assertEqual(code, 0, node.text)
        self.assertNotIn("Traceback", node.text)

    def assert_refuses(self, arguments, *words):
        """With ``arguments`` the node ends with code 1 and one line that contains ``words``."""
        node = self.start(*arguments)
        self.assertEqual(node.wait(90), 1, node.text)
        self.assertNotIn("Traceback", node.text)
        fatal = [line for line in node.text.splitlines() if "FATAL" in line]
        self.assertEqual(len(fatal), 1, node.text)
        for word in words:
            self.assertIn(word, fatal[0])

    def test_a_bad_parameter_is_one_line(self):
        for argument, words in (
            ("_margin:=9", ("margin", "between")),
            ("_style:=sparkles", ("style", "emoji", "sparkles")),
            ("_threads:=many", ("threads", "whole number")),
            ("_jpeg_quality:=0", ("jpeg_quality", "between")),
            ("_image_transport:=theora", ("image_transport", "raw, compressed")),
            ("_always_process:=perhaps", ("always_process", "true or false")),
        ):
            with self.subTest(argument):
                self.assert_refuses([argument], *words)

    def test_missing_models_are_one_line(self):
        self.assert_refuses(["_models:=/no/such/folder"], "/no/such/folder")

    def test_a_damaged_model_is_one_line(self):
        for model in sorted(share_folder().joinpath("models").glob("*.onnx")):
            for kind in ("cut", "empty", "noise"):
                with self.subTest(model=model.name, kind=kind), tempfile.TemporaryDirectory() as folder:
                    models = Path(folder) / "models"
                    shutil.copytree(str(share_folder() / "models"), str(models))
                    data = model.read_bytes()
                    damaged = {"cut": data[: len(data) // 2], "empty": b"", "noise": bytes(range(256)) * 40}[kind]
                    (models / model.name).write_bytes(damaged)
                    arguments = ["_models:=%s" % models]
                    if model.stem in EMOTION_NETWORKS:  # only the one that is asked for is loaded
                        arguments.append("_emotion_network:=%s" % model.stem)
                    self.assert_refuses(arguments, model.name)

    def test_an_interrupt_ends_the_node_cleanly(self):
        node = self.start("_maargin:=0.3")
        probe = Probe()
        self.addCleanup(probe.unsubscribe)
        message = array_to_image(astronaut_frame(), probe.next_header())
        probe.answer(message)
        for _ in range(10):
            message.header = probe.next_header()
            probe.send(message)
        self.assert_ends_cleanly(node, deadline=20)
        self.assertIn("Unknown parameter ~maargin is ignored; perhaps ~margin is meant", node.text)

    def test_an_interrupt_at_any_moment_of_the_start_ends_the_node_cleanly(self):
        # With the first line rospy asks the master for a parameter; then models are loaded, then topics registered.
        for delay in (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5):
            with self.subTest(delay=delay):
                node = self.start()
                wait_until(lambda started=node: "Parameters" in started.text, "the node's first line")
                time.sleep(delay)
                self.assert_ends_cleanly(node, deadline=30)

    def test_an_interrupt_while_there_is_no_master_ends_the_node_cleanly(self):
        node = self.start("__master:=http://localhost:1")  # where nothing listens
        wait_until(lambda: "Unable to" in node.text, "the node misses the master")
        self.assert_ends_cleanly(node, deadline=20)

    def test_a_frame_that_hangs_is_reported(self):
        node = self.start("_frame_timeout:=0.2")
        probe = Probe()
        self.addCleanup(probe.unsubscribe)
        message = array_to_image(astronaut_frame(), probe.next_header())
        probe.answer(message)

        # How long after its sending a frame is in work depends on the machine.
        delays = itertools.cycle((0.0, 0.005, 0.01, 0.02, 0.04))

        def hang_in_a_frame():
            message.header = probe.next_header()
            probe.send(message)
            time.sleep(next(delays))
            node.send_signal(signal.SIGSTOP)
            time.sleep(1)
            node.send_signal(signal.SIGCONT)
            time.sleep(0.5)
            return probe.logged("A frame is in work")

        wait_until(hang_in_a_frame, "a log line about the frame that hangs")
        message.header = probe.next_header()
        probe.answer(message)


if __name__ == "__main__":
    import rostest

    rostest.rosrun("emomask", "listener_faults", ListenerFaultsTest, sys.argv)
