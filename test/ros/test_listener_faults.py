#!/usr/bin/env python3
"""The listener node's ends: what it refuses to start with, how it stops, and what it says when a frame hangs."""

import itertools
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import roslib.packages
import rospy
from probe import Probe, astronaut_frame, wait_until

from emomask.nodes.messages import array_to_image
from emomask.resources import share_folder

names = ("listener_%d" % number for number in itertools.count(1))


def start(*arguments):
    """Start a listener of its own name (parameters outlive a node); its output is read through a pipe."""
    script = roslib.packages.find_node("emomask", "listener")[0]
    command = [script, "__name:=" + next(names), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


class ListenerFaultsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        rospy.init_node("test_listener_faults")

    def assert_refuses(self, argument, *words):
        """With ``argument`` the node ends with code 1 and one line that contains ``words``."""
        process = start(argument)
        try:
            _, errors = process.communicate(timeout=90)
        finally:
            process.kill()
        self.assertEqual(process.returncode, 1, errors)
        self.assertNotIn("Traceback", errors)
        fatal = [line for line in errors.splitlines() if "FATAL" in line]
        self.assertEqual(len(fatal), 1, errors)
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
                self.assert_refuses(argument, *words)

    def test_missing_models_are_one_line(self):
        self.assert_refuses("_models:=/no/such/folder", "/no/such/folder")

    def test_a_damaged_model_is_one_line(self):
        for model in sorted(share_folder().joinpath("models").glob("*.onnx")):
            for kind in ("cut", "empty", "noise"):
                with self.subTest(model=model.name, kind=kind), tempfile.TemporaryDirectory() as folder:
                    models = Path(folder) / "models"
                    shutil.copytree(str(share_folder() / "models"), str(models))
                    data = model.read_bytes()
                    damaged = {"cut": data[: len(data) // 2], "empty": b"", "noise": bytes(range(256)) * 40}[kind]
                    (models / model.name).write_bytes(damaged)
                    self.assert_refuses("_models:=%s" % models, model.name)

    def test_an_interrupt_ends_the_node_cleanly(self):
        process = start("_maargin:=0.3")
        try:
            probe = Probe()
            message = array_to_image(astronaut_frame(), probe.next_header())
            probe.answer(message)
            for _ in range(10):
                message.header = probe.next_header()
                probe.send(message)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
        finally:
            process.kill()
        self.assertEqual(process.returncode, 0, errors)
        self.assertNotIn("Traceback", errors)
        self.assertIn("Unknown parameter ~maargin is ignored; perhaps ~margin is meant", errors)
        probe.unsubscribe()

    def test_an_interrupt_while_the_models_load_ends_the_node_cleanly(self):
        for delay in (0.3, 0.7, 1.5):
            with self.subTest(delay=delay):
                process = start()
                try:
                    # The first log line asks the master for parameters, and rospy deadlocks on a signal in that moment.
                    self.assertIn("Parameters", process.stdout.readline())
                    time.sleep(delay)
                    process.send_signal(signal.SIGINT)
                    _, errors = process.communicate(timeout=30)
                finally:
                    process.kill()
                self.assertEqual(process.returncode, 0, errors)
                self.assertNotIn("Traceback", errors)

    def test_a_frame_that_hangs_is_reported(self):
        process = start("_frame_timeout:=0.2")
        try:
            probe = Probe()
            message = array_to_image(astronaut_frame(), probe.next_header())
            probe.answer(message)

            def hang_in_a_frame():
                message.header = probe.next_header()
                probe.send(message)
                time.sleep(0.02)
                process.send_signal(signal.SIGSTOP)
                time.sleep(1)
                process.send_signal(signal.SIGCONT)
                time.sleep(0.5)
                return probe.logged("A frame is in work")

            wait_until(hang_in_a_frame, "a log line about the frame that hangs")
            message.header = probe.next_header()
            probe.answer(message)
        finally:
            process.kill()
            process.communicate()
        probe.unsubscribe()


if __name__ == "__main__":
    import rostest

    rostest.rosrun("emomask", "listener_faults", ListenerFaultsTest, sys.argv)
