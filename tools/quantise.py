#!/usr/bin/env python3
"""Make static int8 copies of the networks, calibrated on pictures, and time them beside the originals.

Writes a folder for --models with landmarks68.onnx and resnet42.onnx, and centerface.onnx, which --detect measures: what
becomes of the faces of annotated pictures. The published networks are not quantised; doc/speed.md says why.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
import onnx
import onnxruntime
from onnx import version_converter
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from emomask import Settings
from emomask.evaluation.annotated_faces import AnnotatedPictures
from emomask.evaluation.detection import evaluate_detection
from emomask.evaluation.detection_tables import detection_tables
from emomask.perception import centerface
from emomask.perception.emotion import emotion_crop
from emomask.perception.gaze import Look
from emomask.perception.geometry import crop_around
from emomask.perception.onnx_network import OnnxNetwork, models_folder, read_model
from emomask.perception.perceiver import Perceiver

OPSET = 13  # the first that knows scales for each channel
PICTURES = 150
REPEATS = 100


class Batches(CalibrationDataReader):
    """Hands ``batches`` to the calibration, one after the other."""

    def __init__(self, name, batches):
        self._batches = iter([{name: batch} for batch in batches])

    def get_next(self):
        """The next one, or None."""
        return next(self._batches, None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="annotated pictures, as for emomask evaluate detection")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--detect", action="store_true", help="also what the detector then finds in the pictures")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    settings = Settings(threads=1)
    networks = {name: read_model(models_folder(settings) / (name + ".onnx")) for name in ("landmarks68", "resnet42")}
    networks["centerface"] = centerface._prepared(read_model(centerface.centerface_path()))
    batches = inputs(options.data, settings)
    print("%-12s %8s %8s %10s %10s %12s" % ("", "KB", "int8 KB", "ms (cpu)", "int8 ms", "largest diff"))
    for name, model in networks.items():
        path = options.output / (name + ".onnx")
        quantise(model, batches[name], path)
        plain, small = (OnnxNetwork(one, name, settings) for one in (model, path.read_bytes()))
        batch = batches[name][0]
        difference = max(float(np.abs(a - b).max()) for a, b in zip(plain.run(batch), small.run(batch)))
        figures = (len(model) / 1e3, path.stat().st_size / 1e3, timed(plain, batch), timed(small, batch), difference)
        print("%-12s %8.0f %8.0f %10.2f %10.2f %12.3f" % (name, *figures), flush=True)
    if options.detect:
        print(detection_tables(evaluate_detection(options.data, settings=settings)))
        with mock.patch.object(centerface, "centerface_path", lambda: options.output / "centerface.onnx"):
            print(detection_tables(evaluate_detection(options.data, settings=settings)))


def inputs(data, settings):
    """For each network a list of float32 batches as the chain gives them."""
    perceiver = Perceiver(settings)
    batches = {"centerface": [], "landmarks68": [], "resnet42": []}
    pictures = AnnotatedPictures(data)
    for picture in pictures.every(max(1, len(pictures) // PICTURES)):
        frame = picture.image
        size = (352, 256) if frame.shape[1] > frame.shape[0] else (256, 352)
        batches["centerface"].append(cv2.dnn.blobFromImage(frame, 1.0, size, swapRB=True))
        for face in perceiver.faces(frame, perceiver.detect(frame, settings.detection_threshold, Look.GLANCE)):
            crop = cv2.cvtColor(crop_around(face.landmarks).cut(frame, 112), cv2.COLOR_BGR2GRAY)
            batches["landmarks68"].append(crop[None, None].astype(np.float32))
            batches["resnet42"].append(emotion_crop(frame, face.landmarks)[None, None].astype(np.float32))
    return batches


def quantise(model: bytes, batches, path: Path) -> None:
    """Write ``model`` to ``path`` with int8 weights for each channel and uint8 activations, both calibrated."""
    with tempfile.TemporaryDirectory() as folder:
        plain, prepared = Path(folder, "plain.onnx"), Path(folder, "prepared.onnx")
        graph = onnx.load_from_string(model)
        if max(one.version for one in graph.opset_import) < OPSET:
            graph = version_converter.convert_version(graph, OPSET)
        onnx.save(graph, str(plain))
        quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
        reader = Batches(graph.graph.input[0].name, batches)
        kinds = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
        quantize_static(str(prepared), str(path), reader, quant_format=QuantFormat.QDQ, per_channel=True, **kinds)


def timed(network: OnnxNetwork, batch: np.ndarray) -> float:
    """Median milliseconds of processor time for a run."""
    spent = []
    for _ in range(REPEATS):
        start = time.process_time()
        network.run(batch)
        spent.append(time.process_time() - start)
    return float(np.median(spent)) * 1000


if __name__ == "__main__":
    onnxruntime.set_default_logger_severity(3)
    sys.exit(main())
