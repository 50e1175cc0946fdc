"""Long videos in pieces: nothing is lost at a seam, by a worker that dies, or when the work is broken off."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from long_clips import HIDDEN, RATE, SECONDS, SIZE, assert_masked, frames_of, long_picture

from emomask import Settings
from emomask.cli import main
from emomask.media.movie import Movie
from emomask.media.video import VideoFile
from emomask.media.video_encoder import VideoEncoder, VideoSpec
from emomask.offline import pieces
from emomask.offline.batch import mask_all
from emomask.offline.crews import Alone, Processes
from emomask.offline.file_settings import FileSettings
from emomask.offline.inputs import Job
from emomask.offline.pieces import Looked, divided, seams_hold
from emomask.offline.plan import Plan
from emomask.perception.perceiver import Perceiver

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from clips import write_movie

PROGRAM = "import sys; from emomask.cli import main; sys.exit(main())"


def command(*arguments):
    return [sys.executable, "-c", PROGRAM, "mask", *map(str, arguments), "--threads", "1"]


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_video_is_cut_at_key_frames(long_clip, tmp_path):
    def seconds(start, end):
        with Movie(long_clip) as movie:
            found = divided(movie, str(long_clip), start, end)
            assert all(one.end == other.start for one, other in zip(found, found[1:])) and found[-1].end is None
            return [float(piece.start * movie.time_base) for piece in found]

    assert seconds(0, 0) == [0, 12, 24]
    assert seconds(5, 0) == [5, 16, 28]
    with Movie(long_clip) as movie:
        (piece,) = divided(movie, "http://example.org/long.mp4", 0, 0)
        assert piece == (0, None)
        (*_, last) = divided(movie, str(long_clip), 0, 30)
        assert last.end * movie.time_base == 30


def test_a_video_is_not_cut_where_times_do_not_allow_it(tmp_path):
    """In the middle the clock starts anew: from there on, times depend on the frames before."""
    options = {"g": "4", "bf": "0", "sc_threshold": "0"}
    path = write_movie(tmp_path / "a.mp4", range(120), Fraction(1, 4), Fraction(4), options=options)
    with Movie(path) as movie:
        assert len(divided(movie, str(path), 0, 0)) == 3
        assert len(movie.key_frames()) == 30
    part = write_movie(tmp_path / "a.ts", range(60), Fraction(1, 4), Fraction(4), options=options)
    twice = tmp_path / "twice.ts"
    twice.write_bytes(part.read_bytes() * 2)
    with Movie(twice) as movie:
        assert len(list(movie.frames())) == 120
        assert movie.key_frames() == [] and len(divided(movie, str(twice), 0, 0)) == 1


def test_seams_hold_only_where_frames_meet():
    one, other, third = Looked(5, (0, 7), (5, 8)), Looked(5, (5, 8), (10, 9)), Looked(5, (10, 9), None)
    assert seams_hold([one, other, third]) and seams_hold([third])
    assert not seams_hold([one, third]) and not seams_hold([third, one])
    assert not seams_hold([one, Looked(5, (5, 9), None)])


def test_pieces_give_what_the_whole_gives(long_clip, tmp_path, monkeypatch):
    told = {}
    for name, length, jobs in (("whole", 1000.0, 1), ("pieces", pieces.LENGTH, 1), ("two", pieces.LENGTH, 2)):
        monkeypatch.setattr(pieces, "LENGTH", length)
        output, report = tmp_path / (name + ".mkv"), tmp_path / (name + ".json")
        arguments = ["--report", report, "--audio", "keep", "--codec", "ffv1", "--jobs", jobs, "--threads", 1]
        arguments += ["--detection-threshold", 0.2]  # below it this clip has a false alarm, and one track is wanted
        assert main(["mask", str(long_clip), "-o", str(output), *map(str, arguments)]) == 0
        assert_masked(long_clip, output)
        told[name] = json.loads(report.read_text())
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json"] * 3 + [".mkv"] * 3
    assert (tmp_path / "pieces.mkv").read_bytes() == (tmp_path / "two.mkv").read_bytes()
    assert told["pieces"] == told["two"]
    assert len(told["whole"]["frames"]) == len(told["pieces"]["frames"]) == RATE * SECONDS
    for one, other in zip(told["whole"]["frames"], told["pieces"]["frames"]):
        assert [face["track"] for face in one["faces"]] == [face["track"] for face in other["faces"]]
        for face, same in zip(one["faces"], other["faces"]):
            assert face["origin"] == same["origin"]
            assert np.abs(np.subtract(face["box"], same["box"])).max() < 3
    # The face is covered from memory on both sides of the seam, and it is the same one throughout.
    for index in HIDDEN:
        assert [face["origin"] for face in told["pieces"]["frames"][index]["faces"]] == ["remembered"]
    assert {face["track"] for frame in told["pieces"]["frames"] for face in frame["faces"]} == {1}


def test_a_report_is_applied_in_pieces(long_clip, tmp_path):
    report = tmp_path / "report.json"
    lossless = ["--codec", "ffv1", "--threads", "1"]
    first, second = tmp_path / "first.mkv", tmp_path / "second.mkv"
    assert main(["mask", str(long_clip), "-o", str(first), "--report", str(report), *lossless]) == 0
    assert main(["mask", str(long_clip), "-o", str(second), "--from-report", str(report), *lossless]) == 0
    for one, other in zip(frames_of(first), frames_of(second)):
        assert one[:2] == other[:2] and np.array_equal(one[2], other[2])


@pytest.mark.parametrize(
    "name, codec", [("a.mkv", "libvpx-vp9"), ("a.avi", "mpeg4"), ("a.mov", "libx265"), ("a.webm", "")]
)
def test_pieces_of_any_codec_are_joined(long_clip, tmp_path, name, codec):
    output = tmp_path / name
    arguments = ["--codec", codec] if codec else []
    assert main(["mask", str(long_clip), "-o", str(output), "--start", "8", "--threads", "1", *arguments]) == 0
    frames = frames_of(output)
    assert [float(time) for time, _, _ in frames] == pytest.approx(
        [index / RATE for index in range(26 * RATE)], abs=2e-3
    )


def test_where_a_seam_does_not_hold_the_video_is_done_as_one(tmp_path, astronaut, capsys):
    """In this file frames are said to be key frames that are not."""
    spec = VideoSpec(tmp_path / "a.mp4", *SIZE, RATE, codec="mpeg4", options={"g": "600", "sc_threshold": "1000000000"})
    with VideoFile(spec) as file:
        encoder = VideoEncoder(spec, file.context)
        for index in range(RATE * SECONDS):
            image = long_picture(astronaut, index)
            packets = encoder.encode(image, round(Fraction(index, RATE) / spec.tick))
            file.write(packet._replace(is_keyframe=index % 16 == 0) for packet in packets)
        file.write(encoder.flush())
    with Movie(spec.path) as movie:
        assert len(divided(movie, str(spec.path), 0, 0)) == 3
    plan, steps = Plan(Settings(threads=1), FileSettings()), []
    job = Job(str(spec.path), str(tmp_path / "out.mp4"))
    (outcome,) = mask_all(plan, [job], Alone(plan, lambda: None), lambda task, value: steps.append(task.step))
    assert outcome.error is None
    assert steps == ["begin", *["look"] * 4, "follow", "write", "join"]
    assert_masked(spec.path, tmp_path / "out.mp4")


def test_a_worker_that_dies_in_a_piece_costs_nothing(long_clip, tmp_path):
    plan = Plan(Settings(threads=1), FileSettings())
    job = Job(str(long_clip), str(tmp_path / "out.mp4"))
    killed = []

    def watch(task, value):
        if (task.step == "look" and not killed) or (task.step == "write" and len(killed) == 1):
            killed.append(task.step)
            for process in multiprocessing.active_children():
                os.kill(process.pid, signal.SIGKILL)

    (outcome,) = mask_all(plan, [job], Processes(plan, 2), watch)
    assert killed == ["look", "write"] and outcome.error is None
    assert_masked(long_clip, tmp_path / "out.mp4")
    assert os.listdir(str(tmp_path)) == ["out.mp4"]


def test_a_task_that_kills_every_worker_is_given_up(long_clip, tmp_path, monkeypatch):
    plan = Plan(Settings(threads=1), FileSettings())
    jobs = [Job(str(long_clip), str(tmp_path / ("%d.mp4" % number))) for number in range(2)]
    crew = Processes(plan, 1)
    start = crew.start

    def started(task):
        future = start(task)
        if task.job == jobs[0] and task.step == "look":
            for process in multiprocessing.active_children():
                os.kill(process.pid, signal.SIGKILL)
        return future

    monkeypatch.setattr(crew, "start", started)
    outcomes = {outcome.job: outcome for outcome in mask_all(plan, jobs, crew)}
    assert "died" in outcomes[jobs[0]].error and outcomes[jobs[1]].error is None
    assert os.listdir(str(tmp_path)) == ["1.mp4"]


@pytest.mark.parametrize("workers", (1, 2))
def test_work_that_was_broken_off_goes_on(long_clip, tmp_path, workers, monkeypatch, capsys):
    output = tmp_path / "out.mp4"
    folder = tmp_path / ".out.mp4.emomask"
    run = subprocess.Popen(command(long_clip, "-o", output, "--quiet", "--jobs", workers))
    until(lambda: any(folder.glob("packets-*[!t]")) or run.poll() is not None)  # not those that end in .part
    run.kill()
    assert run.wait() == -signal.SIGKILL and not output.exists()

    def detect(*arguments):
        raise AssertionError("what was looked at already is looked at again")

    with monkeypatch.context() as context:
        context.setattr(Perceiver, "detect", detect)
        assert main(["mask", str(long_clip), "-o", str(output), "--threads", "1", "--resume"]) == 0
    assert_masked(long_clip, output)
    assert os.listdir(str(tmp_path)) == ["out.mp4"]
    assert main(["mask", str(long_clip), "-o", str(output), "--threads", "1", "--resume"]) == 0
    assert "was there already" in capsys.readouterr().out


def test_work_with_other_settings_is_not_taken_up(long_clip, tmp_path):
    plan = Plan(Settings(threads=1), FileSettings(), resume=True)
    job = Job(str(long_clip), str(tmp_path / "out.mp4"))
    looked = []

    def broken_off(task, value):
        looked.append(task)
        if len(looked) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(mask_all(plan, [job], Alone(plan, lambda: None), broken_off))
    kept = sorted(path.name for path in (tmp_path / ".out.mp4.emomask").glob("looked-*"))
    assert len(kept) == 2
    before = {name: (tmp_path / ".out.mp4.emomask" / name).stat().st_mtime_ns for name in kept}
    for settings, is_kept in ((Settings(threads=2), True), (Settings(threads=1, detection_threshold=0.3), False)):
        looked.clear()
        other = plan._replace(settings=settings)
        with pytest.raises(KeyboardInterrupt):
            list(mask_all(other, [job], Alone(other, lambda: None), broken_off))
        after = {name: (tmp_path / ".out.mp4.emomask" / name).stat().st_mtime_ns for name in kept}
        assert (after == before) == is_kept


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_ends_at_once_and_leaves_no_workers(long_clip, tmp_path, number, status):
    output = tmp_path / "out.mp4"
    run = subprocess.Popen(
        command(long_clip, "-o", output, "--jobs", "2"), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    until(lambda: any((tmp_path / ".out.mp4.emomask").glob("looked-*")) or run.poll() is not None)
    os.killpg(run.pid, number) if number == signal.SIGINT else run.send_signal(number)
    message = run.communicate(timeout=20)[1]
    assert run.returncode == status and "Traceback" not in message and "interrupted" in message
    until(lambda: not processes_of(run.pid))
    assert [path.name for path in tmp_path.iterdir()] == [".out.mp4.emomask"]


def test_workers_end_with_the_process_that_started_them(long_clip, tmp_path):
    run = subprocess.Popen(command(long_clip, "-o", tmp_path / "out.mp4", "--jobs", "2"), start_new_session=True)
    until(lambda: len(processes_of(run.pid)) >= 3 and any((tmp_path / ".out.mp4.emomask").glob("looked-*")))
    run.kill()
    run.wait()
    until(lambda: not processes_of(run.pid))


def processes_of(session):
    """The living processes of a session."""
    listed = subprocess.run(["ps", "-o", "pid=,stat=", "-s", str(session)], stdout=subprocess.PIPE, text=True).stdout
    return [line.split()[0] for line in listed.splitlines() if not line.split()[1].startswith("Z")]
