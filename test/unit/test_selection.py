import numpy as np
import pytest

from emomask import Box, Masker, Settings
from emomask.errors import SettingsError
from emomask.masks.selection import Selection

LEFT, RIGHT = (Box(10, 10, 110, 130), 1), (Box(190, 10, 290, 130), 2)


def covered(**choice):
    selection = Selection(**choice)
    return [track for box, track in (LEFT, RIGHT) if selection.covers(box, track)]


def test_whom_to_mask():
    assert covered() == [1, 2]
    assert covered(only="track:2") == [2] and covered(excepted="track:2") == [1]
    assert covered(only="0,0,50,200") == [1]  # the face only reaches into it: it is covered
    assert covered(excepted="0,0,60,200") == [1, 2]  # and it is not wholly within: it is covered too
    assert covered(excepted="0,0,150,200") == [2]
    assert covered(only="track:1; 200,0,300,200") == [1, 2]
    assert covered(smallest_face=119) == [1, 2] and covered(smallest_face=121) == []


@pytest.mark.parametrize("text", ["track:", "track:x", "1,2,3", "1,2,3,4,5", "5,5,1,9", "1,2,nan,4", "face:1"])
@pytest.mark.parametrize("name", ["only", "excepted"])
def test_a_choice_that_is_none_is_refused(name, text):
    with pytest.raises(SettingsError, match="track:NUMBER"):
        Settings(**{name: text})


@pytest.mark.parametrize("lookahead", [0, 2])
@pytest.mark.parametrize(
    "choice, left, right",
    [
        ({"only": "0,0,500,500"}, True, False),
        ({"excepted": "0,0,512,512"}, False, True),
        ({"smallest_face": 400.0}, False, False),
        ({}, True, True),
    ],
)
def test_some_faces_of_a_stream(astronaut, choice, left, right, lookahead):
    both = np.hstack([astronaut, astronaut])
    masker = Masker(Settings(lookahead=lookahead, **choice))
    for masked in masker.stream((both, index / 30) for index in range(4)):
        changed = (masked.image != both).any(axis=2)
        assert (changed[:, :512].any(), changed[:, 512:].any()) == (left, right)
        assert len(masked.faces) == left + right  # nothing is told of a face that is spared
