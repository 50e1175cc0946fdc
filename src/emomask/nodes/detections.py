"""The faces as vision_msgs, for nodes that take any detector's output."""

import rospy
from std_msgs.msg import Header
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose, VisionInfo

from emomask.faces import EMOTIONS, Face, Masked
from emomask.nodes.messages import copied


class Detections:
    """``faces/detections`` (Detection2DArray) and ``faces/vision_info`` (VisionInfo, latched).

    A detection's ``bbox`` is the whole face's box in pixels, its ``results`` are the seven emotions, the most probable
    one first: ``id`` is the index into ``EMOTIONS`` and ``score`` the probability. ``~emotions``, which the VisionInfo
    names, maps ids to names. Poses are not known and stay zero; ``source_img`` stays empty: it would show the face.
    """

    def __init__(self):
        names = rospy.resolve_name("~emotions")
        rospy.set_param(names, {str(index): name for index, name in enumerate(EMOTIONS)})
        topic = rospy.resolve_name("faces")
        self._detections = rospy.Publisher(topic + "/detections", Detection2DArray, queue_size=1)
        self._info = rospy.Publisher(topic + "/vision_info", VisionInfo, queue_size=1, latch=True)
        self._info.publish(VisionInfo(method="emomask", database_location=names, database_version=1))

    def is_wanted(self) -> bool:
        """See ``Standard``; who reads the names alone needs no frame."""
        return self._detections.get_num_connections() > 0

    def publish(self, masked: Masked, header: Header) -> None:
        """See ``Standard``."""
        if self.is_wanted():
            faces = [_detection(face, header) for face in masked.faces]
            self._detections.publish(Detection2DArray(header=copied(header), detections=faces))

    def rest(self) -> None:
        """See ``Standard``."""


create = Detections


def _detection(face: Face, header: Header) -> Detection2D:
    detection = Detection2D(header=copied(header))
    detection.bbox.center.x, detection.bbox.center.y = face.box.center
    detection.bbox.size_x, detection.bbox.size_y = face.box.width, face.box.height
    for index in sorted(range(len(EMOTIONS)), key=lambda index: -face.probabilities[index]):
        detection.results.append(ObjectHypothesisWithPose(id=index, score=float(face.probabilities[index])))
    return detection
