"""The faces as opencv_apps, the messages that Debian's ROS has for faces."""

import rospy
from opencv_apps.msg import Face as FaceMessage
from opencv_apps.msg import FaceArrayStamped, Rect
from std_msgs.msg import Header

from emomask.faces import Box, Face, Masked
from emomask.landmark_index import LEFT_EYE, RIGHT_EYE
from emomask.nodes.messages import copied


class FaceArray:
    """``faces/opencv_apps`` (FaceArrayStamped): box, both eyes, the emotion as ``label`` and its probability.

    As there, a Rect's ``x`` and ``y`` are its centre, in pixels.
    """

    def __init__(self):
        topic = rospy.resolve_name("faces") + "/opencv_apps"
        self._faces = rospy.Publisher(topic, FaceArrayStamped, queue_size=1)

    def is_wanted(self) -> bool:
        """See ``Standard``."""
        return self._faces.get_num_connections() > 0

    def publish(self, masked: Masked, header: Header) -> None:
        """See ``Standard``."""
        if self.is_wanted():
            faces = [_face(face) for face in masked.faces]
            self._faces.publish(FaceArrayStamped(header=copied(header), faces=faces))

    def rest(self) -> None:
        """See ``Standard``."""


create = FaceArray


def _face(face: Face) -> FaceMessage:
    eyes = [_rect(Box.around(face.landmarks[eye])) for eye in (LEFT_EYE, RIGHT_EYE)]
    return FaceMessage(face=_rect(face.box), eyes=eyes, label=face.emotion, confidence=face.confidence)


def _rect(box: Box) -> Rect:
    return Rect(*box.center, box.width, box.height)
