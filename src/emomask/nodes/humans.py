"""The faces as REP-155 (ROS4HRI) has them: one namespace for each face that is there."""

import random
import string
from typing import Dict, List

import cv2
import numpy as np
import rospy
from hri_msgs.msg import (
    Expression,
    FacialLandmarks,
    IdsList,
    NormalizedPointOfInterest2D,
    NormalizedRegionOfInterest2D,
)
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from emomask.errors import SettingsError
from emomask.faces import Box, Face, Masked
from emomask.nodes.messages import array_to_image, copied

# REP-155's names for ours.
EXPRESSIONS = {
    "angry": "angry",
    "disgust": "disgusted",
    "fear": "scared",
    "happy": "happy",
    "sad": "sad",
    "surprise": "surprised",
    "neutral": "neutral",
}
PUPILS = 2  # the last points of REP-155's 70, which are not found here
CROP_SIZE = 128  # pixels, REP-155's default
LARGEST_CROP = 4096


class Humans:
    """``/humans/faces/tracked``; ``roi``, ``landmarks``, ``expression`` and ``cropped`` in each ``/humans/faces/ID``.

    An ID belongs to a track: f and five letters, drawn anew at each start, because REP-155's IDs are not to be kept.
    What belongs to a face is gone when it is no longer covered. ``cropped`` is cut from the *masked* picture: it shows
    the emoji, scaled into ``/humans/faces/width`` by ``/humans/faces/height`` pixels (128) with black around it.
    Valence and arousal are not estimated and stay zero; both pupils have the confidence 0.

    Raises SettingsError when the size of the crops is none.
    """

    def __init__(self):
        self._root = rospy.resolve_name("/humans/faces")
        self._size = (_crop_side(self._root + "/width"), _crop_side(self._root + "/height"))
        self._tracked = rospy.Publisher(self._root + "/tracked", IdsList, queue_size=1)
        self._faces: Dict[int, _Topics] = {}
        self._random = random.SystemRandom()

    def is_wanted(self) -> bool:
        """See ``Standard``."""
        topics = [self._tracked] + [topic for face in self._faces.values() for topic in face.publishers]
        return any(topic.get_num_connections() for topic in topics)

    def publish(self, masked: Masked, header: Header) -> None:
        """See ``Standard``."""
        there = {face.track_id for face in masked.faces}
        for track in set(self._faces) - there:
            self._faces.pop(track).leave()
        for face in masked.faces:
            if face.track_id not in self._faces:
                self._faces[face.track_id] = _Topics(self._root, self._new_id())
            self._publish_face(self._faces[face.track_id], face, masked.image, header)
        names = [self._faces[face.track_id].name for face in masked.faces]
        self._tracked.publish(IdsList(header=copied(header), ids=names))

    def rest(self) -> None:
        """See ``Standard``."""
        if not self._faces:
            return
        for topics in self._faces.values():
            topics.leave()
        self._faces.clear()
        self._tracked.publish(IdsList(header=Header(stamp=rospy.Time.now())))

    def _new_id(self) -> str:
        taken = {topics.name for topics in self._faces.values()}
        while True:
            name = "f" + "".join(self._random.choice(string.ascii_lowercase) for _ in range(5))
            if name not in taken:
                return name

    def _publish_face(self, topics: "_Topics", face: Face, image: np.ndarray, header: Header) -> None:
        height, width = image.shape[:2]
        score = float(face.score)
        # A face may reach beyond the frame; REP-155's coordinates do not.
        left, top, right, bottom = np.clip(np.array(face.box) / [width, height, width, height], 0, 1).tolist()
        topics.roi.publish(NormalizedRegionOfInterest2D(copied(header), left, top, right, bottom, score))
        normalized = np.clip(face.landmarks / [width, height], 0, 1).tolist()
        points = [NormalizedPointOfInterest2D(x, y, score) for x, y in normalized]
        points += [NormalizedPointOfInterest2D(0.0, 0.0, 0.0)] * PUPILS
        topics.landmarks.publish(FacialLandmarks(header=copied(header), landmarks=points, height=height, width=width))
        expression = Expression(header=copied(header), expression=EXPRESSIONS[face.emotion])
        expression.confidence = face.confidence
        topics.expression.publish(expression)
        if topics.cropped.get_num_connections():
            topics.cropped.publish(array_to_image(_crop(image, face.covered or face.box, *self._size), header))


create = Humans


class _Topics:
    """The publishers of one face, whose ID is ``name``, below the namespace ``root``."""

    def __init__(self, root: str, name: str):
        self.name = name
        start = "%s/%s/" % (root, name)
        self.roi = rospy.Publisher(start + "roi", NormalizedRegionOfInterest2D, queue_size=1)
        self.landmarks = rospy.Publisher(start + "landmarks", FacialLandmarks, queue_size=1)
        self.expression = rospy.Publisher(start + "expression", Expression, queue_size=1)
        self.cropped = rospy.Publisher(start + "cropped", Image, queue_size=1)

    @property
    def publishers(self) -> List[rospy.Publisher]:
        return [self.roi, self.landmarks, self.expression, self.cropped]

    def leave(self) -> None:
        """Unregister all publishers."""
        for publisher in self.publishers:
            publisher.unregister()


def _crop_side(name: str) -> int:
    value = rospy.get_param(name, CROP_SIZE)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LARGEST_CROP:
        raise SettingsError("%s must be a whole number from 1 to %d, not %r." % (name, LARGEST_CROP, value))
    return value


def _crop(image: np.ndarray, box: Box, width: int, height: int) -> np.ndarray:
    """``box`` of the masked ``image``, uint8 BGR, in the middle of a black picture of ``width`` x ``height``."""
    crop = np.zeros((height, width, 3), np.uint8)
    left, top = max(0, int(box.left)), max(0, int(box.top))
    part = image[top : max(top, int(box.bottom)), left : max(left, int(box.right))]
    if part.size:
        scale = min(width / part.shape[1], height / part.shape[0])
        wide, high = max(1, int(part.shape[1] * scale)), max(1, int(part.shape[0] * scale))
        x, y = (width - wide) // 2, (height - high) // 2
        crop[y : y + high, x : x + wide] = cv2.resize(part, (wide, high), interpolation=cv2.INTER_AREA)
    return crop
