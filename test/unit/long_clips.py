"""A long video with a face, and whether it is masked throughout."""

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
from conftest import placed

from emomask.media.movie import Movie

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from clips import write_movie

RATE = 4
SECONDS = 34
SIZE = 240, 180
SCALE = 0.35
HIDDEN = range(47, 49)  # frames in which the face cannot be found: around a key frame at 12 s


def place_in(index):
    """Where the astronaut's picture is in frame ``index``: it wanders to the right and back."""
    return 60 - abs(index % 120 - 60)


def long_picture(astronaut, index):
    """Frame ``index``; no two frames are alike."""
    image = placed(astronaut, SIZE[1], SIZE[0], place_in(index), 0, SCALE)
    if index in HIDDEN:
        image[:] = 128
    image[-8:, : 2 * (index % 100) + 2] = 255 if index < 100 else 40
    return image


def write_long_clip(path, astronaut):
    """34 s with a key frame every 4 s and sound; the face is hidden around one of them."""
    samples = (0.1 * np.sin(np.arange(48000 * SECONDS) * 0.05)).astype(np.float32)
    return write_movie(
        path,
        range(RATE * SECONDS),
        Fraction(1, RATE),
        Fraction(RATE),
        size=SIZE,
        options={"g": str(4 * RATE), "sc_threshold": "0", "crf": "15"},
        sound="aac",
        samples=samples,
        picture=lambda index, width, height: long_picture(astronaut, index),
    )


def frames_of(path):
    with Movie(path) as movie:
        return [
            (frame.pts * movie.time_base, frame.duration * movie.time_base, frame.image) for frame in movie.frames()
        ]


def assert_masked(before, after):
    """All frames are there at their times, and wherever the face is it is covered."""
    first, second = frames_of(before), frames_of(after)
    assert [frame[:2] for frame in first] == [frame[:2] for frame in second]
    for index, (one, other) in enumerate(zip(first, second)):
        if index in HIDDEN:
            continue
        left = round(176 * SCALE) + place_in(index)
        part = slice(round(66 * SCALE), round(186 * SCALE)), slice(left, left + round(96 * SCALE))
        different = np.abs(one[2][part].astype(int) - other[2][part].astype(int)).max(axis=2) > 12
        assert different.mean() > 0.8, index
