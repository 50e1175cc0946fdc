import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest
from long_clips import assert_masked

from emomask.cli import main

ray = pytest.importorskip("ray", reason="needs Ray: pip install 'emomask[cluster]'")
RAY = str(Path(sys.executable).with_name("ray"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The address of a real cluster of one node with two processors."""
    if not os.path.exists(RAY):
        pytest.skip("needs the command ray beside %s" % sys.executable)
    temporary = tmp_path_factory.mktemp("r")
    source = str(Path(__file__).resolve().parents[2] / "src")
    environment = dict(os.environ, RAY_DISABLE_IMPORT_WARNING="1", RAY_USAGE_STATS_ENABLED="0")
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
    short = "/tmp/emomask-ray-%d" % os.getpid()  # a socket's path must be short
    command = [RAY, "start", "--head", "--num-cpus=2", "--include-dashboard=false", "--disable-usage-stats"]
    command += ["--node-ip-address=127.0.0.1", "--port=0", "--object-store-memory=100000000", "--temp-dir=" + short]
    command += ["--block"]
    log = (temporary / "ray.log").open("w+")
    head = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    address = Path(short) / "ray_current_cluster"
    try:
        end = time.monotonic() + 90
        while not (address.exists() and address.read_text().strip()):
            if head.poll() is not None or time.monotonic() > end:
                log.seek(0)
                pytest.fail("Ray did not start: " + log.read()[-1000:])
            time.sleep(0.2)
        time.sleep(3)
        yield address.read_text().strip()
    finally:
        os.killpg(head.pid, signal.SIGKILL)  # Ray takes half a minute to end by itself
        head.wait(30)
        shutil.rmtree(short, ignore_errors=True)


@pytest.fixture
def photos(tmp_path, astronaut):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(8):
        cv2.imwrite(str(folder / ("%d.png" % number)), astronaut[: 512 - number])
    return folder


def workers():
    """The processes of the workers that mask now."""
    found = subprocess.run(["pgrep", "-f", "^ray::_Worker"], stdout=subprocess.PIPE, text=True).stdout
    return [int(line) for line in found.split()]


def mask_and_kill(cluster, source, output, moments):
    """Mask ``source`` on the cluster; as soon as each of ``moments`` is true, a worker is killed."""
    program = "import sys; from emomask.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "mask", str(source), "-o", str(output), "--cluster", cluster]
    run = subprocess.Popen(command)
    end = time.monotonic() + 120
    try:
        for has_come in moments:
            while not has_come():
                assert run.poll() is None and time.monotonic() < end
                time.sleep(0.005)
            there = workers()
            assert there
            os.kill(there[0], signal.SIGKILL)
        assert run.wait(120) == 0
    finally:
        run.kill()


def test_a_cluster_gives_what_one_process_gives(cluster, photos, tmp_path, capsys):
    assert main(["mask", str(photos), "-o", str(tmp_path / "one"), "--threads", "1"]) == 0
    (photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    assert main(["mask", str(photos), "-o", str(tmp_path / "two"), "--cluster", cluster]) == 1
    message = capsys.readouterr().err
    assert "broken.png" in message and message.count("emomask: error") == 1
    for path in (tmp_path / "one").iterdir():
        assert (tmp_path / "two" / path.name).read_bytes() == path.read_bytes()


def test_a_worker_that_is_killed_costs_nothing(cluster, photos, tmp_path):
    output = tmp_path / "out"
    mask_and_kill(cluster, photos, output, [lambda: output.is_dir() and any(output.glob("*.png"))])
    assert sorted(path.name for path in output.iterdir()) == ["%d.png" % number for number in range(8)]
    for number in range(8):
        before, after = (cv2.imread(str(folder / ("%d.png" % number))) for folder in (photos, output))
        assert before.shape == after.shape and (before != after).any(axis=2)[70:180, 180:270].mean() > 0.9


def test_a_long_video_is_spread_and_a_worker_that_is_killed_costs_nothing(cluster, long_clip, tmp_path):
    """Each of two workers is killed once, in the middle of the work on one video."""
    output = tmp_path / "out.mp4"
    folder = tmp_path / ".out.mp4.emomask"
    mask_and_kill(
        cluster, long_clip, output, [lambda: any(folder.glob("looked-*")), lambda: any(folder.glob("packets-*"))]
    )
    assert_masked(long_clip, output)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_a_cluster_that_is_not_there_is_one_line(photos, tmp_path, capsys):
    assert main(["mask", str(photos), "-o", str(tmp_path / "out"), "--cluster", "127.0.0.1:1"]) == 2
    message = [line for line in capsys.readouterr().err.splitlines() if "emomask" in line]
    assert len(message) == 1 and "cannot be reached" in message[0]
