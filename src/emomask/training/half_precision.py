"""ONNX files of half the size: weights are stored as float16, and calculated with as float32."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SMALLEST = 256  # numbers; less is not worth a node


def store_in_half_precision(path) -> None:
    """Rewrite an ONNX file in place so that its large weights are float16, each followed by a cast to float32.

    The cast is folded away when the file is loaded: the network then runs as before, on rounded weights.
    """
    path = Path(path)
    model = onnx.load(str(path))
    casts = []
    for weights in model.graph.initializer:
        values = numpy_helper.to_array(weights)
        if weights.data_type != TensorProto.FLOAT or values.size < SMALLEST:
            continue
        name, stored = weights.name, weights.name + "_half"
        weights.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
        casts.append(helper.make_node("Cast", [stored], [name], name="float_" + name, to=TensorProto.FLOAT))
    nodes = casts + list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
