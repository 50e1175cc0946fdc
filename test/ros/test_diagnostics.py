#!/usr/bin/env python3
"""/diagnostics of both nodes: each level, with the figures behind it."""

import re
import sys
import threading
import time
import unittest

import rospy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from node_process import NodeProcess
from probe import Probe, astronaut_frame, wait_until
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from emomask.nodes.messages import array_to_image

OK, WARN, ERROR, STALE = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR, DiagnosticStatus.STALE
DEADLINE = 30.0


class DiagnosticsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        rospy.init_node("test_diagnostics")
        cls.frame = astronaut_frame()

    def setUp(self):
        self.statuses = {}
        subscriber = rospy.Subscriber("/diagnostics", DiagnosticArray, self.collect, queue_size=100)
        self.addCleanup(subscriber.unregister)

    def collect(self, message):
        for status in message.status:
            self.statuses[status.name.partition(": ")[2]] = status

    def start(self, node, *arguments):
        process = NodeProcess(node, *arguments)
        self.addCleanup(process.close)
        return process

    def probe(self):
        probe = Probe()
        self.addCleanup(probe.publisher.unregister)
        self.addCleanup(probe.unsubscribe)
        return probe

    def await_status(self, name, level, text=""):
        """The status ``name`` once it has this level and ``text`` in its message; gives its values."""

        def there():
            status = self.statuses.get(name)
            return status and status.level == level and text in status.message and status

        try:
            status = wait_until(there, "%s at level %d with %r" % (name, level, text), DEADLINE)
        except AssertionError as error:
            raise AssertionError("%s; the last: %s" % (error, self.statuses.get(name))) from None
        return {value.key: value.value for value in status.values}

    def feeding(self, probe, message, rate=20.0):
        """Send ``message`` with current stamps until the test ends, or what this returns is set."""
        ended = threading.Event()

        def feed():
            while not ended.wait(1 / rate):
                message.header = Header(stamp=rospy.Time.now(), frame_id="camera")
                probe.send(message)

        thread = threading.Thread(target=feed)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(ended.set)
        return ended

    def test_the_listener(self):
        self.start("listener")
        self.await_status("masking", STALE, "nobody publishes it")
        values = self.await_status("models", OK)
        self.assertEqual(values["device"], "auto")
        self.assertRegex(values["runs on"], "ExecutionProvider")
        checksums = [value for name, value in values.items() if name.split()[0] in ("detector", "landmarks", "emotion")]
        self.assertEqual(len(checksums), 3)
        self.assertTrue(all(re.fullmatch("[0-9a-f]{12}", value) for value in checksums), values)

        probe = self.probe()
        ended = self.feeding(probe, array_to_image(self.frame, Header()))
        time.sleep(11)  # what came before, with stamps of long ago, is then forgotten
        values = self.await_status("masking", OK, "frames/s")
        self.assertAlmostEqual(float(values["frames received per second"]), 20, delta=5)
        self.assertGreater(float(values["frames published per second"]), 5)
        self.assertEqual((values["faces now"], values["frames failed"], values["style"]), ("1", "0", "emoji"))
        self.assertLess(float(values["arrival to publishing, median (ms)"]), 1000)
        self.assertLess(float(values["stamp to publishing, median (ms)"]), 1000)
        self.assertLess(float(values["since the last frame (s)"]), 1)

        ended.set()
        self.await_status("masking", STALE, "its publisher sends none")
        cut = array_to_image(self.frame, Header())
        cut.data = cut.data[:1000]
        time.sleep(10)
        bad = self.feeding(probe, cut)
        values = self.await_status("masking", ERROR, "failed")
        self.assertIn("truncated", values["last failure"])
        self.feeding(probe, array_to_image(self.frame, Header()))
        self.await_status("masking", WARN, "failed")
        bad.set()
        self.await_status("masking", OK, "frames/s")
        probe.unsubscribe()
        values = self.await_status("masking", OK, "Nobody subscribes")
        self.assertEqual(values["faces now"], "0")

    def test_old_stamps_are_a_warning(self):
        self.start("listener")
        probe = self.probe()
        end = time.monotonic() + 3
        while time.monotonic() < end:
            probe.send(array_to_image(self.frame, probe.next_header(0.05)))
            time.sleep(0.05)
        self.await_status("masking", WARN, "s old when they are published")

    def test_a_frame_that_hangs_is_an_error(self):
        self.start("faulty_listener.py", "_frame_timeout:=0.3", "_hang_timeout:=60")
        probe = self.probe()
        header = probe.next_header()
        header.frame_id = "detection:forever"
        probe.send(array_to_image(self.frame, header))
        self.await_status("masking", ERROR, "A frame is in work for")

    def test_the_talker(self):
        talker = self.start("talker", "_source:=demo", "_loop:=true")
        values = self.await_status("capture", OK, "frames/s")
        time.sleep(3)
        values = self.await_status("capture", OK, "frames/s")
        self.assertEqual(values["size"], "640x480")
        self.assertAlmostEqual(float(values["frames published per second"]), 30, delta=12)
        self.assertLess(float(values["stamp to publishing, median (ms)"]), 500)
        self.assertIn("demo", values["source"])
        self.assertTrue(rospy.ServiceProxy(talker.name + "/stop_capture", Trigger)().success)
        self.await_status("capture", OK, "Released by ~stop_capture")
        rospy.ServiceProxy(talker.name + "/start_capture", Trigger)()
        self.await_status("capture", OK, "frames/s")

    def test_a_talker_without_a_camera(self):
        self.start("talker", "_source:=/dev/video99")
        self.await_status("capture", ERROR, "/dev/video99")

    def test_a_talker_that_waits(self):
        self.start("talker", "_source:=demo", "_wait_for_subscriber:=true")
        self.await_status("capture", OK, "Waiting for a subscriber")


if __name__ == "__main__":
    import rostest

    rostest.rosrun("emomask", "diagnostics", DiagnosticsTest, sys.argv)
