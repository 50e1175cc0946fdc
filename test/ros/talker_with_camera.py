#!/usr/bin/env python3
"""The talker node on a stand-in for OpenCV's camera, which is plugged in while FOLDER/plugged is there.

Usage: talker_with_camera.py FOLDER ... What is done to the camera is written to FOLDER/log, a line each: ``open``,
``set PROPERTY VALUE`` by OpenCV's numbers, ``release``. Everything else is the node itself.
"""

import sys
import time
from pathlib import Path

import cv2
import numpy as np

from emomask.nodes import run

RATE = 30.0
WIDTH, HEIGHT = 64, 48

folder = Path(next(argument for argument in sys.argv[1:] if ":=" not in argument))


def note(*words):
    with (folder / "log").open("a") as log:
        print(*words, file=log)


class Camera:
    """Pictures that get brighter, at RATE frames/s."""

    def __init__(self, target, *_):
        self._plugged = (folder / "plugged").exists()
        self._due = time.monotonic()
        self._number = 0
        self._values = {}
        if self._plugged:
            note("open")

    def isOpened(self):
        return self._plugged

    def set(self, name, value):
        note("set", name, value)
        self._values[name] = value
        return True

    def get(self, name):
        return {cv2.CAP_PROP_FPS: RATE}.get(name, self._values.get(name, 0.0))

    def grab(self):
        self._due = max(self._due + 1 / RATE, time.monotonic() - 1 / RATE)
        time.sleep(max(0.0, self._due - time.monotonic()))
        self._number += 1
        return (folder / "plugged").exists()

    def retrieve(self):
        return True, np.full((HEIGHT, WIDTH, 3), self._number % 200, np.uint8)

    def release(self):
        if self._plugged:
            note("release")


if __name__ == "__main__":
    cv2.VideoCapture = Camera
    run("talker")
