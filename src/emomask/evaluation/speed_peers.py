"""The tools with which speed is compared, each as its own users run it."""

import tempfile
import warnings
from pathlib import Path
from typing import Callable, Dict, List, Sequence

import cv2
import numpy as np

from emomask.errors import ModelError, SettingsError
from emomask.evaluation.finders import Deface
from emomask.faces import Box
from emomask.perception.face_alignment_library import DETECTOR_FILES, LANDMARK_FILES
from emomask.settings import Settings

PEERS = ("deface", "face_alignment")
UNTRAINED = "face_alignment (untrained)"

# Does all of a tool's work on a frame, uint8 (H, W, 3) BGR, of which the true faces are known.
Work = Callable[[np.ndarray, Sequence[Box]], object]


def create_peers(names: Sequence[str], settings: Settings) -> Dict[str, Work]:
    """The tools in ``names``, of ``PEERS``: deface with both of its backends, and the face-alignment library.

    Raises SettingsError for another name, ModelError when a tool is not installed.
    """
    work: Dict[str, Work] = {}
    for name in names:
        if name not in PEERS:
            raise SettingsError("Cannot compare the speed with %r: give one of %s." % (name, ", ".join(PEERS)))
        if name == "deface":
            for backend in ("onnxrt", "opencv"):
                work["deface (%s)" % backend] = _deface(backend)
        else:
            work.update(_face_alignment(settings))
    return work


def _deface(backend: str) -> Work:
    tool = Deface(is_ellipse=True, backend=backend)
    return lambda frame, _: tool.blurred(frame)


def _face_alignment(settings: Settings) -> Dict[str, Work]:
    """The library's S3FD and FAN-4, by its own call; landmarks alone, without emotions and masks.

    Without their published weights both networks get random ones, which take the same time. S3FD is then made to see
    nothing, for it would see faces everywhere, and FAN gets the true boxes.
    """
    try:
        import face_alignment
        import torch
    except ImportError as error:
        raise ModelError(
            "The peer face_alignment cannot be loaded (%s): pip install face-alignment torch" % error
        ) from error
    former = torch.hub.get_dir()
    with tempfile.TemporaryDirectory() as folder:
        given = Path(settings.face_alignment_weights or former).expanduser()
        files = [given / "checkpoints" / name for name in (*DETECTOR_FILES["sfd"], *LANDMARK_FILES)]
        is_trained = all(file.is_file() for file in files)
        if not is_trained:
            _write_untrained(Path(folder))
        torch.hub.set_dir(str(given if is_trained else folder))
        try:
            library = face_alignment.FaceAlignment(
                face_alignment.LandmarksType.TWO_D, device="cpu", face_detector="sfd", compile=False
            )
        finally:
            torch.hub.set_dir(former)

    def trained(frame: np.ndarray, _: Sequence[Box]):
        return library.get_landmarks_from_image(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))

    def untrained(frame: np.ndarray, faces: Sequence[Box]):
        image = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        library.face_detector.detect_from_image(image)
        return library.get_landmarks_from_image(image, [np.array([*box, 1.0]) for box in faces])

    return {"face_alignment": _quietly(trained)} if is_trained else {UNTRAINED: _quietly(untrained)}


def _write_untrained(folder: Path) -> None:
    """Files of the right shapes where the library looks for its weights."""
    import torch
    from face_alignment.detection.sfd.net_s3fd import s3fd
    from face_alignment.models import FAN

    torch.manual_seed(0)
    detector = s3fd()
    for name, layer in detector.named_modules():
        if name.endswith("mbox_conf"):
            # The scores of no face, one or three of them, and of a face, which is the last.
            layer.weight.data.zero_()
            layer.bias.data.fill_(10.0)
            layer.bias.data[-1] = -10.0
    checkpoints = folder / "checkpoints"
    checkpoints.mkdir()
    torch.save(detector.state_dict(), str(checkpoints / DETECTOR_FILES["sfd"][0]))
    torch.save(FAN(4).state_dict(), str(checkpoints / LANDMARK_FILES[0]))


def _quietly(work: Work) -> Work:
    def quiet(frame: np.ndarray, faces: List[Box]):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="No faces were detected")
            return work(frame, faces)

    return quiet
