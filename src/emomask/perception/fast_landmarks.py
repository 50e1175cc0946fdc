"""The 68-point network that emomask trains (``emomask train landmarks``)."""

import dataclasses
import math
from pathlib import Path
from typing import NamedTuple, Optional, Sequence

import cv2
import numpy as np

from emomask.errors import ModelError
from emomask.landmark_index import MIRRORED
from emomask.perception.detection import Detection
from emomask.perception.geometry import LANDMARK_CROP_SCALE, SquareCrop, crop_around
from emomask.perception.onnx_network import OnnxNetwork, checksum, models_folder, read_model
from emomask.settings import Settings

FILE = "landmarks68.onnx"

# The landmarks' box in units of the square root of the detector box's area, measured with CenterFace on the training
# photos (mean over 364; deviations 0.03 and 0.06): its centre lies below the box's, its longer side is shorter.
DOWN = 0.136
EXTENT = 0.889

# How far the crop around a face's former landmarks may be from the one that its detection asks for: fraction of the
# side, logarithm of the ratio of the sides, degrees.
MOVED, RESIZED, TURNED = 0.1, 0.2, 15


class View(NamedTuple):
    """A look at a crop: tilted by ``tilt`` radians, its side times ``side``, and mirrored or not."""

    tilt: float = 0.0
    side: float = 1.0
    is_mirrored: bool = False

    def of(self, crop: SquareCrop) -> SquareCrop:
        """``crop`` as it is looked at, not mirrored."""
        return dataclasses.replace(crop, angle=crop.angle + self.tilt, side=crop.side * self.side)


# The landmarks of all views are averaged. A picture has time for six; a face that is new in a stream for two; one that
# is followed for one.
TILT = math.radians(8)
CLOSER = 0.95
ONE_VIEW = (View(),)
NEW_FACE_VIEWS = (View(), View(is_mirrored=True))
PICTURE_VIEWS = tuple(
    View(tilt, side, is_mirrored)
    for tilt, side in ((-TILT, CLOSER), (0.0, 1.0), (TILT, CLOSER))
    for is_mirrored in (False, True)
)


class FastLandmarks:
    """Runs ``landmarks68.onnx`` on a crop around the face's landmarks in the frame before.

    Where there are none, or the face has moved on since, a first run on the detector's box finds them. Raises
    ModelError when the file is missing, damaged, or no such network.
    """

    crop_scale = LANDMARK_CROP_SCALE
    new_face_views = NEW_FACE_VIEWS
    picture_views = PICTURE_VIEWS

    def __init__(self, settings: Settings):
        self._load(models_folder(settings) / FILE, settings, channels=(1,))

    def _load(self, path: Path, settings: Settings, channels: Sequence[int]) -> None:
        model = read_model(path)
        self.checksum = checksum(model)
        self._network = OnnxNetwork(model, path.name, settings)
        shape = self._network.input_shape
        if len(shape) != 4 or shape[1] not in channels or shape[2] != shape[3] or not isinstance(shape[2], int):
            raise ModelError(
                "%s takes an input of shape %s; a landmark network takes (N, %s, S, S). Name another file, or restore "
                "this one from the release." % (path, tuple(shape), " or ".join(map(str, channels)))
            )
        self._size = shape[2]
        outputs = self._network.run(np.zeros((1, *shape[1:]), np.float32))
        if len(outputs) != 1 or outputs[0].shape != (1, 136):
            given = ", ".join(str(output.shape[1:]) for output in outputs)
            raise ModelError("%s gives %s a face; 136 values are needed, x and y of 68 points." % (path, given))

    def locate(
        self, frame: np.ndarray, detections: Sequence[Detection], former: Sequence[Optional[np.ndarray]] = ()
    ) -> np.ndarray:
        """See ``Landmarker.locate``."""
        if not detections:
            return np.empty((0, 68, 2), np.float32)
        crops = [crop_of(detection, self.crop_scale) for detection in detections]
        views = [self.new_face_views if len(former) else self.picture_views] * len(crops)
        anew = list(range(len(crops)))
        for index, landmarks in enumerate(former):
            crop = None if landmarks is None else crop_around(landmarks, self.crop_scale)
            if crop is not None and _close(crop, crops[index]):
                crops[index], views[index] = crop, ONE_VIEW
                anew.remove(index)
        if anew:
            found = self._run(frame, [crops[index] for index in anew], [ONE_VIEW] * len(anew))
            for index, landmarks in zip(anew, found):
                crops[index] = crop_around(landmarks, self.crop_scale)
        return self._run(frame, crops, views)

    def _run(self, frame: np.ndarray, crops: Sequence[SquareCrop], views: Sequence[Sequence[View]]) -> np.ndarray:
        """Landmarks in ``crops``, each averaged over its ``views``."""
        seen = [
            (index, view.of(crop), view.is_mirrored)
            for index, (crop, some) in enumerate(zip(crops, views))
            for view in some
        ]
        planes = [(self._planes(crop.cut(frame, self._size)), is_mirrored) for _, crop, is_mirrored in seen]
        batch = np.stack([plane[..., ::-1] if is_mirrored else plane for plane, is_mirrored in planes])
        (fractions,) = self._network.run(batch.astype(np.float32))
        points = np.zeros((len(crops), 68, 2), np.float32)
        for (index, crop, is_mirrored), one in zip(seen, fractions.reshape(-1, 68, 2)):
            if is_mirrored:
                one = np.array([1, 0]) + np.array([-1, 1]) * one[list(MIRRORED)]
            points[index] += crop.to_frame(one) / len(views[index])
        return points

    def _planes(self, picture: np.ndarray) -> np.ndarray:
        """What the network sees of a crop (uint8 S x S x 3 BGR): ``(C, S, S)``."""
        return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)[None]


def _close(first: SquareCrop, second: SquareCrop) -> bool:
    """Whether both crops show the same face nearly alike, within what the network was trained to bear."""
    distance = np.hypot(first.center_x - second.center_x, first.center_y - second.center_y)
    turn = (first.angle - second.angle + np.pi) % (2 * np.pi) - np.pi
    return (
        distance < MOVED * second.side
        and abs(np.log(first.side / second.side)) < RESIZED
        and abs(turn) < np.radians(TURNED)
    )


def crop_of(detection: Detection, scale: float = LANDMARK_CROP_SCALE) -> SquareCrop:
    """Where the landmark network should look for the face of ``detection``; turned by the eyes' line when known.

    ``scale``: side of the crop over the longer side of the box around the landmarks.
    """
    angle = 0.0
    if detection.points is not None:
        across = detection.points[1] - detection.points[0]
        angle = float(np.arctan2(across[1], across[0]))
    size = float(np.sqrt(max(detection.box.area, 1.0)))
    x, y = detection.box.center
    return SquareCrop(x - np.sin(angle) * DOWN * size, y + np.cos(angle) * DOWN * size, EXTENT * scale * size, angle)
