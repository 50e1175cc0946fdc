"""How closely faces are sought: a picture has time, a stream gets a close look now and then and glances in between."""

import enum
import math
from typing import Optional

# A frame that waits for the three after it (``Settings.lookahead``) sees one close look among the four of them, so that
# what only a close look finds is covered from the first frame on, too. A slow stream gets one as often as this.
CLOSE_EVERY = 3  # frames
CLOSE_PERIOD = 0.15  # seconds
# Every second frame may go without a look (``Settings.rests``), if the one before had one so shortly before. What is
# there follows from the looks before and after it, so that the close look may come a frame later.
REST_PERIOD = 0.07  # seconds
# Pixels to which a frame is shrunk for it. A close look sees all of a VGA frame; a glance the half of its width, where
# large faces, which fast motion takes far, are found as surely.
CLOSE_PIXELS = 640 * 480
GLANCE_PIXELS = 320 * 240
PICTURE_SIZE = 1280  # pixels on the longest side to which a picture is shrunk


class Look(enum.Enum):
    """How closely a frame is looked at."""

    PICTURE = "picture"
    CLOSE = "close"
    GLANCE = "glance"

    def size(self, height: int, width: int) -> int:
        """The longest side in pixels of a frame of ``height`` x ``width`` when faces are sought in it."""
        shortest, longest = sorted((height, width))
        if self is Look.PICTURE:
            return min(longest, PICTURE_SIZE)
        pixels = CLOSE_PIXELS if self is Look.CLOSE else GLANCE_PIXELS
        return min(longest, int(math.sqrt(pixels * longest / shortest)))


LOOKS = tuple(look.value for look in Look)


class Gaze:
    """How closely each frame of one stream is looked at."""

    def __init__(self):
        self._frames = 0  # since the last close look
        self._closely = self._looked = -math.inf  # seconds, of the last close look and of the last look
        self._rested = False  # whether the last frame was not looked at

    def next(self, time: float, is_cut: bool = False, may_rest: bool = False) -> Optional[Look]:
        """The look at the next frame, taken at ``time`` (seconds); None: it need not be looked at.

        ``is_cut``: another scene begins with it. ``may_rest``: it may go without a look, for ``CLOSE_EVERY`` frames
        after it will be known before it is shown.
        """
        self._frames += 1
        is_late = is_cut or not 0 <= time - self._closely < CLOSE_PERIOD
        is_soon = 0 <= time - self._looked < REST_PERIOD
        self._rested = may_rest and is_soon and not is_late and not self._rested
        if self._rested:
            return None
        self._looked = time
        if not is_late and self._frames < CLOSE_EVERY:
            return Look.GLANCE
        self._frames, self._closely = 0, time
        return Look.CLOSE
