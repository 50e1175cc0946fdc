import os

import pytest

from emomask.errors import SettingsError
from emomask.media.suffixes import CONTAINERS, PICTURES, VIDEOS
from emomask.offline.inputs import Job, find_jobs


@pytest.fixture
def tree(tmp_path):
    """Pictures, videos and other things in folders."""
    root = tmp_path / "in"
    for name in ("a.jpg", "b.mov", "notes.txt", "sub/c.PNG", "sub/d.wmv", "sub/e.heic", ".hidden/f.jpg", "sub/.g.jpg"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def names(jobs, root, output):
    return sorted((os.path.relpath(job.source, str(root)), os.path.relpath(job.output, str(output))) for job in jobs)


def test_one_file_goes_to_the_file_that_is_named(tree, tmp_path):
    jobs, failed = find_jobs([str(tree / "a.jpg")], str(tmp_path / "out.png"))
    assert jobs == [Job(str(tree / "a.jpg"), str(tmp_path / "out.png"))] and not failed


@pytest.mark.parametrize("slash", ["", "/"])
def test_one_file_goes_into_a_folder(tree, tmp_path, slash):
    output = tmp_path / "out"
    if not slash:
        output.mkdir()
    (job,), _ = find_jobs([str(tree / "a.jpg")], str(output) + slash)
    assert job.output == str(output / "a.jpg")


def test_a_folder_is_searched_and_its_tree_kept(tree, tmp_path):
    jobs, failed = find_jobs([str(tree)], str(tmp_path / "out"))
    assert not failed
    assert names(jobs, tree, tmp_path / "out") == [
        ("a.jpg", "a.jpg"),
        ("b.mov", "b.mov"),
        ("sub/c.PNG", "sub/c.PNG"),
        ("sub/d.wmv", "sub/d.wmv.mp4"),
        ("sub/e.heic", "sub/e.heic.jpg"),
    ]


def test_every_picture_and_video_becomes_what_can_be_written(tmp_path):
    (tmp_path / "in").mkdir()
    for suffix in (*PICTURES, *VIDEOS):
        (tmp_path / "in" / ("a" + suffix)).write_bytes(b"x")
    jobs, failed = find_jobs([str(tmp_path / "in")], str(tmp_path / "out"))
    assert not failed and len(jobs) == len(PICTURES) + len(VIDEOS)
    for job in jobs:
        suffix, output = (os.path.splitext(path)[1] for path in (job.source, job.output))
        assert output in (PICTURES if suffix in PICTURES else CONTAINERS)


def test_results_within_the_folder_are_no_inputs(tree):
    output = tree / "masked"
    output.mkdir()
    (output / "a.jpg").write_bytes(b"x")
    jobs, _ = find_jobs([str(tree)], str(output))
    assert all("masked" not in job.source for job in jobs) and len(jobs) == 5


def test_links_to_folders_are_not_followed_and_broken_ones_are_kept(tree, tmp_path):
    (tree / "loop").symlink_to(tree)
    (tree / "lost.jpg").symlink_to(tree / "nothing.jpg")
    (tree / "self.jpg").symlink_to(tree / "self.jpg")
    jobs, _ = find_jobs([str(tree)], str(tmp_path / "out"))
    found = {os.path.basename(job.source) for job in jobs}
    assert {"lost.jpg", "self.jpg"} < found and len(jobs) == 7


def test_a_pattern(tree, tmp_path):
    jobs, failed = find_jobs([str(tree / "**" / "*.[pP][nN][gG]"), str(tree / "*.bmp")], str(tmp_path / "out"))
    assert names(jobs, tree, tmp_path / "out") == [("sub/c.PNG", "c.PNG")]
    assert failed == [(str(tree / "*.bmp"), "nothing matches this pattern")]


def test_a_file_whose_name_looks_like_a_pattern(tmp_path):
    path = tmp_path / "a[1].jpg"
    path.write_bytes(b"x")
    (job,), _ = find_jobs([str(path)], str(tmp_path / "out.jpg"))
    assert job.source == str(path)


def test_urls_and_standard_input(tmp_path):
    output = tmp_path / "out"
    jobs, _ = find_jobs(["http://host/a%20b.jpg?key=1", "http://host/"], str(output))
    assert [os.path.basename(job.output) for job in jobs] == ["a b.jpg", "input.mp4"]
    assert find_jobs(["-"], "-")[0] == [Job("-", "-")]
    jobs, failed = find_jobs(["-", "http://host/a.jpg"], str(output))
    assert len(jobs) == 1 and failed[0][0] == "-"


def test_results_that_would_meet_are_refused(tree, tmp_path):
    (tree / "sub" / "a.jpg").write_bytes(b"y")
    jobs, failed = find_jobs([str(tree / "a.jpg"), str(tree / "sub" / "a.jpg")], str(tmp_path / "out"))
    assert len(jobs) == 1 and "overwrite" in failed[0][1] and str(tree / "a.jpg") in failed[0][1]


def test_several_inputs_need_a_folder(tree, tmp_path):
    (tmp_path / "out.jpg").write_bytes(b"x")
    for output in (str(tmp_path / "out.jpg"), str(tmp_path / "new.mp4"), "-"):
        with pytest.raises(SettingsError):
            find_jobs([str(tree / "a.jpg"), str(tree / "b.mov")], output)


def test_a_folder_may_be_called_as_a_file(tree, tmp_path):
    jobs, _ = find_jobs([str(tree / "a.jpg"), str(tree / "b.mov")], str(tmp_path / "new.mp4") + "/")
    assert [job.output for job in jobs] == [str(tmp_path / "new.mp4" / name) for name in ("a.jpg", "b.mov")]


def test_an_empty_folder_is_named(tmp_path):
    (tmp_path / "in").mkdir()
    jobs, failed = find_jobs([str(tmp_path / "in")], str(tmp_path / "out"))
    assert not jobs and failed == [(str(tmp_path / "in"), "the folder holds no pictures or videos")]


def test_the_demo_clip_is_meant_also_beside_a_folder_called_so(tree, tmp_path, monkeypatch):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "masked.mp4").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    assert find_jobs(["demo"], "out.mp4") == ([Job("demo", "out.mp4")], [])
    (job,), _ = find_jobs(["./demo"], "out/")
    assert os.path.relpath(job.source) == os.path.join("demo", "masked.mp4")
