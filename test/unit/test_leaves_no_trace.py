"""Nothing that a run of the command leaves behind shows the face: results, reports, logs, caches, unfinished work."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest
from mask_samples import moving, place_in, write_clip
from picture_samples import camera_exif, saved

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from face_scan import traces

FAILING = """
import sys
from emomask.{module} import {owner}
from emomask.cli import main

def broken(self, *arguments, **named):
    raise RuntimeError("injected: %s %s" % (arguments, named))  # as a library may that tells what it was given

{owner}.{method} = broken
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def run(tmp_path):
    """Runs the command in a home, with temporary files and in a folder of its own, which ``traces`` can look at."""
    place = tmp_path / "place"
    for name in ("home", "tmp", "work"):
        (place / name).mkdir(parents=True)

    def run(*arguments, program=("-c", "import sys; from emomask.cli import main; sys.exit(main())"), signals=()):
        environment = dict(os.environ, HOME=str(place / "home"), TMPDIR=str(place / "tmp"), PYTHONFAULTHANDLER="1")
        command = [sys.executable, *program, *map(str, arguments), "--threads", "1"]
        with open(str(place / "work" / "printed.log"), "ab") as log:
            process = subprocess.Popen(command, cwd=str(place / "work"), env=environment, stdout=log, stderr=log)
            for number in signals:
                wait_for_work(place, process)
                process.send_signal(number)
            return process.wait(120)

    run.place = place
    return run


def wait_for_work(place, process):
    """Until something unfinished is there."""
    while not any(path.stat().st_size for path in place.rglob("*") if path.is_file() and path.name != "printed.log"):
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(0.3)


@pytest.fixture
def photo(tmp_path, astronaut):
    """A JPEG with the face, and with a thumbnail of it."""
    thumbnail = saved(cv2.resize(astronaut[..., ::-1], (160, 160)), "JPEG")
    path = tmp_path / "photo.jpg"
    path.write_bytes(saved(astronaut[..., ::-1], "JPEG", quality=95, exif=camera_exif(thumbnail)))
    return path


@pytest.mark.parametrize("style", ["emoji", "blur", "pixelate", "solid"])
def test_pictures(run, photo, astronaut, astronaut_face, style):
    report = "report.json" if style == "emoji" else "report.csv"
    options = ["--style", style, "--report", report, "--keep-metadata"]
    assert run("mask", photo, "-o", "out.jpg", *options) == 0
    assert (run.place / "work" / report).is_file() and (run.place / "work" / "out.jpg").is_file()
    assert traces(run.place, astronaut, astronaut_face) == []


@pytest.mark.parametrize("signals", [(), (signal.SIGINT,), (signal.SIGTERM,), (signal.SIGKILL,), (signal.SIGABRT,)])
def test_videos_also_broken_off(run, tmp_path, astronaut, astronaut_face, signals):
    frames = moving(astronaut, 20)
    video = write_clip(tmp_path / "clip.mkv", frames, codec="ffv1")
    assert traces(tmp_path, frames[5], place_in(astronaut_face, 5))
    status = run("mask", video, "-o", "out.mkv", "--report", "r.json", signals=signals)
    assert (status == 0) == (not signals)
    for index in (0, 5, 10, 19):
        assert traces(run.place, frames[index], place_in(astronaut_face, index)) == []


@pytest.mark.parametrize(
    "module, owner, method",
    [
        ("perception.perceiver", "Perceiver", "detect"),
        ("perception.perceiver", "Perceiver", "faces"),
        ("perception.perceiver", "Perceiver", "emotions"),
        ("masks.cover", "Cover", "paint"),
        ("media.video_encoder", "VideoEncoder", "encode"),
    ],
)
@pytest.mark.parametrize("on_failure", ["drop", "pixelate"])
def test_failures(run, tmp_path, photo, astronaut, astronaut_face, module, owner, method, on_failure):
    program = ["-c", FAILING.format(module=module, owner=owner, method=method)]
    frames = moving(astronaut, 4)
    video = write_clip(tmp_path / "clip.mkv", frames, codec="ffv1")
    options = ["-o", "out", "--report", "reports", "--on-failure", on_failure]
    assert run("mask", photo, video, *options, program=program) == 1
    assert traces(run.place, astronaut, astronaut_face) == []
    assert traces(run.place, frames[2], place_in(astronaut_face, 2)) == []
    assert "Traceback" not in (run.place / "work" / "printed.log").read_text()
