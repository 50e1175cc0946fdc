"""A window with the masked frames, for a person who watches the work."""

import os
import sys
from typing import Callable

import cv2
import numpy as np

from emomask.errors import SettingsError

TITLE = "emomask"


def open_preview() -> Callable[[np.ndarray], None]:
    """A function that shows a frame, uint8 ``(H, W, 3)`` BGR, in a window.

    Raises SettingsError when there is no display or OpenCV was built without windows.
    """
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise SettingsError("--preview needs a display, and there is none here: leave it away.")
    try:
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL)
    except cv2.error as error:
        raise SettingsError("--preview needs an OpenCV with windows: pip install opencv-python.") from error

    def show(image: np.ndarray) -> None:
        cv2.imshow(TITLE, image)
        cv2.waitKey(1)

    return show
