"""The face-alignment library (Bulat and Tzimiropoulos, ICCV 2017): its detectors and its 2D FAN."""

import contextlib
import importlib
import pickle
import warnings
from pathlib import Path
from typing import List, Optional, Sequence

import cv2
import numpy as np

from emomask.errors import ModelError, first_line
from emomask.faces import Box
from emomask.perception.detection import Detection, Detector
from emomask.perception.onnx_network import checksum
from emomask.perception.thorough import Thorough
from emomask.settings import Settings

# The files that the library wants, by detector; FAN's is needed for its landmarks with every detector.
DETECTOR_FILES = {
    "sfd": ("s3fd-619a316812.pth",),
    "blazeface": ("blazeface.pth", "anchors.npy"),
    "dlib": ("mmod_human_face_detector.dat",),
    "yunet": ("face_detection_yunet_2023mar.onnx",),
}
LANDMARK_FILES = ("2DFAN4-11f355bf06.pth.tar",)
THRESHOLD_ARGUMENTS = {"sfd": "filter_threshold", "blazeface": "min_score_thresh", "yunet": "score_threshold"}


class LibraryDetector:
    """``settings.face_alignment_detector`` of the library. Raises ModelError when it or its weights cannot be had."""

    def __init__(self, settings: Settings):
        name = settings.face_alignment_detector
        arguments = {}
        if name in THRESHOLD_ARGUMENTS:
            # The tracker asks for weaker detections than the threshold of new faces; ``detect`` filters them.
            arguments[THRESHOLD_ARGUMENTS[name]] = min(0.05, settings.detection_threshold)
        with _weights(settings, DETECTOR_FILES[name]) as self.checksum:
            module = importlib.import_module("face_alignment.detection." + name)
            self.library_detector = module.FaceDetector(device=_torch_device(settings), verbose=False, **arguments)

    def detect(self, frame: np.ndarray, threshold: float, longest: int) -> List[Detection]:
        """See ``Detector.detect``; the library chooses its own size, ``longest`` is not used."""
        found = self.library_detector.detect_from_image(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
        if not len(found):
            return []
        rows = np.array(found, np.float32).reshape(len(found), -1)
        if not np.isfinite(rows).all():
            raise ModelError("The face-alignment detector gave values that are not finite.")
        kept = sorted((row for row in rows if row[4] >= threshold), key=lambda row: -row[4])
        return [Detection(Box(*(float(v) for v in row[:4])), float(min(row[4], 1.0))) for row in kept]


class LibraryLandmarks:
    """The library's 2D FAN-4, as in the paper. Raises ModelError when it or its weights cannot be had."""

    def __init__(self, settings: Settings, detector: Detector):
        with _weights(settings, LANDMARK_FILES) as self.checksum:
            import face_alignment

            # "folder" is the library's detector without a network: the boxes come from ``detector``.
            self._library = face_alignment.FaceAlignment(
                face_alignment.LandmarksType.TWO_D,
                device=_torch_device(settings),
                face_detector="folder",
                compile=False,
            )
        plain = detector.plain if isinstance(detector, Thorough) else detector
        if isinstance(plain, LibraryDetector):
            # FAN scales its crops by what it knows of each detector's boxes.
            self._library.face_detector = plain.library_detector

    def locate(
        self, frame: np.ndarray, detections: Sequence[Detection], former: Sequence[Optional[np.ndarray]] = ()
    ) -> np.ndarray:
        """See ``Landmarker.locate``; ``former`` is not used."""
        if not detections:
            return np.empty((0, 68, 2), np.float32)
        boxes = [np.array([*detection.box, detection.score], np.float32) for detection in detections]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="No faces were detected")
            found = self._library.get_landmarks_from_image(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), boxes)
        if found is None or len(found) != len(boxes) or not np.isfinite(found).all():
            raise ModelError("The face-alignment library gave no usable landmarks.")
        return np.stack(found).astype(np.float32)


def _torch_device(settings: Settings) -> str:
    import torch

    if settings.device == "cpu" or (settings.device == "auto" and not torch.cuda.is_available()):
        return "cpu"
    if not torch.cuda.is_available():
        raise ModelError("device is cuda, but torch sees no CUDA device: set device to auto or cpu.")
    return "cuda"


@contextlib.contextmanager
def _weights(settings: Settings, files: Sequence[str]):
    """Turns what goes wrong while the library loads ``files`` into one ModelError that says what to do.

    Gives the first twelve digits of the SHA-256 of the first file, or "" while it is not there (the library then
    downloads it).
    """
    try:
        import face_alignment  # noqa: F401
        import torch
    except ImportError as error:
        raise ModelError(
            "The face_alignment backend needs the packages face-alignment and torch (%s): pip install face-alignment, "
            "or choose detector centerface and landmarks fast." % error
        ) from error
    former = torch.hub.get_dir()
    if settings.face_alignment_weights:
        torch.hub.set_dir(str(Path(settings.face_alignment_weights).expanduser()))
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    try:
        first = folder / files[0]
        yield checksum(first.read_bytes()) if first.is_file() else ""
    except (OSError, RuntimeError, ValueError, EOFError, ImportError, pickle.UnpicklingError) as error:
        missing = [name for name in files if not (folder / name).is_file()]
        if missing:
            raise ModelError(
                "The face-alignment library could not get its weights (%s). Put %s into %s, or choose detector "
                "centerface and landmarks fast." % (first_line(error)[:200], " and ".join(missing), folder)
            ) from error
        raise ModelError(
            "The face-alignment library could not load %s in %s (%s). Remove the file so that it is fetched again, or "
            "put a whole one there." % (" and ".join(files), folder, first_line(error)[:200])
        ) from error
    finally:
        torch.hub.set_dir(former)
