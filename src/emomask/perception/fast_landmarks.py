"""The 68-point network that emomask trains (``emomask train landmarks``)."""

from typing import Optional, Sequence

import cv2
import numpy as np

from emomask.perception.detection import Detection
from emomask.perception.geometry import LANDMARK_CROP_SCALE, SquareCrop, crop_around
from emomask.perception.onnx_network import OnnxNetwork, checksum, models_folder, read_model
from emomask.settings import Settings

FILE = "landmarks68.onnx"
SIZE = 112

# The landmarks' box in units of the square root of the detector box's area, measured with CenterFace on the training
# photos (mean over 364; deviations 0.03 and 0.06): its centre lies below the box's, its longer side is shorter.
DOWN = 0.136
EXTENT = 0.889

# How far the crop around a face's former landmarks may be from the one that its detection asks for: fraction of the
# side, logarithm of the ratio of the sides, degrees.
MOVED, RESIZED, TURNED = 0.1, 0.2, 15


class FastLandmarks:
    """Runs ``landmarks68.onnx`` on a crop around the face's landmarks in the frame before.

    Where there are none, or the face has moved on since, a first run on the detector's box finds them. Raises
    ModelError when the file is missing or damaged.
    """

    def __init__(self, settings: Settings):
        model = read_model(models_folder(settings) / FILE)
        self.checksum = checksum(model)
        self._network = OnnxNetwork(model, FILE, settings)

    def locate(
        self, frame: np.ndarray, detections: Sequence[Detection], former: Sequence[Optional[np.ndarray]] = ()
    ) -> np.ndarray:
        """See ``Landmarker.locate``."""
        if not detections:
            return np.empty((0, 68, 2), np.float32)
        crops = [crop_of(detection) for detection in detections]
        anew = list(range(len(crops)))
        for index, landmarks in enumerate(former):
            crop = None if landmarks is None else crop_around(landmarks)
            if crop is not None and _close(crop, crops[index]):
                crops[index] = crop
                anew.remove(index)
        if anew:
            for index, landmarks in zip(anew, self._run(frame, [crops[index] for index in anew])):
                crops[index] = crop_around(landmarks)
        return self._run(frame, crops)

    def _run(self, frame: np.ndarray, crops: Sequence[SquareCrop]) -> np.ndarray:
        batch = np.empty((len(crops), 1, SIZE, SIZE), np.float32)
        for index, crop in enumerate(crops):
            batch[index, 0] = cv2.cvtColor(crop.cut(frame, SIZE), cv2.COLOR_BGR2GRAY)
        (fractions,) = self._network.run(batch)
        return np.stack([crop.to_frame(points.reshape(68, 2)) for crop, points in zip(crops, fractions)])


def _close(first: SquareCrop, second: SquareCrop) -> bool:
    """Whether both crops show the same face nearly alike, within what the network was trained to bear."""
    distance = np.hypot(first.center_x - second.center_x, first.center_y - second.center_y)
    turn = (first.angle - second.angle + np.pi) % (2 * np.pi) - np.pi
    return (
        distance < MOVED * second.side
        and abs(np.log(first.side / second.side)) < RESIZED
        and abs(turn) < np.radians(TURNED)
    )


def crop_of(detection: Detection) -> SquareCrop:
    """Where the landmark network should look for the face of ``detection``; turned by the eyes' line when known."""
    angle = 0.0
    if detection.points is not None:
        across = detection.points[1] - detection.points[0]
        angle = float(np.arctan2(across[1], across[0]))
    size = float(np.sqrt(max(detection.box.area, 1.0)))
    x, y = detection.box.center
    return SquareCrop(
        x - np.sin(angle) * DOWN * size, y + np.cos(angle) * DOWN * size, EXTENT * LANDMARK_CROP_SCALE * size, angle
    )
