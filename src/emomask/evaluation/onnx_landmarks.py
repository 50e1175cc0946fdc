"""Any 68-point network in an ONNX file, run as the project's own is, to compare them."""

from pathlib import Path

import cv2
import numpy as np

from emomask.perception.fast_landmarks import ONE_VIEW, FastLandmarks
from emomask.settings import Settings

CROP_SCALE = 1.2  # what the public PFLD does best with


class OnnxLandmarks(FastLandmarks):
    """A landmark finder (see ``Landmarker``) with the network of the ONNX file ``path``.

    The network takes float32 ``(N, C, S, S)``, either grey levels 0..255 (C is 1) or BGR 0..1 (C is 3, as public PFLDs
    do), and gives 136 values: x0, y0, x1, y1, ... as fractions of the crop. It gets its crops as ``FastLandmarks``
    does, turned by the eyes and around the points of a first run, ``crop_scale`` times the box around the points wide,
    but only one view of each: averaging several does the public PFLD no good.

    Raises ModelError when the file is missing, is no ONNX model, or has other inputs and outputs.
    """

    new_face_views = picture_views = ONE_VIEW

    def __init__(self, path, settings: Settings, crop_scale: float = CROP_SCALE):
        self._load(Path(path), settings, channels=(1, 3))
        self._is_grey = self._network.input_shape[1] == 1
        self.crop_scale = crop_scale

    def _planes(self, picture: np.ndarray) -> np.ndarray:
        if self._is_grey:
            return super()._planes(picture)
        return cv2.dnn.blobFromImage(picture, 1 / 255)[0]
