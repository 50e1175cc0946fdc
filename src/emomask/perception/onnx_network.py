"""ONNX files: found, checked, loaded into onnxruntime."""

import hashlib
from pathlib import Path
from typing import Dict, List, Sequence, Union

import numpy as np
import onnxruntime

from emomask.errors import ModelError
from emomask.resources import share_folder
from emomask.settings import Settings

CHECKSUMS = "SHA256SUMS"  # as written by sha256sum, beside the models

onnxruntime.set_default_logger_severity(3)
onnxruntime.disable_telemetry_events()  # a program may have loaded it before emomask could forbid them, see __init__


def models_folder(settings: Settings) -> Path:
    """The folder named by ``settings.models``, or the one that comes with emomask."""
    return Path(settings.models).expanduser() if settings.models else share_folder() / "models"


def read_model(path: Union[str, Path]) -> bytes:
    """The bytes of an ONNX file, checked against ``SHA256SUMS`` when its folder holds that list.

    Raises ModelError when the file is missing, unreadable or not the one that the list names.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(
            "The model file %s cannot be read (%s). Give the folder that holds it as 'models', or install emomask "
            "again." % (path, error.strerror or error)
        ) from error
    wanted = _listed_digests(path.parent).get(path.name)
    if wanted and hashlib.sha256(data).hexdigest() != wanted:
        raise ModelError(
            "The model file %s is damaged: its SHA-256 is not the one in %s. Restore it from the release, or train it "
            "again and update the list." % (path, path.parent / CHECKSUMS)
        )
    return data


def checksum(model: bytes) -> str:
    """What logs and reports call a model file by: the first twelve digits of its SHA-256."""
    return hashlib.sha256(model).hexdigest()[:12]


def _listed_digests(folder: Path) -> Dict[str, str]:
    try:
        lines = (folder / CHECKSUMS).read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return {name.lstrip("*"): digest for digest, name in (line.split(None, 1) for line in lines if line.strip())}


def providers(device: str) -> List[str]:
    """onnxruntime's execution providers for ``auto``, ``cpu`` or ``cuda``; ModelError when cuda is asked and absent."""
    cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if device == "cuda" and not cuda:
        raise ModelError(
            "device is cuda, but this onnxruntime has no CUDA: install onnxruntime-gpu, or set device to auto or cpu."
        )
    return ["CUDAExecutionProvider", "CPUExecutionProvider"] if cuda and device != "cpu" else ["CPUExecutionProvider"]


class OnnxNetwork:
    """A network with one image input, run by onnxruntime.

    ``model``: the bytes of an ONNX file; ``name``: what error messages call it. Raises ModelError when onnxruntime
    cannot load it.
    """

    def __init__(self, model: bytes, name: str, settings: Settings):
        self.name = name
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = settings.threads
        options.inter_op_num_threads = 1
        # It would keep a plan and a block of memory for each size of picture, and save no time.
        options.enable_mem_pattern = False
        # Threads that wait for each other busily after each layer are hardly quicker, and take the cores from all else.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=providers(settings.device))
        except ModelError:
            raise
        except Exception as error:  # onnxruntime's own exceptions share no public base class
            raise ModelError("%s is not a usable ONNX model: %s" % (name, str(error).splitlines()[0])) from error
        self._input = self._session.get_inputs()[0].name

    @property
    def input_shape(self) -> List[Union[int, str]]:
        """Its declared shape; a text stands for a free dimension."""
        return self._session.get_inputs()[0].shape

    def run(self, batch: np.ndarray) -> Sequence[np.ndarray]:
        """All outputs for the float32 input ``batch``. Raises ModelError when one of them is not finite."""
        outputs = self._session.run(None, {self._input: batch})
        for output in outputs:
            if not np.isfinite(output).all():
                raise ModelError("%s gave values that are not finite." % self.name)
        return outputs
