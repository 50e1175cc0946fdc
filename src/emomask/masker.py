"""The chain: detection, landmarks, tracking, emotion, cover; and the rule that a failed frame shows nothing."""

import dataclasses
import logging
import math
from collections import deque
from typing import Dict, Iterable, Iterator, List, Optional, Tuple

import numpy as np

from emomask.errors import FrameError, described
from emomask.faces import Face, Masked
from emomask.masks.cover import Cover
from emomask.masks.styles import pixelated_frame
from emomask.perception.perceiver import Perceiver, check_frame
from emomask.perception.tracking import Tracker
from emomask.settings import Settings

_log = logging.getLogger(__name__)


class Masker:
    """Finds the faces of a frame and covers them.

    ``settings``: see ``Settings``. Loads every network at once, so that nothing can fail later for want of a file.
    Raises ModelError when one of them is missing or damaged. An instance keeps the tracks of one stream and is not
    meant for several threads at a time. ``perceiver``, ``cover``: ready ones for these settings, which several
    instances may share; the settings' own when they are None.

    Attributes
    ----------
    settings: as given.
    cover: what faces are covered with; another one takes effect with the next frame, and no track is forgotten.
    """

    def __init__(
        self,
        settings: Optional[Settings] = None,
        perceiver: Optional[Perceiver] = None,
        cover: Optional[Cover] = None,
    ):
        self.settings = settings or Settings()
        self.cover = cover or Cover(self.settings)
        self._perceiver = perceiver or Perceiver(self.settings)
        self._tracker = Tracker(self.settings)

    @property
    def models(self) -> Dict[str, str]:
        """The networks in use: what they do, and the first twelve digits of their file's SHA-256."""
        return self._perceiver.models

    def reset(self) -> None:
        """Forget all tracks: the next frame begins a new stream."""
        self._tracker = Tracker(self.settings)

    def warm_up(self, height: int, width: int) -> None:
        """Run every network once on an empty picture of this size, so that the first frame is as quick as the next."""
        self._covered(np.zeros((height, width, 3), np.uint8), self._perceiver.warm_up(height, width))

    def process(self, frame: np.ndarray, time: Optional[float] = None) -> Masked:
        """Mask one frame.

        ``frame``: uint8 ``(H, W, 3)`` BGR, not modified. ``time``: seconds on any clock that runs forward; when given,
        the frame belongs to a stream: faces keep their ``track_id``, missed ones stay covered for ``settings.hold``
        seconds and emotions are smoothed. Without it the frame is a picture of its own.

        Whatever goes wrong inside, the result never carries the original: its ``image`` is then None, or the whole
        frame pixelated (``settings.on_failure``), and ``error`` says why. Raises FrameError when ``frame`` or ``time``
        is not what is asked for here.
        """
        _check(frame, time)
        try:
            faces = self._perceiver.picture(frame) if time is None else self._followed(frame, time)
            return Masked(self._covered(frame, faces), faces, time)
        except Exception as error:  # the rule of the house: any failure at all withholds the frame
            return self._failed(frame, time, error)

    def stream(self, frames: Iterable[Tuple[np.ndarray, float]]) -> Iterator[Masked]:
        """Mask a stream: ``frames`` yields ``(frame, time)`` as for ``process``.

        Yields one result per frame, in order, ``settings.lookahead`` frames late: a face that is found for the first
        time is then also covered in the frames that still wait. A frame that fails, or is none, yields a result without
        an image, and the stream goes on.
        """
        waiting = deque()
        for frame, time in frames:
            waiting.append(self._perceived(frame, time, waiting))
            if len(waiting) > self.settings.lookahead:
                yield self._finished(*waiting.popleft())
        while waiting:
            yield self._finished(*waiting.popleft())

    def _perceived(self, frame, time, waiting):
        """The frame, its time, the faces to cover in it and the error that kept it from being understood."""
        try:
            _check(frame, time)
            known = {track.face.track_id for track in self._tracker.tracks}
            faces = self._followed(frame, time)
        except Exception as error:
            return frame, time, [], error
        for face in faces:
            if face.track_id not in known:
                for _, earlier, covered, _ in waiting:
                    covered.append(self._before(face, time - earlier))
        return frame, time, faces, None

    def _before(self, face: Face, elapsed: float) -> Face:
        """``face``, first found now, as it may have looked ``elapsed`` seconds ago: in place, grown with the doubt."""
        return dataclasses.replace(face, box=face.box.grown(min(1.0, 2.0 * elapsed)), held=True)

    def _finished(self, frame, time, faces: List[Face], error: Optional[Exception]) -> Masked:
        if error is not None:
            return self._failed(frame, time, error)
        try:
            return Masked(self._covered(frame, faces), faces, time)
        except Exception as failure:
            return self._failed(frame, time, failure)

    def _failed(self, frame, time, error: Exception) -> Masked:
        reason = described(error)
        _log.debug("A frame was withheld", exc_info=error)
        if self.settings.on_failure == "pixelate" and not isinstance(error, FrameError):
            return Masked(pixelated_frame(frame), [], time, reason)
        return Masked(None, [], time, reason)

    def _followed(self, frame: np.ndarray, time: float) -> List[Face]:
        perceiver, tracker = self._perceiver, self._tracker
        found = perceiver.detect(frame, tracker.threshold, is_picture=False)
        detections = [one for one in found if tracker.matters(one.score, one.box, time)]
        former = [tracker.landmarks_near(detection.box, time) for detection in detections]
        tracks = tracker.update(perceiver.faces(frame, detections, former), time, frame.shape[:2])
        due = [track for track in tracks if track.emotion_is_due(time)]
        tracker.feel(due, perceiver.emotions(frame, [track.face for track in due]), time)
        return [track.face for track in tracks]

    def _covered(self, frame: np.ndarray, faces: List[Face]) -> np.ndarray:
        """A copy of ``frame`` with all ``faces`` covered; sets their ``covered``."""
        image, covered = self.cover.paint(frame, [(self.cover.region(face), face.emotion) for face in faces])
        for face, box in zip(faces, covered):
            face.covered = box
        return image


def _check(frame, time) -> None:
    check_frame(frame)
    if time is not None and not math.isfinite(time):
        raise FrameError("The time of a frame must be a finite number of seconds, not %r." % (time,))
