"""The scanner finds a face wherever one was left, and none where there is none."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import placed
from mask_samples import write_clip

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from face_scan import is_shown, traces

WAYS = {
    "raw bytes": ("dump.bin", lambda path, picture, face: path.write_bytes(b"..." + picture[40:].tobytes())),
    "numpy, RGB": ("crop.npy", lambda path, picture, face: np.save(str(path), face[..., ::-1])),
    "numbers": ("log.json", lambda path, picture, face: path.write_text(json.dumps(face.ravel().tolist()))),
    "a picture": ("frame.jpg", lambda path, picture, face: cv2.imwrite(str(path), picture)),
    "a crop": ("face.png", lambda path, picture, face: cv2.imwrite(str(path), np.pad(face, ((9, 9), (9, 9), (0, 0))))),
    "a thumbnail": (
        "data.bin",
        lambda path, picture, face: path.write_bytes(
            b"Exif" + cv2.imencode(".jpg", cv2.resize(picture, (160, 160), interpolation=cv2.INTER_AREA))[1].tobytes()
        ),
    ),
    "one frame of a video": (
        "clip.mkv",
        lambda path, picture, face: write_clip(path, [np.zeros_like(picture)] * 3 + [picture]),
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_face_is_found_however_it_is_written(tmp_path, astronaut, astronaut_face, way):
    left, top, right, bottom = astronaut_face
    name, write = WAYS[way]
    write(tmp_path / name, astronaut, astronaut[top:bottom, left:right])
    found = traces(tmp_path, astronaut, astronaut_face)
    assert found and {path.name for path, _ in found} == {name}


def test_nothing_is_found_where_no_face_is(tmp_path, astronaut, astronaut_face):
    hidden = astronaut.copy()
    left, top, right, bottom = astronaut_face
    hidden[top - 20 : bottom + 20, left - 20 : right + 20] = 128
    cv2.imwrite(str(tmp_path / "hidden.png"), hidden)
    np.save(str(tmp_path / "hidden.npy"), hidden)
    assert traces(tmp_path, astronaut, astronaut_face) == []


def test_another_size_and_place_is_the_same_face(astronaut, astronaut_face):
    left, top, right, bottom = astronaut_face
    assert is_shown(placed(astronaut, 480, 640, 30, 60, 0.43), astronaut[top:bottom, left:right])
