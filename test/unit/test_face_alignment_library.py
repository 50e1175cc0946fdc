"""The face-alignment library for real: its code, its loading path, real BlazeFace weights, a FAN of the right shape."""

import shutil
import socket
import urllib.request
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
face_alignment = pytest.importorskip("face_alignment")

from emomask import Box, Masker, Settings  # noqa: E402
from emomask.errors import ModelError  # noqa: E402
from emomask.perception.detection import Detection, create_detector  # noqa: E402
from emomask.perception.face_alignment_library import DETECTOR_FILES, LANDMARK_FILES  # noqa: E402
from emomask.perception.landmarks import create_landmarker  # noqa: E402


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Downloads fail at once, as on a robot without a network."""

    def refuse(*_arguments, **_named):
        raise urllib.error.URLError(socket.gaierror(-3, "Temporary failure in name resolution"))

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(torch.hub, "urlopen", refuse)


@pytest.fixture(scope="module")
def fan_checkpoint(tmp_path_factory):
    """FAN-4's weights, untrained, in the file that the library looks for."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("fan") / LANDMARK_FILES[0]
    torch.save(face_alignment.models.FAN(4).state_dict(), str(path))
    return path


@pytest.fixture
def weights(tmp_path, data, fan_checkpoint):
    """A torch hub folder with BlazeFace's real weights and the FAN checkpoint in its cache."""
    cache = tmp_path / "checkpoints"
    cache.mkdir()
    for name in DETECTOR_FILES["blazeface"]:
        shutil.copy(str(data("weights/" + name)), str(cache / name))
    shutil.copy(str(fan_checkpoint), str(cache / LANDMARK_FILES[0]))
    return tmp_path


def settings(weights, **others):
    return Settings(face_alignment_detector="blazeface", face_alignment_weights=str(weights), **others)


def test_blazeface_finds_the_astronaut(weights, astronaut, astronaut_face):
    former = torch.hub.get_dir()
    detector = create_detector(settings(weights, detector="face_alignment"))
    assert torch.hub.get_dir() == former
    close_up = np.ascontiguousarray(astronaut[0:300, 80:380])
    found = detector.detect(close_up, 0.5, 480)
    truth = Box(*astronaut_face).moved(-80, 0)
    assert found and found[0].box.iou(truth) > 0.4 and found[0].score >= 0.5
    assert len(detector.checksum) == 12


def test_the_chain_runs_with_the_library_alone(weights, astronaut, astronaut_face):
    close_up = np.ascontiguousarray(astronaut[0:300, 80:380])
    masker = Masker(settings(weights, detector="face_alignment", landmarks="face_alignment", device="cpu"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        masked = masker.process(close_up)
        empty = masker.process(np.zeros((300, 300, 3), np.uint8))
    assert masked.error is None and empty.error is None and empty.faces == []
    (face,) = masked.faces
    # The FAN here is untrained: its points lie anywhere in its crop, and the detector's box must be covered.
    assert face.landmarks.shape == (68, 2) and np.isfinite(face.landmarks).all()
    left, top, right, bottom = (int(v) for v in Box(*astronaut_face).moved(-80, 0))
    changed = (masked.image != close_up).any(axis=2)[top:bottom, left:right]
    assert changed.mean() > 0.9


def test_fan_lies_where_the_library_itself_puts_it(weights, astronaut):
    """Same points as the library's own public call gives for the same box."""
    landmarker = create_landmarker(settings(weights, landmarks="face_alignment", device="cpu"), detector=None)
    box = [176.0, 66.0, 272.0, 186.0]
    ours = landmarker.locate(astronaut, [Detection(Box(*box), 0.9)])[0]
    torch.hub.set_dir(str(weights))
    library = face_alignment.FaceAlignment(
        face_alignment.LandmarksType.TWO_D, device="cpu", face_detector="folder", compile=False
    )
    theirs = library.get_landmarks_from_image(np.ascontiguousarray(astronaut[..., ::-1]), [np.array(box + [0.9])])[0]
    assert np.allclose(ours, theirs, atol=1e-3)


def test_weights_that_cannot_be_had_are_one_clear_error(tmp_path):
    with pytest.raises(ModelError) as failure:
        create_landmarker(settings(tmp_path, landmarks="face_alignment"), detector=None)
    text = str(failure.value)
    assert LANDMARK_FILES[0] in text and str(tmp_path / "checkpoints") in text and "landmarks fast" in text
    with pytest.raises(ModelError, match="s3fd-619a316812.pth"):
        create_detector(Settings(detector="face_alignment", face_alignment_weights=str(tmp_path)))


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut off"])
def test_a_damaged_checkpoint_is_named(tmp_path, content):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / LANDMARK_FILES[0]).write_bytes(content)
    with pytest.raises(ModelError, match="could not load " + LANDMARK_FILES[0]):
        create_landmarker(settings(tmp_path, landmarks="face_alignment"), detector=None)


def test_auto_falls_back_and_says_so_once(tmp_path, caplog):
    landmarker = create_landmarker(settings(tmp_path, landmarks="auto"), detector=None)
    assert type(landmarker).__name__ == "FastLandmarks"
    assert len([record for record in caplog.records if "takes the fast network" in record.message]) == 1


def test_cuda_that_is_absent_is_an_error(weights):
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(ModelError, match="torch sees no CUDA device"):
        create_landmarker(settings(weights, landmarks="face_alignment", device="cuda"), detector=None)
