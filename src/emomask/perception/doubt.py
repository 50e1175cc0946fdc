"""Doubt in what one look at a stream shows and others right before do not: such a detection is rather a false alarm."""

from dataclasses import replace
from typing import List, NamedTuple, Sequence

from emomask.faces import Box
from emomask.perception.detection import Detection
from emomask.perception.gaze import Look
from emomask.perception.scene import Change
from emomask.perception.tracking import SAME_PLACE

# What the score of a detection is multiplied with for each of the earlier looks that shows nothing at its place. A new
# face loses as much in its first frame, which the lookahead makes good (models/README.md has figures of other values).
BELIEVED = 0.85
MEMORY = 0.2  # seconds; what was seen longer ago has moved on


class Doubt:
    """Weighs what a look at a stream shows by the look before, and what a glance shows by the last close one, too."""

    def __init__(self):
        self._witnesses: List[_Seen] = []  # the last close look, if it was not the last one, and the last one

    def weighed(self, detections: Sequence[Detection], time: float, look: Look, change: Change) -> List[Detection]:
        """``detections`` of the frame taken at ``time`` (seconds), with a lower score where nothing was found before.

        ``look``: how closely they were sought. ``change``: how the frame goes on from the one before; frames without a
        look are left out, for they are calm. Detections that are too weak for a face count as something that was
        found, too. The first frame of a scene is believed.
        """
        witnesses = [] if change.is_cut else [seen.after(change) for seen in self._witnesses if seen.is_recent(time)]
        seen = _Seen([one.box for one in detections], time, look)
        closely = [one for one in witnesses if one.look is Look.CLOSE]
        self._witnesses = [seen] if look is Look.CLOSE else closely + [seen]
        if look is Look.CLOSE:  # between two of these a small face moves on by more than its size
            witnesses = witnesses[-1:]
        return [
            replace(one, score=one.score * BELIEVED ** sum(not witness.shows(one.box) for witness in witnesses))
            for one in detections
        ]


class _Seen(NamedTuple):
    """Where something was found in a frame."""

    boxes: List[Box]
    time: float
    look: Look

    def is_recent(self, time: float) -> bool:
        return 0 <= time - self.time <= MEMORY

    def after(self, change: Change) -> "_Seen":
        return self._replace(boxes=[box.moved(change.x, change.y) for box in self.boxes])

    def shows(self, box: Box) -> bool:
        return any(box.iou(other) > SAME_PLACE for other in self.boxes)
