"""All networks of the chain behind one door: what they see in a frame, without memory of other frames."""

import copy
from typing import Dict, List, Sequence

import numpy as np

from emomask.errors import FrameError
from emomask.faces import Box, Face, shown_emotion
from emomask.masks.region import head_box
from emomask.perception.detection import Detection, create_detector
from emomask.perception.emotion import EmotionClassifier
from emomask.perception.gaze import Look
from emomask.perception.landmarks import create_landmarker
from emomask.settings import Settings

SMALLEST_FRAME = 16  # pixels on a side; nothing smaller holds a face that a person could recognise
LARGEST_FRAME = 32767  # pixels on a side; OpenCV's warps and drawing end there


class Perceiver:
    """Finds faces, their landmarks and their emotions.

    Loads every network at once, so that nothing can fail later for want of a file. Raises ModelError when one of them
    is missing or damaged. Frames are uint8 ``(H, W, 3)`` BGR.

    Attributes
    ----------
    classifier: the ``EmotionClassifier`` in use.
    """

    def __init__(self, settings: Settings):
        self.settings = settings
        self._detector = create_detector(settings)
        self._landmarker = create_landmarker(settings, self._detector)
        self.classifier = EmotionClassifier(settings)

    def adopting(self, settings: Settings) -> "Perceiver":
        """The same networks under ``settings`` that differ in nothing that is loaded (see ``settings.LIVE``)."""
        other = copy.copy(self)
        other.settings = settings
        return other

    @property
    def models(self) -> Dict[str, str]:
        """The networks in use: what they do, and the first twelve digits of their file's SHA-256."""
        return {
            "detector %s" % self.settings.detector: self._detector.checksum,
            "landmarks %s" % self.settings.landmarks: self._landmarker.checksum,
            "emotion %s" % self.settings.emotion_network: self.classifier.checksum,
        }

    def detect(self, frame: np.ndarray, threshold: float, look: Look) -> List[Detection]:
        """The detections with a score of ``threshold`` and more, at the size of ``look`` if the settings leave it open.

        Several threads may call this at a time when ``settings.detector`` is ``centerface``.
        """
        return self._detector.detect(frame, threshold, self.settings.detection_size or look.size(*frame.shape[:2]))

    def faces(self, frame: np.ndarray, detections: Sequence[Detection], former=()) -> List[Face]:
        """The faces of ``detections`` with their landmarks; ``former``: see ``Landmarker.locate``."""
        landmarks = self._landmarker.locate(frame, detections, former)
        return [
            Face(head_box(points, detection.box), points, detection.score)
            for detection, points in zip(detections, landmarks)
        ]

    def emotions(self, frame: np.ndarray, faces: Sequence[Face], is_picture: bool = False) -> np.ndarray:
        """Float32 ``(N, 7)`` probabilities in the order of ``EMOTIONS`` for each of ``faces``."""
        return self.classifier.classify(frame, [face.landmarks for face in faces], is_picture)

    def picture(self, frame: np.ndarray) -> List[Face]:
        """All that is to be known of a frame which is no part of a stream: its faces, numbered from 1."""
        faces = self.faces(frame, self.detect(frame, self.settings.detection_threshold, Look.PICTURE))
        for index, (face, values) in enumerate(zip(faces, self.emotions(frame, faces, is_picture=True))):
            face.probabilities = values
            face.emotion = shown_emotion(values, self.settings.unsure)
            face.track_id = index + 1
        return faces

    def warm_up(self, height: int, width: int) -> List[Face]:
        """Run every network once on an empty frame of this size; returns a made-up face that fills it."""
        blank = np.zeros((height, width, 3), np.uint8)
        self.detect(blank, self.settings.detection_threshold, Look.CLOSE)
        faces = self.faces(blank, [Detection(Box(0, 0, width, height), 1.0)])
        self.emotions(blank, faces)
        return faces


def check_frame(frame) -> None:
    """Raise FrameError when ``frame`` is not the kind of array that the networks and the masks take."""
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        given = "%s %s" % (frame.dtype, frame.shape) if isinstance(frame, np.ndarray) else type(frame).__name__
        raise FrameError("A frame must be a uint8 array of height x width x 3 (BGR), not %s." % given)
    height, width = frame.shape[:2]
    if not (SMALLEST_FRAME <= height <= LARGEST_FRAME and SMALLEST_FRAME <= width <= LARGEST_FRAME):
        raise FrameError(
            "A frame of %d x %d pixels cannot be masked: each side must have %d to %d."
            % (width, height, SMALLEST_FRAME, LARGEST_FRAME)
        )
