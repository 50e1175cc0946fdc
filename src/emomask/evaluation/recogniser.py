"""Face recognition, the attacker's tool: which pictures show the same person."""

from pathlib import Path
from typing import Sequence

import numpy as np

from emomask.errors import ModelError, first_line
from emomask.landmark_index import LEFT_EYE, RIGHT_EYE
from emomask.perception.geometry import rotation
from emomask.perception.onnx_network import OnnxNetwork
from emomask.settings import Settings

SIDE = 112  # pixels, height of the crops
# Where the eyes, the tip of the nose and the corners of the mouth belong in a crop of 112 x 112 (Deng et al., ArcFace,
# CVPR 2019). A crop of 96 x 112 has eight columns less on either side.
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
NOSE_TIP, MOUTH_CORNERS = 30, (48, 54)


class Recogniser:
    """A network that describes faces: of an ONNX file, or MobileFaceNet with the weights of a torch file.

    ``path``: an ``.onnx`` file with one input, float32 ``(N, 3, 112, 96 or 112)`` RGB, (level - 127.5) / 128, or a
    torch state dict (also as ``net_state_dict`` or ``state_dict`` of a checkpoint) with MobileFaceNet's layers. Raises
    ModelError when it is neither.

    Attributes
    ----------
    width: of its crops in pixels; they are ``SIDE`` high.
    """

    def __init__(self, path, settings: Settings):
        path = Path(path)
        if not path.is_file():
            raise ModelError("The recogniser %s is missing." % path)
        if path.suffix == ".onnx":
            network = OnnxNetwork(path.read_bytes(), str(path), settings)
            self.width = network.input_shape[3]
            if network.input_shape[1:3] != [3, SIDE] or self.width not in (96, SIDE):
                raise ModelError("%s takes %s; 3 x 112 x 96 or 112 is needed." % (path, network.input_shape))
            self._run = lambda batch: network.run(batch)[0]
        else:
            self.width = 96
            self._run = _mobilefacenet(path)

    def descriptions(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        """Float32 ``(N, D)`` of length 1 for uint8 BGR ``crops`` of this recogniser's size."""
        batch = np.stack([crop[:, :, ::-1].transpose(2, 0, 1) for crop in crops]).astype(np.float32)
        parts = np.array_split((batch - 127.5) / 128, len(batch) // 64 + 1)
        found = np.concatenate([self._run(part) for part in parts])
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    def alignment(self, landmarks: np.ndarray) -> np.ndarray:
        """``(2, 3)`` map from the frame's pixels to those of the crop: turn, scale and shift that fit best."""
        eyes = [landmarks[LEFT_EYE].mean(axis=0), landmarks[RIGHT_EYE].mean(axis=0)]
        points = np.array([*eyes, landmarks[NOSE_TIP], *landmarks[list(MOUTH_CORNERS)]], np.float64)
        target = TEMPLATE - ((SIDE - self.width) / 2, 0)
        origin, goal = points.mean(axis=0), target.mean(axis=0)
        given, wanted = points - origin, target - goal
        # Least squares over the similarities, as complex numbers: wanted = factor * given.
        factor = np.vdot(given @ (1, 1j), wanted @ (1, 1j)) / np.vdot(given @ (1, 1j), given @ (1, 1j))
        turn = rotation(float(np.angle(factor))) * abs(factor)
        return np.column_stack([turn, goal - turn @ origin])


def _mobilefacenet(path: Path):
    try:
        import torch

        from emomask.training.mobilefacenet import MobileFaceNet
    except ImportError as error:
        raise ModelError("%s needs torch (%s): pip install 'emomask[train]'" % (path, error)) from error
    try:
        state = torch.load(str(path), map_location="cpu", weights_only=True)
        state = state.get("net_state_dict", state.get("state_dict", state))
        network = MobileFaceNet()
        network.load_state_dict(state)
    except Exception as error:  # torch raises whatever it meets first in a file that is none of its own
        raise ModelError("%s holds no MobileFaceNet: %s" % (path, first_line(error))) from error
    network.eval()

    @torch.no_grad()
    def run(batch: np.ndarray) -> np.ndarray:
        return network(torch.from_numpy(batch)).numpy()

    return run
