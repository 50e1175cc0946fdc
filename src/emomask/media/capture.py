"""Capture in the background: the newest frame of a source, at its true pace, opened again when it is lost."""

import logging
import os
import threading
import time
from typing import Optional

from emomask.errors import SourceError
from emomask.mailbox import Mailbox
from emomask.media.address import CAMERA, STREAM, parse_address
from emomask.media.cameras import lasting_path
from emomask.media.sources import Captured, Source, SourceSettings, open_source

_log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
# While a source stays away, the log says so this often, in seconds.
_REMINDER = 30.0


class CaptureThread:
    """Reads a source in a thread of its own and keeps its newest frame.

    A file, a folder and the demo clip are paced by their time stamps (``realtime``) against one schedule, so that
    nothing drifts; a late frame is not waited for, but none is left out. With ``loop`` they start again at their end.
    With ``reconnect`` a camera or a stream that is lost or not there yet, and a looped file that has gone, is opened
    again with pauses of 0.5 s to 10 s, and gets its settings anew. A file that cannot be opened at first, or is found
    damaged, ends the capture with an error. A camera that has a path below /dev/v4l/by-id is opened again by that, for
    it may come back with another number. While it is paused the device is released; ``resume`` opens it anew, so that
    a file begins again.

    Attributes
    ----------
    last_error: one line about what is wrong now; None while frames come and after a clean end.
    grabbed: how many frames the source gave.
    reconnects: how many times the source was opened again after it had been lost.

    Raises SourceError when the source's text cannot be a source. Use it as a context manager, or call ``stop``.
    """

    def __init__(self, settings: SourceSettings):
        address = parse_address(settings.source)
        self.description = address.shown
        self.last_error: Optional[str] = None
        self.grabbed = 0
        self.reconnects = 0
        self._settings = settings
        self._kind = address.kind
        self._target = address.target
        self._lasting = ""
        live = address.kind in (CAMERA, STREAM)
        self._comes_back = settings.reconnect and live
        self._newest = Mailbox(1 if live else settings.buffer_size)
        # Guards the four states below; told of each change of them.
        self._changed = threading.Condition()
        self._stopping = False
        self._paused = False
        self._was_paused = False
        self._released = True
        # Set while no frame is to be read: stopped or paused. Ends every wait.
        self._halted = threading.Event()
        self._is_open = False
        self._is_lost = False
        self._ended = threading.Event()
        self._due: Optional[float] = None
        self._announce = True
        self._pause = FIRST_PAUSE
        self._reminded = -_REMINDER
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    @property
    def dropped(self) -> int:
        """How many frames were replaced by a newer one before they were taken."""
        return self._newest.dropped

    @property
    def is_open(self) -> bool:
        """Whether the source is open and has given a frame."""
        return self._is_open

    @property
    def paused(self) -> bool:
        """Whether it is told to release the source."""
        return self._paused

    @property
    def ended(self) -> bool:
        """True once no further frame will be captured; the last one may still wait to be taken."""
        return self._ended.is_set()

    def start(self) -> "CaptureThread":
        """Begin to capture."""
        self._thread.start()
        return self

    def newest(self, timeout: float) -> Optional[Captured]:
        """The newest frame that was not taken yet; None when there is none within ``timeout`` seconds."""
        return self._newest.take(timeout)

    def pause(self, timeout: float = 0.0) -> bool:
        """Release the device and discard the frame that waits; no other is given until ``resume``.

        Whether the device is released after ``timeout`` seconds at most: a read that is under way must come to its end.
        """
        with self._changed:
            if not self._paused:
                self._paused = self._was_paused = True
                self._halted.set()
                self._newest.clear()
                if not self._ended.is_set():
                    self.last_error = None
            return self._changed.wait_for(lambda: self._released, timeout)

    def resume(self) -> None:
        """Open the source again after ``pause``."""
        with self._changed:
            if not self._paused or self._stopping:
                return
            self._paused = False
            self._halted.clear()
            self.last_error = None
            self._changed.notify_all()

    def stop(self) -> None:
        """End the capture and release the device. Waits for a read that is under way, at most for the time-out."""
        with self._changed:
            self._stopping = True
            self._halted.set()
            self._changed.notify_all()
        self._newest.close()
        if self._thread.is_alive():
            self._thread.join(self._settings.timeout + 1)

    def __enter__(self):
        return self.start()

    def __exit__(self, *exception):
        self.stop()

    def _run(self) -> None:
        try:
            while self._may_open() and self._capture_once():
                pass
        except Exception as error:
            # Nobody sees a thread die: the error must reach whoever waits for frames.
            self.last_error = "The capture of %s failed: %s: %s" % (self.description, type(error).__name__, error)
            _log.exception("The capture of %s failed.", self.description)
        finally:
            self._ended.set()
            with self._changed:
                self._released = True
                self._changed.notify_all()

    def _may_open(self) -> bool:
        """Wait while paused, the source released; False once stopped."""
        with self._changed:
            if self._paused:
                self._released = True
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._stopping or not self._paused)
            if self._was_paused:
                self._due = None
                self._announce = True
                self._is_lost = self._was_paused = False
                self._pause = FIRST_PAUSE
            self._released = False
            return not self._stopping

    def _capture_once(self) -> bool:
        """Open the source and play it until it ends, is lost or paused; True when it may have to be opened again."""
        try:
            source = open_source(self._settings.replace(source=self._found()))
        except SourceError as error:
            return self._lost(str(error), self._comes_back)
        # A file that could be opened once may come back when it has gone between two rounds.
        self._comes_back = self._settings.reconnect
        if self._kind == CAMERA:
            self._lasting = lasting_path(self._target) or self._lasting
        self.reconnects += self._is_lost
        self._is_lost = False
        try:
            with source:
                self._is_open = True
                at_end = self._play(source)
        except SourceError as error:
            # A recording on a web server has no end to wait for unless it is looped.
            cut = source.live or (self._kind == STREAM and self._settings.loop)
            return self._lost(str(error), cut and self._settings.reconnect)
        finally:
            self._is_open = False
        return self._settings.loop or not at_end

    def _found(self) -> str:
        """What to open: the source as it was named, or the lasting path of the camera that was opened under that name.

        Only a path that is there is taken: a camera without one, or another in its place, goes by the name.
        """
        if self._lasting and os.path.exists(self._lasting):
            return self._lasting
        return self._settings.source

    def _play(self, source: Source) -> bool:
        """Pass on the frames of an open source until its end, or until it is halted; True at its end.

        Raises SourceError when it is lost or damaged.
        """
        before = None
        while not self._halted.is_set():
            captured = source.read()
            if captured is None:
                return True
            self.grabbed += 1
            if self._announce:
                high, wide = captured.image.shape[:2]
                rate = " at %.4g frames/s" % source.rate if source.rate else ""
                _log.info("Capturing from %s: %dx%d%s.", source.description, wide, high, rate)
                self._announce = False
                self.last_error = None
            if self._settings.realtime and not source.live:
                step = 1 / source.rate if before is None else captured.position - before
                captured = self._when_due(captured, step)
            before = captured.position
            with self._changed:  # a read may come to its end after the pause has begun
                if not self._paused:
                    self._newest.put(captured)
            self._pause = FIRST_PAUSE
        return False

    def _when_due(self, captured: Captured, step: float) -> Captured:
        """``captured`` at its time, ``step`` seconds after the frame before it."""
        now = time.monotonic()
        self._due = now if self._due is None else self._due + step
        if self._due > now:
            self._halted.wait(self._due - now)
        return captured._replace(grabbed=time.monotonic())

    def _lost(self, error: str, comes_back: bool) -> bool:
        """Note what is wrong and, if the source may come back, pause, longer each time; returns ``comes_back``."""
        if self._paused:
            return True
        new, self.last_error = self.last_error is None, error
        self._announce = True
        self._is_lost = True
        if comes_back:
            now = time.monotonic()
            if new or now - self._reminded >= _REMINDER:
                _log.warning("%s It is tried again every %g to %g s.", error, FIRST_PAUSE, LONGEST_PAUSE)
                self._reminded = now
            self._due = None
            self._halted.wait(self._pause)
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
        return comes_back
