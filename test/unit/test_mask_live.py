"""What has no length, masked by ``emomask mask``: the demo clip stands for cameras and streams."""

import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT
from mask_samples import ONE_THREAD, mask, read_clip


def test_a_span_is_written_with_its_times(tmp_path, capsys):
    output = tmp_path / "out.mkv"
    assert mask("demo", "-o", output, "--start", "0.5", "--end", "0.9", "--codec", "ffv1") == 0
    frames, tick = read_clip(output)
    assert [round(float(frame.pts * tick), 3) for frame in frames] == [round(index / 30, 3) for index in range(12)]
    assert "12 frames" in capsys.readouterr().out


@pytest.mark.parametrize("suffix", [".webm", ".avi"])
def test_other_containers(tmp_path, suffix):
    assert mask("demo", "-o", tmp_path / ("out" + suffix), "--end", "0.1") == 0
    assert len(read_clip(tmp_path / ("out" + suffix))[0]) == 3


def test_ctrl_c_ends_it_and_keeps_what_came(tmp_path):
    output = tmp_path / "out.mp4"
    command = [sys.executable, str(ROOT / "scripts" / "emomask"), "mask", "demo", "-o", str(output), *ONE_THREAD]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not list(tmp_path.iterdir()):  # the unfinished file
        assert process.poll() is None
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    printed, message = process.communicate(timeout=60)
    assert (process.returncode, message) == (0, b"") and b"out.mp4: " in printed
    assert 0 < len(read_clip(output)[0]) < 300
    assert list(tmp_path.iterdir()) == [output]


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (["--report", "a.json"], "reports are made of files"),
        (["--start", "60"], "gave no frame"),
    ],
)
def test_what_only_files_have_is_refused(tmp_path, capsys, arguments, reason):
    assert mask("demo", "-o", tmp_path / "out.mp4", *arguments) == 1
    message = capsys.readouterr().err
    assert reason in message and message.count("\n") == 1 and not list(tmp_path.iterdir())
