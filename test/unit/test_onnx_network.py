import hashlib
import os
import shutil
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from emomask import Masker, Settings
from emomask.errors import ModelError
from emomask.perception.onnx_network import CHECKSUMS, OnnxNetwork, models_folder, providers, read_model


def network(operator, settings=None):
    """A model of one node that takes and gives floats of any shape."""
    shape = ["n", 1, 2, 2]
    graph = helper.make_graph(
        [helper.make_node(operator, ["x"], ["y"])],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return OnnxNetwork(model.SerializeToString(), "one.onnx", settings or Settings())


def test_a_network_runs():
    (output,) = network("Neg").run(np.ones((3, 1, 2, 2), np.float32))
    assert np.array_equal(output, -np.ones((3, 1, 2, 2)))


def test_nothing_is_reported_to_anybody(tmp_path):
    """onnxruntime 1.32 keeps an identity and a queue of events for Microsoft in the user's cache, and sends them."""
    program = "import numpy, emomask; emomask.Masker().process(numpy.zeros((64, 64, 3), numpy.uint8))"
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()
    places = {"HOME": str(home), "TMPDIR": str(temporary), "XDG_CACHE_HOME": str(home / "cache")}
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    subprocess.run([sys.executable, "-c", program], env=dict(environment, **places), check=True)
    assert not any("icrosoft" in path.name or path.name == ".ses" for path in tmp_path.rglob("*"))


def test_values_that_are_not_finite_are_an_error():
    with pytest.raises(ModelError, match="one.onnx gave values that are not finite"):
        network("Log").run(np.full((1, 1, 2, 2), -1, np.float32))
    with pytest.raises(ModelError, match="not finite"):
        network("Exp").run(np.full((1, 1, 2, 2), 1000, np.float32))


@pytest.mark.parametrize("data", [b"", b"not a model", b"\x08\x08" + b"\xff" * 50])
def test_bytes_that_are_no_model_are_an_error(data):
    with pytest.raises(ModelError, match="broken.onnx is not a usable ONNX model"):
        OnnxNetwork(data, "broken.onnx", Settings())


def test_a_device_that_is_absent_is_an_error():
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    with pytest.raises(ModelError, match="no CUDA: install onnxruntime-gpu"):
        providers("cuda")
    assert providers("auto") == providers("cpu") == ["CPUExecutionProvider"]


@pytest.fixture
def copied_models(tmp_path):
    folder = tmp_path / "models"
    shutil.copytree(str(models_folder(Settings())), str(folder))
    return folder


def test_the_shipped_models_match_their_checksums():
    folder = models_folder(Settings())
    listed = {line.split()[1] for line in (folder / CHECKSUMS).read_text().splitlines()}
    assert listed == {path.name for path in folder.glob("*.onnx")} and listed
    for name in listed:
        read_model(folder / name)


def test_a_copy_of_the_models_serves(copied_models):
    assert Masker(Settings(models=str(copied_models))).process(np.zeros((64, 64, 3), np.uint8)).faces == []


@pytest.mark.parametrize("name", ["cnn42.onnx", "resnet42.onnx", "landmarks68.onnx"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "one bit", "empty"])
def test_a_missing_or_damaged_model_is_named(copied_models, name, damage):
    path = copied_models / name
    data = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    else:
        data[len(data) // 2] ^= 1
        path.write_bytes({"truncated": data[: len(data) // 2], "one bit": data, "empty": b""}[damage])
    network = name[:-5] if name in ("cnn42.onnx", "resnet42.onnx") else "resnet42"
    with pytest.raises(ModelError, match=name) as failure:
        Masker(Settings(models=str(copied_models), emotion_network=network))
    assert ("cannot be read" if damage == "missing" else "damaged") in str(failure.value)


def test_without_a_list_a_damaged_model_is_still_an_error(copied_models):
    (copied_models / CHECKSUMS).unlink()
    (copied_models / "resnet42.onnx").write_bytes(b"not a model")
    with pytest.raises(ModelError, match="resnet42.onnx is not a usable ONNX model"):
        Masker(Settings(models=str(copied_models)))


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        Masker(Settings(models=str(tmp_path / "nowhere")))


def test_the_checksum_is_that_of_the_file():
    path = models_folder(Settings()) / "resnet42.onnx"
    assert Masker().models["emotion resnet42"] == hashlib.sha256(path.read_bytes()).hexdigest()[:12]
