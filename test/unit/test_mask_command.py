"""The command ``emomask mask``: what becomes of pictures, videos, folders and URLs."""

import http.server
import io
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from fractions import Fraction

import cv2
import numpy as np
import pytest
from mask_samples import ONE_THREAD, covered, mask, moving, place_in, read_clip, write_clip
from PIL import Image

from emomask import Settings
from emomask.cli import main
from emomask.offline.batch import mask_all
from emomask.offline.crews import Processes
from emomask.offline.file_settings import FileSettings
from emomask.offline.inputs import Job
from emomask.offline.plan import Plan


@pytest.fixture
def photo(tmp_path, astronaut):
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), astronaut)
    return path


@pytest.fixture
def clip(tmp_path, astronaut):
    return write_clip(tmp_path / "clip.mp4", moving(astronaut, 8))


def test_a_picture(photo, tmp_path, astronaut, astronaut_face, capsys):
    output = tmp_path / "masked.png"
    assert mask(photo, "-o", output, "--style", "solid") == 0
    assert "1 frames, 1 faces, 0 frames withheld" in capsys.readouterr().out
    masked = cv2.imread(str(output))
    assert masked.shape == astronaut.shape and covered(astronaut, masked, astronaut_face) > 0.9
    assert sorted(path.name for path in tmp_path.iterdir()) == ["masked.png", "photo.png"]


def test_a_video_keeps_frames_times_and_size(tmp_path, astronaut, astronaut_face):
    frames = moving(astronaut, 6)
    times = [Fraction(value, 1000) for value in (0, 40, 81, 200, 233, 1000)]
    clip = write_clip(tmp_path / "clip.mkv", frames, times, time_base=Fraction(1, 1000))
    output = tmp_path / "masked.mp4"
    assert mask(clip, "-o", output) == 0
    masked, tick = read_clip(output)
    assert [frame.pts * tick for frame in masked] == times
    for index, frame in enumerate(masked):
        assert frame.image.shape == frames[0].shape
        assert covered(frames[index], frame.image, place_in(astronaut_face, index)) > 0.85


def test_a_span_of_a_video(clip, tmp_path):
    output = tmp_path / "part.mp4"
    assert mask(clip, "-o", output, "--start", "0.2", "--end", "0.5") == 0
    masked, tick = read_clip(output)
    assert [frame.pts * tick for frame in masked] == [0, Fraction(1, 12), Fraction(2, 12)]
    assert mask(clip, "-o", output, "--start", "2", "--end", "1") == 2
    assert mask(clip, "-o", tmp_path / "none.mp4", "--start", "60") == 1
    assert not (tmp_path / "none.mp4").exists()


def test_a_face_is_covered_before_it_is_found(tmp_path, astronaut, astronaut_face):
    """In the first frames nothing can be found; were a face there, it would be where it is found first."""
    frames = [np.full((360, 480, 3), 128, np.uint8)] * 4 + moving(astronaut, 8)
    clip = write_clip(tmp_path / "clip.mp4", frames)
    assert mask(clip, "-o", tmp_path / "out.mp4", "--style", "blur", "--report", tmp_path / "out.json") == 0
    told = json.loads((tmp_path / "out.json").read_text())["frames"]
    origins = [[face["origin"] for face in frame["faces"]] for frame in told]
    assert origins == [["remembered"]] * 4 + [["found"]] * 8
    for frame in told[2:4]:
        left, top, right, bottom = frame["faces"][0]["box"]
        x, y = place_in(astronaut_face, 0)[:2]
        assert left < x + 10 and top < y and right > x + 50 and bottom > y + 60


def test_a_report_is_applied_exactly(clip, tmp_path):
    report = tmp_path / "report.json"
    assert mask(clip, "-o", tmp_path / "first.mkv", "--codec", "ffv1", "--report", report) == 0
    assert mask(clip, "-o", tmp_path / "second.mkv", "--codec", "ffv1", "--from-report", report) == 0
    first, second = read_clip(tmp_path / "first.mkv")[0], read_clip(tmp_path / "second.mkv")[0]
    assert all(np.array_equal(one.image, other.image) for one, other in zip(first, second))


def test_an_edited_report_is_applied(clip, tmp_path, astronaut_face, capsys):
    report, output = tmp_path / "report.json", tmp_path / "out.mkv"
    assert mask(clip, "-o", tmp_path / "first.mp4", "--report", report) == 0
    content = json.loads(report.read_text())
    content["frames"][2]["faces"] = []  # a person removes one
    content["frames"][3]["faces"].append({"box": [10, 250, 90, 340], "emotion": "angry"})  # and adds another
    report.write_text(json.dumps(content))
    assert mask(clip, "-o", output, "--codec", "ffv1", "--style", "solid", "--from-report", report) == 0
    before, after = read_clip(clip)[0], read_clip(output)[0]
    assert covered(before[2].image, after[2].image, place_in(astronaut_face, 2)) < 0.05
    assert covered(before[3].image, after[3].image, (12, 252, 88, 338)) > 0.9
    assert covered(before[4].image, after[4].image, place_in(astronaut_face, 4)) > 0.85
    capsys.readouterr()
    del content["frames"][5:]
    report.write_text(json.dumps(content))
    output.unlink()
    assert mask(clip, "-o", output, "--from-report", report) == 1
    assert "does not fit the input" in capsys.readouterr().err and not output.exists()


def test_a_picture_has_a_report_too(photo, tmp_path, astronaut, astronaut_face):
    report = tmp_path / "report.json"
    assert mask(photo, "-o", tmp_path / "out.png", "--report", report) == 0
    content = json.loads(report.read_text())
    assert content["kind"] == "picture" and len(content["frames"][0]["faces"]) == 1
    content["frames"][0]["faces"] = [{"box": [0, 0, 60, 60]}]
    report.write_text(json.dumps(content))
    assert mask(photo, "-o", tmp_path / "out.png", "--style", "solid", "--from-report", report) == 0
    after = cv2.imread(str(tmp_path / "out.png"))
    assert covered(astronaut, after, (0, 0, 60, 60)) > 0.9 and covered(astronaut, after, astronaut_face) < 0.05


def test_some_faces_only(tmp_path, astronaut):
    both = np.hstack([astronaut, astronaut])
    cv2.imwrite(str(tmp_path / "two.png"), both)
    for arguments, left, right in (
        (["--only", "0,0,500,500"], True, False),
        (["--excepted", "0,0,512,512"], False, True),
        (["--only", "track:1", "--only", "track:2"], True, True),
        (["--only", "track:1;track:2"], True, True),
        (["--smallest-face", "300"], False, False),
    ):
        assert mask(tmp_path / "two.png", "-o", tmp_path / "out.png", *arguments) == 0
        changed = (cv2.imread(str(tmp_path / "out.png")) != both).any(axis=2)
        assert (changed[:, :512].any(), changed[:, 512:].any()) == (left, right)
    assert mask(tmp_path / "two.png", "-o", tmp_path / "out.png", "--only", "nobody") == 2


@pytest.fixture
def tree(tmp_path, astronaut):
    """A folder of pictures and a video, one of them broken."""
    root = tmp_path / "in"
    (root / "sub").mkdir(parents=True)
    cv2.imwrite(str(root / "a.png"), astronaut)
    cv2.imwrite(str(root / "sub" / "b.jpg"), astronaut)
    (root / "sub" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    write_clip(root / "c.mkv", moving(astronaut, 8))
    return root


def test_a_folder_is_done_and_what_fails_is_named(tree, tmp_path, capsys):
    output = tmp_path / "out"
    assert mask(tree, "-o", output, "--report", tmp_path / "reports") == 1
    printed = capsys.readouterr()
    assert "broken.jpg" in printed.err and printed.err.count("\n") == 1 and "3 of 4 files done" in printed.out
    done = sorted(str(path.relative_to(output)) for path in output.rglob("*") if path.is_file())
    assert done == ["a.png", "c.mkv", "sub/b.jpg"]
    reports = sorted(str(path.relative_to(tmp_path / "reports")) for path in (tmp_path / "reports").rglob("*.*"))
    assert reports == ["a.png.json", "c.mkv.json", "sub/b.jpg.json"]


def test_side_by_side_gives_the_same(tree, tmp_path, capsys):
    """With a codec without loss: x264 does not give the same bytes each time."""
    assert mask(tree, "-o", tmp_path / "one", "--codec", "ffv1") == 1
    assert mask(tree, "-o", tmp_path / "two", "--codec", "ffv1", "--jobs", "2") == 1
    for name in ("a.png", "sub/b.jpg", "c.mkv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert capsys.readouterr().err.count("broken.jpg") >= 2


def test_a_worker_that_dies_takes_nothing_with_it(tree, tmp_path):
    jobs = [Job(str(tree / "a.png"), str(tmp_path / ("%d.png" % number))) for number in range(6)]
    plan = Plan(Settings(threads=1), FileSettings())
    outcomes = []
    for outcome in mask_all(plan, jobs, Processes(plan, 2)):
        if not outcomes:
            os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
        outcomes.append(outcome)
    assert sorted(outcome.job for outcome in outcomes) == sorted(jobs)
    assert all(outcome.error is None and os.path.exists(outcome.job.output) for outcome in outcomes)


def test_results_that_are_there_are_left_alone(tree, tmp_path, capsys):
    output = tmp_path / "out"
    output.mkdir()
    (output / "a.png").write_bytes(b"from before")
    assert mask(tree, "-o", output, "--resume") == 1
    assert (output / "a.png").read_bytes() == b"from before" and (output / "c.mkv").exists()
    assert "a.png: was there already" in capsys.readouterr().out


def test_standard_input_and_output(photo, astronaut, astronaut_face):
    program = "import sys; from emomask.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "mask", "-", "-o", "-", *ONE_THREAD]
    done = subprocess.run(command, input=photo.read_bytes(), stdout=subprocess.PIPE, check=True)
    masked = np.array(Image.open(io.BytesIO(done.stdout)))[..., ::-1]
    assert covered(astronaut, masked, astronaut_face) > 0.9
    broken = subprocess.run(command, input=b"nothing", capture_output=True)
    assert broken.returncode == 1 and broken.stdout == b"" and broken.stderr.count(b"\n") == 1


def test_a_url(photo, clip, tmp_path, capsys):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(tmp_path))

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = "http://127.0.0.1:%d/" % server.server_port
        try:
            assert mask(url + "photo.png", url + "clip.mp4", "-o", tmp_path / "out") == 0
            assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["clip.mp4", "photo.png"]
            assert mask(url + "none.png?key=secret", "-o", tmp_path / "none.png") == 1
            report = tmp_path / "report.json"
            assert mask(url + "clip.mp4?key=secret", "-o", tmp_path / "again.mp4", "--report", report) == 0
            assert json.loads(report.read_text())["file"] == "clip.mp4?key=***"
            assert mask(url + "clip.mp4?key=secret", "-o", tmp_path / "late.mp4", "--start", "60") == 1
        finally:
            server.shutdown()
    message = capsys.readouterr().err
    assert "answers 404" in message and "has no frame" in message
    assert "secret" not in message and message.count("\n") == 2


def test_a_codec_and_its_quality(clip, tmp_path, capsys):
    for quality in (10, 40):
        output = tmp_path / ("%d.mkv" % quality)
        assert mask(clip, "-o", output, "--codec", "libx265", "--quality", quality, "--quiet") == 0
    assert (tmp_path / "10.mkv").stat().st_size > 1.5 * (tmp_path / "40.mkv").stat().st_size
    assert capsys.readouterr().out == ""
    assert mask(clip, "-o", tmp_path / "x.mp4", "--codec", "h264_toaster") == 1
    assert "no video encoder" in capsys.readouterr().err
    assert not (tmp_path / "x.mp4").exists()


def test_usage_and_bad_values(photo, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["mask", str(photo)])
    assert stop.value.code == 2
    output = tmp_path / "out.png"
    assert mask(photo, "-o", output, "--margin", "-3") == 2
    assert "margin must lie between" in capsys.readouterr().err
    assert mask(photo, photo, "-o", output, "--from-report", "a.json") == 2
    assert not output.exists()
