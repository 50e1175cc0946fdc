"""What the steps of a video leave for each other."""

import os
import subprocess

import numpy as np
import pytest
from test_follow import a_face

from emomask.errors import SinkError
from emomask.offline.face_rows import packed, unpacked
from emomask.offline.records import Records, RecordWriter


def write(path, rows, **about):
    with RecordWriter(path, ("first", "second")) as writer:
        for number, row in enumerate(rows):
            writer.add(number, *row)
        writer.about.update(about)


def test_rows_come_back_in_both_directions(tmp_path):
    rows = [(1, b"\x00\xff"), (None, "text"), (2**50, b"")]
    write(tmp_path / "a", rows, answer=[1, None])
    with Records(tmp_path / "a") as records:
        wanted = [(number, *row) for number, row in enumerate(rows)]
        assert list(records) == wanted and list(reversed(records)) == wanted[::-1]
        assert records.about == {"answer": [1, None]}


def test_the_name_is_there_when_all_is_written(tmp_path):
    with RecordWriter(tmp_path / "a", ("first",)) as writer:
        writer.add(0, "x")
        assert not (tmp_path / "a").exists()
    assert os.listdir(str(tmp_path)) == ["a"]
    with pytest.raises(KeyError):
        with RecordWriter(tmp_path / "b", ("first",)) as writer:
            writer.add(0, "x")
            raise KeyError
    assert os.listdir(str(tmp_path)) == ["a"]


def test_what_a_killed_writer_has_left_is_begun_anew(tmp_path):
    (tmp_path / "a.part").write_bytes(b"half a file")
    write(tmp_path / "a", [(1, 2)])
    with Records(tmp_path / "a") as records:
        assert list(records) == [(0, 1, 2)]


def test_what_is_gone_or_damaged_is_said(tmp_path):
    with pytest.raises(SinkError, match="gone"):
        Records(tmp_path / "none")
    (tmp_path / "bad").write_bytes(b"no database " * 100)
    with pytest.raises(SinkError, match="cannot be read"):
        Records(tmp_path / "bad")


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(place)]
    if subprocess.run(mount, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("needs the right to mount a small disk")
    try:
        with pytest.raises(SinkError, match="full"):
            write(place / "a", [(number, b"x" * 10000) for number in range(50)])
        assert os.listdir(str(place)) == []
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_faces_come_back(tmp_path):
    given = [a_face(80, 0.7, 1, True, "fear"), a_face(90, 0.25, 0)]
    for before, after in zip(given, unpacked(packed(given))):
        assert after.box == pytest.approx(before.box) and np.array_equal(after.landmarks, before.landmarks)
        assert (after.track_id, after.held, after.emotion) == (before.track_id, before.held, before.emotion)
        assert after.score == pytest.approx(before.score)
        assert np.array_equal(after.probabilities, before.probabilities)
    assert unpacked(packed([])) == []
