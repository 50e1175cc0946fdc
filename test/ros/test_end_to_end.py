#!/usr/bin/env python3
"""emomask.launch on the demo clip: every face that is visible in a raw frame is covered in the masked one."""

import collections
import queue
import sys
import time
import unittest
import zlib

import rospy
from probe import covered_fraction, visible
from sensor_msgs.msg import CameraInfo, Image

from emomask import Settings
from emomask.media.demo_clip import FRAMES, RATE, DemoClip, true_faces
from emomask.msg import Faces
from emomask.nodes.messages import image_to_array

WANTED = FRAMES  # masked frames to look at; the clip runs in a loop
SECONDS = 60  # enough of the clip for a slow machine, too


class EndToEndTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        rospy.init_node("test_end_to_end")
        clip = DemoClip()
        indices = {zlib.crc32(clip.frame(index)): index for index in range(FRAMES)}
        raw, masked = {}, queue.Queue()
        cls.headers = {"image_masked": [], "faces": [], "camera_info": []}
        cls.ages, cls.track_ids, cls.fractions, cls.checked = [], [], [], 0

        # What arrives is looked at one by one, and only figures are kept: a minute of frames would fill the memory.
        def on_raw(message):
            raw[message.header.stamp] = indices.get(zlib.crc32(message.data))

        def on_masked(message):
            cls.ages.append(time.time() - message.header.stamp.to_sec())
            masked.put(message)

        def on_faces(message):
            cls.headers["faces"].append(message.header)
            cls.track_ids.append([face.track_id for face in message.faces])

        def on_info(message):
            cls.headers["camera_info"].append(message.header)

        topics = (
            ("image_raw", Image, on_raw),
            ("image_masked", Image, on_masked),
            ("faces", Faces, on_faces),
            ("camera_info", CameraInfo, on_info),
        )
        for name, kind, callback in topics:
            rospy.Subscriber(name, kind, callback, queue_size=30, buff_size=2**24, tcp_nodelay=True)
        masked.get(timeout=90)
        cls.ages.clear()
        start = time.monotonic()
        while len(cls.headers["image_masked"]) < WANTED and time.monotonic() - start < SECONDS:
            message = masked.get(timeout=30)
            cls.headers["image_masked"].append(message.header)
            index = raw.get(message.header.stamp)
            if index is None:
                continue
            cls.checked += 1
            frame, picture = clip.frame(index), image_to_array(message)
            for box in filter(visible, true_faces(index)):
                cls.fractions.append((covered_fraction(frame, picture, box), index, [round(edge) for edge in box]))
        cls.elapsed = time.monotonic() - start

    def test_every_visible_face_is_covered_in_every_frame(self):
        frames = len(self.headers["image_masked"])
        print("%d faces in %d of %d masked frames" % (len(self.fractions), self.checked, frames))
        self.assertGreater(self.checked, 0.8 * frames)
        self.assertGreater(self.checked, 60)
        self.assertGreater(len(self.fractions), 60)
        self.assertEqual([found for found in self.fractions if found[0] < 0.9], [])

    def test_outputs_carry_the_input_header(self):
        stamps = [header.stamp for header in self.headers["image_masked"]]
        self.assertEqual(stamps, sorted(set(stamps)))
        for name in ("camera_info", "faces"):
            same = set(stamps) & {header.stamp for header in self.headers[name]}
            self.assertGreater(len(same), 0.9 * len(stamps), name)
        for headers in self.headers.values():
            self.assertEqual({header.frame_id for header in headers}, {"camera_optical_frame"})

    def test_rate_and_age(self):
        ages = sorted(self.ages)
        rate = len(ages) / self.elapsed
        median = ages[len(ages) // 2]
        print("%.1f frames/s of %g, median age %.0f ms" % (rate, RATE, median * 1e3))
        self.assertGreater(rate, 2)
        self.assertLess(median, 0.1 + (2 + Settings().lookahead) / rate)

    def test_a_track_id_is_one_face_and_lasts(self):
        lives = collections.Counter(track_id for ids in self.track_ids for track_id in ids)
        self.assertTrue(all(len(ids) == len(set(ids)) for ids in self.track_ids))
        print("%d tracks, the longest in %d frames" % (len(lives), max(lives.values())))
        self.assertGreater(max(lives.values()), 20)


if __name__ == "__main__":
    import rostest

    rostest.rosrun("emomask", "end_to_end", EndToEndTest, sys.argv)
