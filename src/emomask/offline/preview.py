"""A window with the masked frames, for a person who watches the work."""

import math
import multiprocessing
import os
import queue
import signal
import sys
import time

import cv2
import numpy as np

from emomask.errors import SettingsError

TITLE = "emomask"
_PATIENCE = 30.0  # seconds for the window to open
_LOOK = 0.05  # seconds after which the window looks again whether it was closed or moved
_FAREWELL = 1.0  # seconds for which the last frame, perhaps the only one, is there


class Preview:
    """The window. Call it with a frame, uint8 ``(H, W, 3)`` BGR, to show it.

    A context manager, which closes it: at once after an exception, else when the last frame was there for a moment.

    It lives in a process of its own, because what draws it ends its process when the display goes away. When the
    person has closed it, or it is gone, frames are no longer shown. It never holds up the work: a frame that comes
    while another one waits to be drawn is left out.

    Raises SettingsError when there is no display, it cannot be reached, or OpenCV was built without windows.
    """

    def __init__(self):
        display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        if sys.platform.startswith("linux") and not display:
            raise SettingsError("--preview needs a display, and there is none here: leave it away.")
        context = multiprocessing.get_context("spawn")
        self._frames = context.Queue(1)
        answer, answering = context.Pipe(duplex=False)
        self._process = context.Process(target=_show, args=(self._frames, answering), daemon=True)
        self._process.start()
        answering.close()
        try:
            problem = answer.recv() if answer.poll(_PATIENCE) else "the display %s does not answer" % display
        except EOFError:
            problem = "the display %s cannot be reached" % display
        if problem:
            self._end()
            raise SettingsError("--preview cannot open a window: %s. Leave it away to mask without." % problem)

    def __call__(self, image: np.ndarray) -> None:
        if self._process.is_alive():
            try:
                self._frames.put_nowait(image)
            except queue.Full:
                pass

    def __enter__(self) -> "Preview":
        return self

    def __exit__(self, kind, *_):
        if kind is None and self._process.is_alive():
            try:
                self._frames.put(None, timeout=_FAREWELL)
                self._process.join(2 * _FAREWELL)
            except queue.Full:
                pass
        self._end()

    def _end(self) -> None:
        self._frames.cancel_join_thread()  # nobody may be left to take the last frame
        self._process.kill()
        self._process.join()


def _show(frames, answering) -> None:
    """The life of the window's process; ``answering`` is told why there is no window, or an empty text."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all processes; the first one ends this one
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # where a display is missing, Qt writes a page of text
    try:
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL)
        cv2.waitKey(1)
    except cv2.error:
        answering.send("this OpenCV has none, 'pip install opencv-python' brings one that has")
        return
    answering.send("")
    end = math.inf
    while multiprocessing.parent_process().is_alive() and time.monotonic() < end:
        try:
            image = frames.get(timeout=_LOOK)
            if image is None:
                end = time.monotonic() + _FAREWELL
            else:
                cv2.imshow(TITLE, image)
        except queue.Empty:
            pass
        cv2.waitKey(1)
        if cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1:
            return
