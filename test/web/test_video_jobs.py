"""Video jobs: masked whole, seen on their way, and nothing left of them."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np
import pytest
from clips import write_clip
from running_site import running_site

from emomask.media.demo_clip import DemoClip, true_faces
from emomask.web.jobs import RUNNING, Jobs
from emomask.web.private_folder import PrivateFolder
from emomask.web.video_worker import is_video

FIRST = 150


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """The bytes of an MP4 of 20 frames with three faces."""
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    drawn = DemoClip()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for index in range(20):
            for packet in stream.encode(av.VideoFrame.from_ndarray(drawn.frame(FIRST + index), "bgr24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path.read_bytes()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The folder in which the website makes its private one."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def own_site(place):
    with running_site() as running:
        yield running
    assert folders(place) == []


def posted(site, data, kind="video/mp4", **choices):
    return site.client.post("api/mask/video", content=data, headers={"Content-Type": kind}, params=choices)


def finished(site, job, seconds=90):
    """What the site tells of a job when it is over, and all progress it told on the way."""
    deadline = time.monotonic() + seconds
    seen = []
    while True:
        told = site.client.get("api/mask/video/" + job).json()
        seen.append(told["progress"])
        if told["state"] in ("done", "failed"):
            return told, seen
        assert time.monotonic() < deadline, told
        time.sleep(0.05)


def folders(place):
    """The private folders in ``place``; libraries leave files of their own there."""
    return sorted(place.glob("emomask-web-*"))


def files(place):
    """All files in the site's private folder but its lock."""
    return [path for path in place.rglob("*/*") if path.is_file() and path.name != "lock"]


def test_a_video_is_masked_and_removed_when_it_was_fetched(own_site, place, video, tmp_path_factory):
    answer = posted(own_site, video, style="solid")
    assert answer.status_code == 202 and answer.json()["state"] in ("waiting", "running")
    job = answer.json()["job"]
    (folder,) = folders(place)
    assert folder.stat().st_mode & 0o777 == 0o700
    told, seen = finished(own_site, job)
    assert told["state"] == "done", told
    assert told["counts"]["frames"] == 20 and told["counts"]["withheld"] == 0 and told["counts"]["faces"] >= 55
    assert seen == sorted(seen) and told["progress"] == 1
    assert [path.name for path in files(place)] == ["masked.mp4"]  # the upload is gone already
    result = own_site.client.get("api/mask/video/%s/result" % job)
    assert result.status_code == 200 and result.headers["content-type"] == "video/mp4"
    assert result.headers["cache-control"] == "no-store"
    time.sleep(0.2)
    assert files(place) == []
    assert own_site.client.get("api/mask/video/%s/result" % job).status_code == 404
    path = tmp_path_factory.mktemp("result") / "masked.mp4"
    path.write_bytes(result.content)
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert len(frames) == 20
    for index, frame in enumerate(frames):
        for box in true_faces(FIRST + index):
            x, y = (int(value) for value in box.center)
            assert np.abs(frame[y - 5 : y + 5, x - 5 : x + 5].astype(int) - 128).mean() < 8


def test_jobs_wait_in_line_and_can_be_given_up(own_site, place, video):
    jobs = [posted(own_site, video).json()["job"] for _ in range(2)]
    assert own_site.client.get("api/mask/video/" + jobs[1]).json()["ahead"] == 1
    assert posted(own_site, video).status_code == 429  # half of the four places
    for job in jobs:
        assert own_site.client.delete("api/mask/video/" + job).status_code == 204
        assert own_site.client.get("api/mask/video/" + job).status_code == 404
    deadline = time.monotonic() + 20
    while files(place) or own_site.client.get("api/health").json()["busy"]["videos"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_server_that_ends_gives_up_its_videos(place, video):
    with running_site() as site:
        for _ in range(2):
            posted(site, video)
        deadline = time.monotonic() + 30
        while not any(uses(pid, place) for pid in children(os.getpid())):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert folders(place) == []


def test_a_result_that_nobody_fetches_expires(place, video):
    with running_site(video_kept=1) as site:
        job = posted(site, video).json()["job"]
        assert finished(site, job)[0]["state"] == "done"
        time.sleep(3)
        assert files(place) == [] and site.client.get("api/mask/video/" + job).status_code == 404


def test_of_many_results_that_nobody_fetches_the_newest_wait(own_site, place, video, monkeypatch):
    monkeypatch.setattr("emomask.web.jobs._RESULTS", 1)
    jobs = []
    for _ in range(2):
        jobs.append(posted(own_site, video).json()["job"])
        assert finished(own_site, jobs[-1])[0]["state"] == "done"
    time.sleep(0.2)
    assert own_site.client.get("api/mask/video/" + jobs[0]).status_code == 404
    assert [path.parent.name for path in files(place)] == jobs[1:]


@pytest.mark.parametrize(
    "change, reason",
    [
        (lambda data: b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "no video of a kind"),
        (lambda data: b"ffconcat version 1.0\nfile /etc/passwd\n", "no video of a kind"),
        (lambda data: b"\xff\xd8\xff" + data, "no video of a kind"),
        # A container by its first bytes, for other readers a list of files or of addresses.
        (
            lambda data: b"\x1aE\xdf\xa3\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n" * 9,
            "not a video that can be read",
        ),
        (
            lambda data: b"G".ljust(188) + b"G\n#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
            "not a video that can be read",
        ),
        (lambda data: data[: len(data) // 2], "not a video that can be read"),
        (lambda data: data[:64] + b"\xff" * 2000, "not a video that can be read"),
    ],
)
def test_what_is_no_video_fails_in_words_and_leaves_nothing(own_site, place, video, change, reason):
    answer = posted(own_site, change(video))
    told, _ = finished(own_site, answer.json()["job"])
    assert told["state"] == "failed" and reason in told["error"]
    assert told["error"].startswith(("This is no video", "The video is"))
    assert str(place) not in told["error"] and "\n" not in told["error"]
    assert files(place) == []
    result = own_site.client.get("api/mask/video/%s/result" % told["job"])
    assert result.status_code == 409 and result.json()["error"] == told["error"]


def test_a_video_has_failed_when_nothing_of_it_is_left_and_not_before(own_site, monkeypatch):
    told_meanwhile, remove = [], Jobs._remove_files

    def remove_files(jobs, job):
        told_meanwhile.append(job.state)
        remove(jobs, job)

    monkeypatch.setattr(Jobs, "_remove_files", remove_files)
    finished(own_site, posted(own_site, b"no video").json()["job"])
    assert told_meanwhile == [RUNNING]


def test_limits(place, video):
    with running_site(video_mb=1, video_seconds=1) as site:
        answer = posted(site, bytes((1 << 20) + 1))
        assert answer.status_code == 413 and "1 MB" in answer.json()["error"] and files(place) == []
        assert posted(site, b"").status_code == 400
        assert posted(site, video, kind="text/plain").status_code == 415
        assert posted(site, video, style="none").status_code == 400
        assert finished(site, posted(site, video).json()["job"])[0]["state"] == "done"
    with running_site(video_mb=1, video_seconds=1) as site:
        longer = Path(str(place)) / "longer.mp4"
        write_clip(longer)
        told, _ = finished(site, posted(site, longer.read_bytes()).json()["job"])
        longer.unlink()
        assert told["state"] == "failed" and "at most 1 s" in told["error"]
    with running_site(video_mb=0) as site:
        assert posted(site, video).status_code == 404


def test_without_a_job_there_is_nothing(own_site):
    for name in ("x", "..", "%2e%2e%2fx", "masked.mp4"):
        assert own_site.client.get("api/mask/video/" + name).status_code in (404, 405)
        assert own_site.client.get("api/mask/video/%s/result" % name).status_code == 404


def test_a_worker_that_dies_is_one_clear_error(own_site, place, video):
    job = posted(own_site, video).json()["job"]
    deadline = time.monotonic() + 30
    while True:
        workers = [pid for pid in children(os.getpid()) if b"spawn_main" in command_of(pid) and uses(pid, place)]
        if workers:
            break
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(workers[0], signal.SIGKILL)
    told, _ = finished(own_site, job)
    assert told["state"] == "failed" and "damaged" in told["error"] and files(place) == []


def children(pid):
    return [int(number) for number in Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()] + [
        int(number)
        for task in Path("/proc/%d/task" % pid).iterdir()
        for number in (task / "children").read_text().split()
    ]


def command_of(pid):
    try:
        return Path("/proc/%d/cmdline" % pid).read_bytes()
    except OSError:
        return b""


def uses(pid, place):
    """Whether a process has a file of the folder ``place`` open."""
    try:
        return any(os.readlink(str(link)).startswith(str(place)) for link in Path("/proc/%d/fd" % pid).iterdir())
    except OSError:
        return False


def test_a_server_that_is_killed_leaves_nothing_for_long(tmp_path, video):
    """Its worker ends with it, and the next server removes its folder."""
    program = (
        "import sys; sys.path[:0] = %r\n"
        "from emomask import Settings\n"
        "from emomask.web.serve import Website\n"
        "from emomask.web.settings import WebSettings\n"
        "if __name__ == '__main__':\n"
        "    website = Website(WebSettings(port=0), Settings())\n"
        "    print(website.url, flush=True)\n"
        "    website.run()\n" % sys.path
    )
    script = tmp_path / "server.py"
    script.write_text(program)
    place = tmp_path / "temporary"
    place.mkdir()
    environment = {**os.environ, "TMPDIR": str(place)}
    server = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, env=environment)
    try:
        from running_site import Site

        site = Site(server.stdout.readline().decode().strip())
        deadline = time.monotonic() + 30
        while True:
            try:
                posted(site, video)
                break
            except Exception:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        while not any(uses(pid, place) for pid in children(server.pid)):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        workers = children(server.pid)
    finally:
        server.kill()
        server.wait()
    assert files(place)
    deadline = time.monotonic() + 10
    while any(command_of(pid) for pid in workers):
        assert time.monotonic() < deadline, "the workers outlive the server"
        time.sleep(0.1)
    following = PrivateFolder(place)
    assert folders(place) == [following.path]
    other = PrivateFolder(place)
    assert following.path.is_dir()  # that of a server that runs is left alone
    for folder in (following, other):
        folder.close()
    assert folders(place) == []


@pytest.mark.parametrize("start", [b"", b"#EXTM3U", b"<?xml", b"\x47" * 100, b"RIFF\0\0\0\0WAVE"])
def test_only_containers_are_taken(start):
    assert not is_video(start)
