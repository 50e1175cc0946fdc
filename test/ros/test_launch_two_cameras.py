#!/usr/bin/env python3
"""two_cameras.launch: two masked streams side by side, each with the names and the faces of its own camera."""

import unittest

import rospy
from probe import covered_fraction, wait_until
from sensor_msgs.msg import CameraInfo, Image

from emomask.msg import Faces
from emomask.nodes.messages import image_to_array

CAMERAS = ("front", "rear")


class TwoCamerasTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        rospy.init_node("test_launch_two_cameras")

    def test_each_camera_is_masked_by_itself(self):
        raw, masked, faces, infos = {}, {}, {}, {}

        def keep(messages):
            return lambda message: messages.update({message.header.stamp: message})

        for camera in CAMERAS:
            for topic, kind, where in (
                ("image_raw", Image, raw),
                ("image_masked", Image, masked),
                ("faces", Faces, faces),
                ("camera_info", CameraInfo, infos),
            ):
                where[camera] = {}
                name = "/%s/%s" % (camera, topic)
                rospy.Subscriber(name, kind, keep(where[camera]), queue_size=10, buff_size=2**24, tcp_nodelay=True)

        def complete(camera):
            """A masked frame with a face, together with all that belongs to it."""
            for stamp, message in list(faces[camera].items()):
                if message.faces and all(stamp in kept[camera] for kept in (raw, masked, infos)):
                    return stamp
            return None

        for camera in CAMERAS:
            stamp = wait_until(lambda: complete(camera), "a masked face of " + camera)  # noqa: B023
            frame, picture = (image_to_array(kept[camera][stamp]) for kept in (raw, masked))
            for face in faces[camera][stamp].faces:
                box = face.box.left, face.box.top, face.box.right, face.box.bottom
                self.assertGreater(covered_fraction(frame, picture, box), 0.9)
            frame_ids = {kept[camera][stamp].header.frame_id for kept in (raw, masked, faces, infos)}
            self.assertEqual(frame_ids, {camera + "_optical_frame"})
        # Neither camera's frames come out of the other one's listener.
        for camera, other in (CAMERAS, CAMERAS[::-1]):
            self.assertLessEqual(set(masked[camera]) & set(raw[other]), set(raw[camera]))


if __name__ == "__main__":
    import rostest

    rostest.rosrun("emomask", "launch_two_cameras", TwoCamerasTest)
