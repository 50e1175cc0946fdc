"""Clips for the tests of the command ``emomask mask``, and what they look at."""

from fractions import Fraction

import numpy as np
from conftest import placed

from emomask.cli import main
from emomask.media.movie import Movie
from emomask.media.video import VideoSink

ONE_THREAD = ["--threads", "1"]


def mask(*arguments):
    """The exit status of ``emomask mask``."""
    return main(["mask", *map(str, arguments), *ONE_THREAD])


def moving(astronaut, count):
    """A face that moves to the right by 8 pixels a frame."""
    return [placed(astronaut, 360, 480, 8 * index, 0, 0.7) for index in range(count)]


def place_in(face, index):
    """Where the astronaut's face is in frame ``index`` of ``moving``."""
    left, top, right, bottom = (value * 0.7 for value in face)
    return left + 8 * index, top, right + 8 * index, bottom


def write_clip(path, frames, times=None, rate=Fraction(12), **options):
    with VideoSink(path, frames[0].shape[1], frames[0].shape[0], rate, **options) as sink:
        for index, frame in enumerate(frames):
            sink.write(frame, None if times is None else times[index])
    return path


def read_clip(path):
    with Movie(path) as movie:
        return list(movie.frames()), movie.time_base


def covered(before, after, face):
    left, top, right, bottom = (int(value) for value in face)
    different = np.abs(before.astype(int) - after.astype(int)).max(axis=2) > 12
    return different[top:bottom, left:right].mean()
