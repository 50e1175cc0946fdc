"""The folder with the unfinished work on a video."""

import json

from emomask.offline.work_folder import state_of


def test_an_input_that_changes_is_noticed(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"one")
    before = state_of(str(path))
    assert state_of(str(path)) == before
    path.write_bytes(b"three")
    assert state_of(str(path)) != before


def test_passwords_make_a_difference_and_are_not_kept():
    states = [state_of("http://user:%s@host/clip.mp4?key=%s" % tuple(pair)) for pair in ("ab", "cb", "ad")]
    assert len({json.dumps(state) for state in states}) == 3
    assert all(state["source"] == "http://***@host/clip.mp4?key=***" for state in states)
