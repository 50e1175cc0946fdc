"""The chain: detection, landmarks, tracking, emotion, cover; and the rule that a failed frame shows nothing."""

import logging
import math
from collections import deque
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from emomask.errors import FrameError, described
from emomask.faces import Face, Masked
from emomask.masks.cover import Cover
from emomask.masks.styles import pixelated_frame
from emomask.perception.detection import Detection
from emomask.perception.doubt import Doubt
from emomask.perception.follow import Sight, backwards
from emomask.perception.gaze import CLOSE_EVERY, REST_PERIOD, Gaze, Look
from emomask.perception.perceiver import Perceiver, check_frame
from emomask.perception.scene import Change, SceneChanges
from emomask.perception.tracking import SURE_AFTER, Tracker
from emomask.settings import Settings

_log = logging.getLogger(__name__)


class Sought(NamedTuple):
    """A frame of a stream in which faces were sought: what ``Masker.seek`` makes, and ``Masker.stream`` takes.

    ``frame``, ``time``: as given. ``change``: how the frame goes on from the one before; ``look``: how closely faces
    were sought, None when they were not, as the frame hardly differs from that one; ``detections``: what was found;
    ``error``: what kept them from being sought, None as a rule.
    """

    frame: np.ndarray
    time: float
    change: Change = Change()
    look: Optional[Look] = None
    detections: Sequence[Detection] = ()
    error: Optional[Exception] = None


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
        self._selection = self.settings.selection()
        self.reset()

    @property
    def models(self) -> Dict[str, str]:
        """The networks in use: what they do, and the first twelve digits of their file's SHA-256."""
        return self._perceiver.models

    def reset(self) -> None:
        """Forget all tracks: the next frame begins a new stream."""
        self._tracker = Tracker(self.settings)
        self._scene = SceneChanges()
        self._gaze = Gaze()
        self._doubt = Doubt()

    def part(self) -> None:
        """End all tracks as a scene cut does: new ones begin, and the faces so far stay covered for a moment."""
        self._tracker.go_on(Change(is_cut=True))
        self._gaze = Gaze()
        self._doubt = Doubt()

    def adopt(self, settings: Settings, cover: Optional[Cover] = None) -> None:
        """Go by other settings from the next frame on; no track is forgotten.

        ``settings``: what ``self.settings.changed_live`` made. ``cover``: a ready one for them, because loading one may
        take longer than a frame; made here when it is None. Raises ModelError when its pictures cannot be used; nothing
        has changed then.

        Call it between two frames: by the thread that calls ``process``, or that takes from ``stream``. The frames that
        wait there are covered by the new settings, too.
        """
        self.cover = cover or Cover(settings)
        self._perceiver = self._perceiver.adopting(settings)
        self._tracker.adopt(settings)
        self.settings = settings

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
            found = self._perceiver.picture(frame) if time is None else self._followed(self._sought(frame, time)).faces
            faces = self._chosen(found)
            return Masked(self._covered(frame, faces), faces, time)
        except Exception as error:  # the rule of the house: any failure at all withholds the frame
            return self._failed(frame, time, error)

    def seek(self, frame: np.ndarray, time: float) -> Sought:
        """Seek faces in the next frame of a stream: the first part of the work on it, and about half of it.

        ``frame``, ``time``: as for ``process``. To be called for each frame in the order of time by one thread, which
        may be another than the one that takes from ``stream`` and is at a frame before. A failure is noted in the
        result, and not raised.
        """
        try:
            _check(frame, time)
            return self._sought(frame, time, may_rest=True)
        except Exception as error:
            return Sought(frame, time, error=error)

    def stream(self, frames: Iterable[Union[Sought, Tuple[np.ndarray, float], None]]) -> Iterator[Masked]:
        """Mask a stream: ``frames`` yields ``(frame, time)`` as for ``process``, or what ``seek`` made of them.

        Yields one result per frame, in order, ``settings.lookahead`` frames late: what the frames after it show is then
        known, and a face that is found for the first time, or again, is covered in the frames before that, too. None
        among the ``frames`` says that no other will come for a while: those that wait are finished without it. A frame
        that fails, or is no picture, yields a result without an image, and the stream goes on.
        """
        waiting = deque()
        for timed in frames:
            if timed is not None:
                waiting.append(self._glimpse(timed if isinstance(timed, Sought) else self.seek(*timed)))
            while len(waiting) > (self.settings.lookahead if timed is not None else 0):
                yield self._finished(waiting)
        while waiting:
            yield self._finished(waiting)

    def _glimpse(self, sought: Sought) -> "_Glimpse":
        try:
            return _Glimpse(sought.frame, self._followed(sought), None)
        except Exception as error:
            return _Glimpse(sought.frame, Sight(sought.time, [], is_look=False), error)

    def _may_rest(self, change: Change) -> bool:
        """Whether the next frame of a stream, which changes so, may go without a look.

        Not when faces are to be sought with more care than usual, nor when they would be forgotten meanwhile.
        """
        settings = self.settings
        is_wanted = {"calm": change.is_calm, "always": not change.is_jolt, "never": False}[settings.rests]
        is_remembered = settings.hold >= SURE_AFTER * REST_PERIOD
        is_usual = not (settings.detection_size or settings.thorough)
        return is_wanted and is_usual and is_remembered and settings.lookahead >= CLOSE_EVERY

    def _finished(self, waiting: "deque[_Glimpse]") -> Masked:
        """The result of the first of the frames that wait, which is taken from them."""
        frame, sight, error = waiting[0]
        try:
            if error is not None:
                return self._failed(frame, sight.time, error)
            if not any(glimpse.sight.is_look for glimpse in waiting):  # nothing came after it, or only failures
                sight = self._sight(self._looked_at(frame, sight.time, sight.change, Look.GLANCE))
            later = [glimpse.sight for glimpse in list(waiting)[1:] if glimpse.error is None]
            faces = self._chosen(self._hindsight(frame, [sight, *later]))
            return Masked(self._covered(frame, faces), faces, sight.time)
        except Exception as failure:
            return self._failed(frame, sight.time, failure)
        finally:
            waiting.popleft()

    def _hindsight(self, frame: np.ndarray, sights: List[Sight]) -> List[Face]:
        """The faces to cover in ``frame``, the first of ``sights``."""
        if len(sights) == 1:
            return sights[0].faces
        *_, first = backwards(self.settings, frame.shape[:2], reversed(sights))
        return first.faces

    def _failed(self, frame, time, error: Exception) -> Masked:
        reason = described(error)
        _log.debug("A frame was withheld", exc_info=error)
        if self.settings.on_failure == "pixelate" and not isinstance(error, FrameError):
            return Masked(pixelated_frame(frame), [], time, reason)
        return Masked(None, [], time, reason)

    def _sought(self, frame: np.ndarray, time: float, may_rest: bool = False) -> Sought:
        """See ``seek``; ``may_rest``: whether later frames will tell of this one. What the networks raise is in it."""
        change = self._scene.next(frame)
        look = self._gaze.next(time, change.is_cut, may_rest and self._may_rest(change))
        return self._looked_at(frame, time, change, look)

    def _looked_at(self, frame: np.ndarray, time: float, change: Change, look: Optional[Look]) -> Sought:
        try:
            found = self._perceiver.detect(frame, self._tracker.threshold, look) if look else ()
            return Sought(frame, time, change, look, found)
        except Exception as error:
            self._gaze = Gaze()  # what this look missed is for the next one, a close one
            return Sought(frame, time, change, error=error)

    def _followed(self, sought: Sought) -> Sight:
        """What becomes of the tracks in the next frame of the stream."""
        self._tracker.go_on(sought.change)
        return self._sight(sought)

    def _sight(self, sought: Sought) -> Sight:
        """All faces in the frame: those that were found, and those that are known from memory."""
        frame, time, change, look, found, error = sought
        if error is not None:
            raise error
        perceiver, tracker = self._perceiver, self._tracker
        if look:
            found = self._doubt.weighed(found, time, look, change)
        detections = tracker.mattering(found, time)
        former = [tracker.landmarks_near(detection.box, time) for detection in detections]
        faces = perceiver.faces(frame, detections, former)
        tracks = tracker.update(faces, time, frame.shape[:2], is_look=look is not None)
        due = [track for track in tracks if track.emotion_is_due(time)]
        tracker.feel(due, perceiver.emotions(frame, [track.face for track in due]), time)
        return Sight(time, [track.face for track in tracks], change=change, is_look=look is not None)

    def _chosen(self, faces: List[Face]) -> List[Face]:
        """Those of ``faces`` that the settings do not spare; nothing is told of the others."""
        return [face for face in faces if self._selection.covers(face.box, face.track_id)]

    def _covered(self, frame: np.ndarray, faces: List[Face]) -> np.ndarray:
        """A copy of ``frame`` with all ``faces`` covered; sets their ``covered``."""
        image, covered = self.cover.paint(frame, [(self.cover.region(face), face.emotion) for face in faces])
        for face, box in zip(faces, covered):
            face.covered = box
        return image


class _Glimpse(NamedTuple):
    """A frame that waits for the ones after it: what was found in it, or the error that made it fail."""

    frame: np.ndarray
    sight: Sight
    error: Optional[Exception]


def _check(frame, time) -> None:
    check_frame(frame)
    if time is not None and not math.isfinite(time):
        raise FrameError("The time of a frame must be a finite number of seconds, not %r." % (time,))
