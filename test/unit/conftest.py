"""Fixtures of the unit tests: real faces that a dependency carries, optional data, the shipped models."""

import os
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from emomask import Masker, Settings

ROOT = Path(__file__).resolve().parents[2]


def data_folder():
    """The folder with evaluation data: $EMOMASK_DATA, or ``shared/data`` beside the repository."""
    return Path(os.environ.get("EMOMASK_DATA") or ROOT.parent / "shared" / "data")


@pytest.fixture(scope="session")
def data():
    """Path of a file in the data folder; skips the test when it is not there."""

    def path(name):
        found = data_folder() / name
        if not found.exists():
            pytest.skip("needs %s (set EMOMASK_DATA to the folder that holds it)" % name)
        return found

    return path


@pytest.fixture(scope="session")
def astronaut():
    """A real face: uint8 512 x 512 x 3 BGR."""
    skimage_data = pytest.importorskip("skimage.data")
    return np.ascontiguousarray(skimage_data.astronaut()[..., ::-1])


@pytest.fixture(scope="session")
def astronaut_face():
    """Where the astronaut's face is: left, top, right, bottom in pixels, by eye."""
    return 176, 66, 272, 186


@pytest.fixture(scope="session")
def small(astronaut):
    """A small picture of many colours: uint8 48 x 64 x 3 RGB."""
    return np.ascontiguousarray(cv2.resize(astronaut, (64, 48), interpolation=cv2.INTER_AREA)[..., ::-1])


@pytest.fixture(scope="session")
def deep():
    """A smooth picture that uses all its bits: uint16 48 x 64 x 4."""
    noise = np.random.default_rng(5).integers(0, 65536, (48, 64, 4)).astype(np.uint16)
    values = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3).astype(np.float64), None, 0, 65535, cv2.NORM_MINMAX)
    return values.astype(np.uint16)


@pytest.fixture(scope="session")
def long_clip(tmp_path_factory, astronaut):
    """Path of a video that is masked in three pieces; see ``long_clips``."""
    from long_clips import write_long_clip

    return write_long_clip(tmp_path_factory.mktemp("long") / "long.mp4", astronaut)


@pytest.fixture(scope="session")
def masker():
    """A Masker with the default settings, for single pictures."""
    return Masker()


@pytest.fixture
def stream_masker():
    """A Masker that no other test has used."""
    return Masker(Settings())


@pytest.fixture
def small_disk(tmp_path):
    """A folder that is a disk of its own, of 384 kB; skips the test where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=384k", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, stderr=subprocess.PIPE).returncode:
        pytest.skip("mounting a small disk needs root, and a container that may mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def placed(picture, height, width, left, top, scale=1.0):
    """``picture`` scaled and pasted into a grey frame at ``left``, ``top``, which may lie outside."""
    matrix = np.array([[scale, 0, left], [0, scale, top]], np.float64)
    return cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_AREA, borderValue=(90, 100, 110))
