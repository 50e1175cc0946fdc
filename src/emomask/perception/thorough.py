"""A detector asked several times about each frame: at several sizes, plain and mirrored."""

from typing import List

import cv2
import numpy as np

from emomask.faces import Box
from emomask.perception.detection import Detection, Detector

SCALES = (0.5, 1.0, 2.0)  # of the frame
LARGEST = 2560  # pixels on the longest side of what the detector gets, for its time and memory
OVERLAP = 0.3  # intersection over union from which the weaker of two boxes is the same face
# The five points of a mirrored face are those of the plain one in this order.
MIRRORED = [1, 0, 2, 4, 3]


class Thorough:
    """Finds what the detector ``plain`` finds in any of the views; each costs about as much as it has pixels."""

    def __init__(self, plain: Detector):
        self.plain = plain
        self.checksum = plain.checksum

    def detect(self, frame: np.ndarray, threshold: float, longest: int) -> List[Detection]:
        """See ``Detector.detect``; ``longest`` is not used."""
        height, width = frame.shape[:2]
        found = []
        for scale in sorted({min(scale, LARGEST / max(height, width)) for scale in SCALES}):
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            view = frame if scale == 1 else cv2.resize(frame, size, interpolation=method)
            stretch = np.array([width / size[0], height / size[1]])
            found += [_moved(one, stretch, 0) for one in self.plain.detect(view, threshold, max(size))]
            mirrored = np.ascontiguousarray(view[:, ::-1])
            found += [_moved(one, stretch, width) for one in self.plain.detect(mirrored, threshold, max(size))]
        return _best(found)


def _moved(detection: Detection, stretch: np.ndarray, mirror: float) -> Detection:
    """A detection in a view as one in the frame, whose width is ``mirror`` when the view was mirrored, else 0."""
    left, top, right, bottom = np.array(detection.box) * np.tile(stretch, 2)
    points = None if detection.points is None else detection.points * stretch
    if mirror:
        left, right = mirror - right, mirror - left
        if points is not None:
            points = points[MIRRORED] * (-1, 1) + (mirror - 1, 0)
    if points is not None:
        points = points.astype(np.float32)
    return Detection(Box(float(left), float(top), float(right), float(bottom)), detection.score, points)


def _best(detections: List[Detection]) -> List[Detection]:
    """The strongest of those that overlap, best first."""
    kept: List[Detection] = []
    for detection in sorted(detections, key=lambda one: -one.score):
        if all(detection.box.iou(better.box) < OVERLAP for better in kept):
            kept.append(detection)
    return kept
