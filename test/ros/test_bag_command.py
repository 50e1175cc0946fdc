#!/usr/bin/env python3
"""``emomask bag`` on a recording of the talker: compared message by message, then played to the listener."""

import os
import signal
import subprocess
import sys
import tempfile
import unittest
import zlib
from pathlib import Path

import rosbag
import roslib.packages
import rospy
from probe import Probe, covered_fraction, visible, wait_until

from emomask.media.demo_clip import FRAMES, DemoClip, true_faces
from emomask.nodes.messages import compressed_to_array, image_to_array

RAW, COMPRESSED, INFO = "/camera/image_raw", "/camera/image_raw/compressed", "/camera/camera_info"


def program(package, name):
    return roslib.packages.find_node(package, name)[0]


def content(path):
    """Topic, bytes, checksum, time and connection header of every message."""
    with rosbag.Bag(str(path)) as bag:
        return [
            (topic, raw[1], raw[2], recorded, connection)
            for topic, raw, recorded, connection in bag.read_messages(raw=True, return_connection_header=True)
        ]


def messages(path, topic):
    """The messages of a topic by their stamps."""
    with rosbag.Bag(str(path)) as bag:
        return {message.header.stamp: message for _, message, _ in bag.read_messages(topic)}


class BagCommandTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        rospy.init_node("test_bag_command")
        cls.folder = tempfile.TemporaryDirectory()
        cls.recorded, cls.masked = (Path(cls.folder.name) / name for name in ("recorded.bag", "masked.bag"))
        topics = [RAW, COMPRESSED, INFO, "/rosout"]
        record = subprocess.Popen([program("rosbag", "record"), "--lz4", "-O", str(cls.recorded)] + topics)
        # The talker ends with its clip.
        ended = []
        rospy.Subscriber(INFO, rospy.AnyMsg, lambda _: ended.append(rospy.get_time()))
        wait_until(lambda: ended and rospy.get_time() - ended[-1] > 3, "the end of the clip")
        record.send_signal(signal.SIGINT)
        record.wait(30)
        # No environment of ROS is needed but its packages: there is no such master.
        done = subprocess.run(
            [program("emomask", "emomask"), "bag", str(cls.recorded), str(cls.masked), "--jobs", "2"],
            env=dict(os.environ, ROS_MASTER_URI="http://localhost:1"),
            stdout=subprocess.PIPE,
        )
        print(done.stdout.decode())
        assert done.returncode == 0, done.returncode

        clip = DemoClip()
        indices = {zlib.crc32(clip.frame(index)): index for index in range(FRAMES)}
        cls.frames = {
            stamp: (clip.frame(indices[zlib.crc32(image.data)]), indices[zlib.crc32(image.data)])
            for stamp, image in messages(cls.recorded, RAW).items()
        }

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def assert_covered(self, pictures):
        """In ``pictures``, by their stamps, every visible face of the clip differs from what was recorded."""
        fractions = [
            (covered_fraction(self.frames[stamp][0], picture, box), self.frames[stamp][1])
            for stamp, picture in pictures.items()
            for box in filter(visible, true_faces(self.frames[stamp][1]))
        ]
        print("%d faces in %d frames" % (len(fractions), len(pictures)))
        self.assertGreater(len(fractions), 20)
        self.assertEqual([found for found in fractions if found[0] < 0.9], [])

    def test_every_message_is_there_and_only_pixels_differ(self):
        before, after = content(self.recorded), content(self.masked)
        self.assertGreater(len(self.frames), 40)
        self.assertEqual(len(before), len(after))
        callers = set()
        for old, new in zip(before, after):
            self.assertEqual((old[0],) + old[2:], (new[0],) + new[2:])
            if old[0] not in (RAW, COMPRESSED):
                self.assertEqual(old[1], new[1])
                callers.add((old[0], old[4]["callerid"]))
        self.assertGreater(len([topic for topic, _ in callers if topic == "/rosout"]), 1)
        for topic in (RAW, COMPRESSED):
            old, new = messages(self.recorded, topic), messages(self.masked, topic)
            self.assertEqual(list(old), list(new))
            for stamp in old:
                for name in set(old[stamp].__slots__) - {"data"}:
                    self.assertEqual(getattr(old[stamp], name), getattr(new[stamp], name))

    def test_every_visible_face_is_covered(self):
        self.assert_covered({stamp: image_to_array(image) for stamp, image in messages(self.masked, RAW).items()})
        compressed = messages(self.masked, COMPRESSED)
        self.assert_covered({s: compressed_to_array(image) for s, image in compressed.items() if s in self.frames})

    def test_the_masked_bag_plays_through_the_listener(self):
        probe = Probe(greet=False)
        play = [program("rosbag", "play"), "--quiet", "--delay=1", str(self.masked), "--topics", RAW]
        subprocess.run(play + ["%s:=/replay/image_raw" % RAW], check=True, timeout=60)
        wait_until(lambda: len(probe.masked) > len(self.frames) // 4, "a quarter of the frames")
        masked = dict(probe.masked)
        self.assertLessEqual(set(masked), set(self.frames))
        self.assertEqual(probe.logged("Frames failed"), [])
        self.assert_covered({stamp: image_to_array(image) for stamp, image in masked.items()})


if __name__ == "__main__":
    import rostest

    rostest.rosrun("emomask", "bag_command", BagCommandTest, sys.argv)
