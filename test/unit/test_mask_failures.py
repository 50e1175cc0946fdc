"""Bad input and bad output of the command ``emomask mask``: one line says why, the rest is done, nothing is lost."""

import os
import re
import shutil
import struct
import subprocess
import sys
import zlib

import av
import cv2
import numpy as np
import pytest
from conftest import ROOT
from mask_samples import ONE_THREAD, covered, mask, moving, write_clip


def png(width, height, bits):
    """A grey PNG that is black and so takes few bytes, whole when it has 1 bit for each pixel."""

    def chunk(kind, data):
        return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))

    header = struct.pack(">LLBBBBB", width, height, bits, 0, 0, 0, 0)
    pixels = zlib.compress(bytes((1 + width // 8) * height)) if bits == 1 else zlib.compress(bytes(1 << 20))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def clip_bytes(folder, astronaut, suffix):
    path = write_clip(folder / ("whole" + suffix), moving(astronaut, 12))
    data = path.read_bytes()
    path.unlink()
    return data


@pytest.fixture
def good(tmp_path, astronaut):
    """A folder with a picture in which all is well."""
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "good.png"), astronaut)
    return tmp_path / "in" / "good.png"


def content(folder):
    """Every file below ``folder`` with what is in it, and every link with where it leads."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_symlink():
            found[str(path.relative_to(folder))] = os.readlink(str(path))
        elif path.is_file():
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


def is_masked(path, astronaut, astronaut_face):
    return covered(astronaut, cv2.imread(str(path)), astronaut_face) > 0.85


def truncated(suffix):
    return lambda folder, astronaut: clip_bytes(folder, astronaut, suffix)[:-10000]


# What a name holds, and what the line says.
BAD = {
    "cut.mkv": (truncated(".mkv"), "damaged or incomplete"),
    "cut.mp4": (truncated(".mp4"), "not a video that can be read"),
    "empty.png": (lambda *_: b"", r"empty.png is empty \(0 bytes\)"),
    "empty.mp4": (lambda *_: b"", r"empty.mp4 is empty \(0 bytes\)"),
    "text.png": (lambda *_: b"some words", "neither a picture nor a video"),
    "text.mp4": (lambda *_: b"some words", "not a video that can be read"),
    "cut.jpg": (lambda *_: b"\xff\xd8\xff\xe0 cut", "not a picture that can be decoded"),
    "picture.mp4": (lambda *_: png(64, 64, 1), "A picture is written as .*, .png, .*picture.mp4 is not"),
    "video.png": (lambda *given: clip_bytes(*given, ".mp4"), "A video is written as .mp4, .*video.png is not"),
    "large.png": (lambda *_: png(20000, 20000, 1), "20000 x 20000 pixels; more than .*: scale it down or cut it up"),
    "bomb.png": (lambda *_: png(60000, 60000, 8), "60000 x 60000 pixels; more than .*: scale it down or cut it up"),
    # FFmpeg 6 and older, which come with the PyAV of Python 3.8, do not even see a video in it.
    "bomb.gif": (
        lambda *_: b"GIF89a\x60\xea\x60\xea\0\0\0,\0\0\0\0\x60\xea\x60\xea\0\2\2L\1\0;",
        "holds no video" if av.library_versions["libavformat"] < (61,) else "can be decoded",
    ),
    "two\nlines.jpg": (lambda *_: b"", r"two\\nlines.jpg is empty \(0 bytes\)"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_named_and_the_good_one_is_done(good, tmp_path, astronaut, astronaut_face, capsys, name):
    made, reason = BAD[name]
    bad, output = good.with_name(name), tmp_path / "out"
    bad.write_bytes(made(tmp_path, astronaut))
    former = output / (name + ".mp4" if name.endswith(".gif") else name)
    output.mkdir()
    former.write_bytes(b"from before")
    before = content(good.parent)
    assert mask(good.parent, "-o", output) == 1
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1 and "1 of 2 files done" in printed.out
    assert re.search(reason, printed.err), printed.err
    assert content(good.parent) == before
    assert sorted(content(output)) == sorted(["good.png", former.name]) and former.read_bytes() == b"from before"
    assert is_masked(output / "good.png", astronaut, astronaut_face)


def test_all_bad_files_side_by_side(good, tmp_path, astronaut, astronaut_face, capsys):
    for name, (made, _) in BAD.items():
        good.with_name(name).write_bytes(made(tmp_path, astronaut))
    assert mask(good.parent, "-o", tmp_path / "out", "--jobs", "2") == 1
    printed = capsys.readouterr()
    assert printed.err.count("\n") == len(BAD) and "1 of %d files done" % (len(BAD) + 1) in printed.out
    assert list(content(tmp_path / "out")) == ["good.png"]
    assert is_masked(tmp_path / "out" / "good.png", astronaut, astronaut_face)


def command(*arguments, without_rights=False):
    """Run ``emomask mask`` as a process of its own; ``without_rights``: without root's leave to read and write all."""
    line = [sys.executable, str(ROOT / "scripts" / "emomask"), "mask", *map(str, arguments), *ONE_THREAD]
    if without_rights and os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root may read everything, and there is no setpriv to change that")
        line = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *line]
    return subprocess.run(line, capture_output=True, text=True, timeout=120)


def test_what_is_not_there(good, tmp_path, capsys):
    assert mask(tmp_path / "none.mp4", tmp_path / "no*.png", good, "-o", tmp_path / "out") == 1
    pattern, missing = capsys.readouterr().err.splitlines()
    assert "no*.png: nothing matches this pattern" in pattern and "There is no file or folder" in missing
    assert list(content(tmp_path / "out")) == ["good.png"]


def test_links_that_lead_nowhere_or_in_a_circle(good, tmp_path, capsys):
    folder = good.parent
    (folder / "lost.jpg").symlink_to("gone.jpg")
    (folder / "self.jpg").symlink_to("self.jpg")
    (folder / "one.mp4").symlink_to("other.mp4")
    (folder / "other.mp4").symlink_to("one.mp4")
    (folder / "up").symlink_to("..")
    (folder / "here").symlink_to(".")
    before = content(folder)
    assert mask(folder, "-o", tmp_path / "out") == 1
    lost, one, other, itself = sorted(capsys.readouterr().err.splitlines(), key=lambda line: line.split("/in/")[1])
    assert "lost.jpg cannot be read: it links to gone.jpg, which is not there" in lost
    assert all("Too many levels of symbolic links" in line for line in (one, other, itself))
    assert content(folder) == before and list(content(tmp_path / "out")) == ["good.png"]


def test_a_pipe_is_not_waited_for(good, tmp_path):
    for name in ("pipe.png", "pipe.mp4"):
        os.mkfifo(str(good.with_name(name)))
    done = command(good.with_name("pipe.png"), good.with_name("pipe.mp4"), good, "-o", tmp_path / "out")
    assert done.returncode == 1 and done.stderr.count("cannot be read: it is not a file.\n") == 2
    assert list(content(tmp_path / "out")) == ["good.png"]


def test_files_and_folders_that_may_not_be_read(good, tmp_path, astronaut, astronaut_face):
    folder = good.parent
    shutil.copy(str(good), str(folder / "closed.png"))
    (folder / "closed.mp4").write_bytes(clip_bytes(tmp_path, astronaut, ".mp4"))
    (folder / "locked").mkdir()
    shutil.copy(str(good), str(folder / "locked" / "a.png"))
    closed = [folder / name for name in ("closed.png", "closed.mp4", "locked")]
    modes = [path.stat().st_mode for path in closed]
    for path in closed:
        path.chmod(0)
    try:
        done = command(folder, "-o", tmp_path / "out", without_rights=True)
        named = command(folder / "locked" / "a.png", "-o", tmp_path / "a.png", without_rights=True)
        alone = command(folder / "locked", "-o", tmp_path / "out", without_rights=True)
    finally:
        for path, mode in zip(closed, modes):
            path.chmod(mode)
    locked, video, picture = done.stderr.splitlines()
    assert "locked: the folder cannot be read: Permission denied" in locked
    assert "closed.mp4 cannot be read: permission denied" in video
    assert "closed.png cannot be read: permission denied" in picture
    assert done.returncode == 1 and "1 of 3 files done" in done.stdout
    assert list(content(tmp_path / "out")) == ["good.png"]
    assert is_masked(tmp_path / "out" / "good.png", astronaut, astronaut_face)
    assert (named.returncode, alone.returncode) == (1, 1) and not (tmp_path / "a.png").exists()
    assert "a.png cannot be read: Permission denied" in named.stderr
    assert alone.stderr.count("\n") == 1 and "locked: the folder cannot be read" in alone.stderr


def test_a_folder_that_may_not_be_written(good, tmp_path, astronaut):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(clip_bytes(tmp_path, astronaut, ".mp4"))
    output = tmp_path / "out"
    output.mkdir()
    output.chmod(0o555)
    try:
        done = command(good, clip, "-o", output, without_rights=True)
        below = command(good, clip, "-o", output / "below", without_rights=True)
        report = command(clip, "-o", tmp_path / "a.mp4", "--report", output / "a.json", without_rights=True)
    finally:
        output.chmod(0o755)
    for process, lines in ((done, 2), (below, 2), (report, 1)):
        assert process.returncode == 1 and process.stderr.count("\n") == lines
        assert process.stderr.lower().count("permission denied") == lines
    assert not content(output) and not (tmp_path / "a.mp4").exists()


def test_a_full_disk(small_disk, tmp_path, astronaut, capsys):
    """What is too large fails with a former result in its place, and what is small enough is done after it."""
    folder = tmp_path / "in"
    folder.mkdir()
    noise = np.random.default_rng(3).integers(0, 256, (8, 360, 480, 3), np.uint8)
    cv2.imwrite(str(folder / "a.png"), noise[0])
    (folder / "b.mp4").write_bytes(clip_bytes(tmp_path, astronaut, ".mp4"))
    write_clip(folder / "c.mkv", noise, quality=5)
    (folder / "d.mp4").write_bytes(clip_bytes(tmp_path, astronaut, ".mp4"))
    for name in ("a.png", "c.mkv"):
        (small_disk / name).write_bytes(b"from before")
    assert mask(folder, "-o", small_disk) == 1
    printed = capsys.readouterr()
    picture, video = printed.err.splitlines()
    assert "a.png cannot be written: the disk is full; make room or choose another one" in picture
    assert "/c.mkv" in video and "is full" in video
    assert "2 of 4 files done" in printed.out
    results = {name: data for name, data in content(small_disk).items() if not name.startswith(".c.mkv.emomask/")}
    assert sorted(results) == ["a.png", "b.mp4", "c.mkv", "d.mp4"]
    assert results["a.png"] == results["c.mkv"] == b"from before"


def test_a_report_on_a_full_disk(small_disk, good, tmp_path, capsys):
    (small_disk / "report.json").write_bytes(b"from before")
    with open(str(small_disk / "filler"), "wb", buffering=0) as file, pytest.raises(OSError):
        while True:
            file.write(bytes(1 << 12))
    assert mask(good, "-o", tmp_path / "out.png", "--report", small_disk / "report.json") == 1
    assert "report.json cannot be written: the disk is full" in capsys.readouterr().err
    assert (small_disk / "report.json").read_bytes() == b"from before"
    assert sorted(content(small_disk)) == ["filler", "report.json"]


@pytest.mark.parametrize("kind", ["same", "hard link", "symbolic link"])
def test_an_output_that_is_the_input(good, tmp_path, astronaut, astronaut_face, capsys, kind):
    other = tmp_path / "other.png"
    shutil.copy(str(good), str(other))
    if kind == "same":
        output = good.parent
    else:
        output = tmp_path / "out"
        output.mkdir()
        if kind == "hard link":
            os.link(str(good), str(output / "good.png"))
        else:
            (output / "good.png").symlink_to(good)
    before = good.read_bytes()
    assert mask(good, other, "-o", output) == 1
    message = capsys.readouterr().err
    assert "The output is the input itself" in message and message.count("\n") == 1
    assert good.read_bytes() == before and is_masked(output / "other.png", astronaut, astronaut_face)
    assert sorted(content(output)) == ["good.png", "other.png"]


@pytest.mark.parametrize("turned", [False, True])
def test_a_result_that_would_replace_another_input(good, tmp_path, astronaut, capsys, turned):
    """Both inputs are called good.png, and the results go to where one of them is."""
    other = tmp_path / "good.png"
    cv2.imwrite(str(other), astronaut[:, ::-1])
    before = content(tmp_path)
    inputs = [good, other] if turned else [other, good]
    assert mask(*inputs, "-o", tmp_path) == 1
    message = capsys.readouterr().err
    assert "would overwrite the input %s; name another folder" % other in message and message.count("\n") == 2
    assert content(tmp_path) == before


def test_a_folder_onto_itself(good, tmp_path, capsys):
    (good.with_name("clip.wmv")).write_bytes(b"a video by its name")
    (tmp_path / "link").symlink_to(good.parent)
    before = content(tmp_path)
    for output in (good.parent, tmp_path / "link"):
        assert mask(good.parent, "-o", output) == 1
        assert "cannot go to the same folder; name another one" in capsys.readouterr().err
    assert content(tmp_path) == before


def test_a_folder_for_the_results_within_the_input(good, astronaut, astronaut_face):
    output = good.parent / "masked"
    for _ in range(2):  # the second time, the results are there and are no inputs
        assert mask(good.parent, "-o", output) == 0
        assert sorted(content(good.parent)) == ["good.png", "masked/good.png"]
        assert is_masked(output / "good.png", astronaut, astronaut_face)
        assert np.array_equal(cv2.imread(str(good)), astronaut)


def test_an_output_of_another_kind(good, tmp_path, capsys):
    assert mask(good, "-o", tmp_path / "no" / "folder.png") == 1
    assert "there is no folder %s; create it" % (tmp_path / "no") in capsys.readouterr().err
    assert mask(good, "-o", tmp_path / "masked.xyz") == 1
    assert "A picture is written as" in capsys.readouterr().err
    assert mask("demo", "-o", tmp_path / "masked.xyz") == 1
    assert "A video is written as .mp4" in capsys.readouterr().err
    assert sorted(content(tmp_path)) == ["in/good.png"]


def test_no_message_shows_a_password(good, tmp_path, capsys):
    """Nobody answers at port 1; and the second result would replace the first."""
    urls = ["http://user:secret@127.0.0.1:1/%s.png?key=secret" % name for name in ("a", "b/a")]
    assert mask(*urls, good, "-o", tmp_path / "out") == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 2 and "secret" not in message
    assert list(content(tmp_path / "out")) == ["good.png"]
