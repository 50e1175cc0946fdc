"""emomask: faces in camera streams replaced by the emoji of the emotion they show."""

import os

# onnxruntime 1.32 and later reports its use to Microsoft unless this is set before it is loaded.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from emomask.faces import EMOTIONS, Box, Face, Masked
from emomask.settings import Settings

__all__ = ["EMOTIONS", "Box", "Face", "Masked", "Masker", "Settings"]


def __getattr__(name):
    # Masker needs onnxruntime; the plain data types must be importable without it.
    if name == "Masker":
        from emomask.masker import Masker

        return Masker
    raise AttributeError("module %r has no attribute %r" % (__name__, name))
