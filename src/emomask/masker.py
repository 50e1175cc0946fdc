"""The chain: detection, landmarks, tracking, emotion, cover; and the rule that a failed frame shows nothing."""

import dataclasses
import logging
import math
from collections import deque
from typing import Dict, Iterable, Iterator, List, Optional, Tuple

import numpy as np

from emomask.errors import FrameError, described
from emomask.faces import EMOTIONS, Box, Face, Masked
from emomask.masks.cover import Cover
from emomask.masks.region import face_box
from emomask.masks.styles import pixelated_frame
from emomask.perception.detection import Detection, create_detector
from emomask.perception.emotion import EmotionClassifier
from emomask.perception.landmarks import create_landmarker
from emomask.perception.tracking import Track, Tracker
from emomask.settings import Settings

_log = logging.getLogger(__name__)

SMALLEST_FRAME = 16  # pixels on a side; nothing smaller holds a face that a person could recognise
# At what size faces are sought when ``detection_size`` is 0. A picture has time: all of it, up to this longest side. A
# stream must keep up: at about so many pixels, or at half of the frame, but no more than this longest side.
PICTURE_SIZE = 1280
STREAM_PIXELS = 95000
STREAM_SIZE = 640
LARGEST_FRAME = 32767  # pixels on a side; OpenCV's warps and drawing end there


class Masker:
    """Finds the faces of a frame and covers them.

    ``settings``: see ``Settings``. Loads every network at once, so that nothing can fail later for want of a file.
    Raises ModelError when one of them is missing or damaged. An instance keeps the tracks of one stream and is not
    meant for several threads at a time.
    """

    def __init__(self, settings: Optional[Settings] = None):
        self.settings = settings or Settings()
        self._detector = create_detector(self.settings)
        self._landmarker = create_landmarker(self.settings, self._detector)
        self._classifier = EmotionClassifier(self.settings)
        self._cover = Cover(self.settings)
        self._tracker = Tracker(self.settings)

    @property
    def models(self) -> Dict[str, str]:
        """The networks in use: what they do, and the first twelve digits of their file's SHA-256."""
        return {
            "detector %s" % self.settings.detector: self._detector.checksum,
            "landmarks %s" % self.settings.landmarks: self._landmarker.checksum,
            "emotion": self._classifier.checksum,
        }

    def reset(self) -> None:
        """Forget all tracks: the next frame begins a new stream."""
        self._tracker = Tracker(self.settings)

    def warm_up(self, height: int, width: int) -> None:
        """Run every network once on an empty picture of this size, so that the first frame is as quick as the next."""
        blank = np.zeros((height, width, 3), np.uint8)
        self._detect(blank, self.settings.detection_threshold, is_picture=False)
        faces = self._faces(blank, [Detection(Box(0, 0, width, height), 1.0)])
        self._classifier.classify(blank, [face.landmarks for face in faces])
        self._covered(blank, faces)

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
            faces = self._picture(frame) if time is None else self._followed(frame, time)
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

    def _detect(self, frame: np.ndarray, threshold: float, is_picture: bool):
        return self._detector.detect(frame, threshold, self.settings.detection_size or _size(frame, is_picture))

    def _faces(self, frame: np.ndarray, detections, former=()) -> List[Face]:
        landmarks = self._landmarker.locate(frame, detections, former)
        return [
            Face(face_box(points).union(detection.box), points, detection.score)
            for detection, points in zip(detections, landmarks)
        ]

    def _picture(self, frame: np.ndarray) -> List[Face]:
        faces = self._faces(frame, self._detect(frame, self.settings.detection_threshold, is_picture=True))
        for face, values in zip(faces, self._classifier.classify(frame, [face.landmarks for face in faces])):
            face.probabilities = values
            face.emotion = EMOTIONS[int(np.argmax(values))]
        for index, face in enumerate(faces):
            face.track_id = index + 1
        return faces

    def _followed(self, frame: np.ndarray, time: float) -> List[Face]:
        _, tracks = self._next_of_stream(frame, time)
        return [track.face for track in tracks]

    def perceive(self, frame: np.ndarray, time: Optional[float] = None) -> List[Face]:
        """The faces of a frame, for those who cover them later; ``frame`` and ``time`` as for ``process``.

        In a stream: every face that was found, with ``track_id`` 0 while it is too weak to be covered, and every face
        that is held from memory. Raises whatever goes wrong: the frame must then not be shown.
        """
        _check(frame, time)
        if time is None:
            return self._picture(frame)
        found, tracks = self._next_of_stream(frame, time)
        return found + [track.face for track in tracks if track.face.held]

    def _next_of_stream(self, frame: np.ndarray, time: float) -> Tuple[List[Face], List[Track]]:
        detections = self._detect(frame, self._tracker.threshold, is_picture=False)
        former = [self._tracker.landmarks_near(detection.box, time) for detection in detections]
        found = self._faces(frame, detections, former)
        tracks = self._tracker.update(found, time, frame.shape[:2])
        due = [track for track in tracks if track.emotion_is_due(time)]
        probabilities = self._classifier.classify(frame, [track.face.landmarks for track in due])
        self._tracker.feel(due, probabilities, time)
        return found, tracks

    def _covered(self, frame: np.ndarray, faces: List[Face]) -> np.ndarray:
        """A copy of ``frame`` with all ``faces`` covered; sets their ``covered``."""
        image, covered = self._cover.paint(frame, [(self._cover.region(face), face.emotion) for face in faces])
        for face, box in zip(faces, covered):
            face.covered = box
        return image


def _size(frame: np.ndarray, is_picture: bool) -> int:
    """The longest side at which faces are sought in ``frame`` when the settings leave it open."""
    shortest, longest = sorted(frame.shape[:2])
    if is_picture:
        return min(longest, PICTURE_SIZE)
    return min(longest, STREAM_SIZE, max(longest // 2, int(math.sqrt(STREAM_PIXELS * longest / shortest))))


def _check(frame, time) -> None:
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        given = "%s %s" % (frame.dtype, frame.shape) if isinstance(frame, np.ndarray) else type(frame).__name__
        raise FrameError("A frame must be a uint8 array of height x width x 3 (BGR), not %s." % given)
    height, width = frame.shape[:2]
    if not (SMALLEST_FRAME <= height <= LARGEST_FRAME and SMALLEST_FRAME <= width <= LARGEST_FRAME):
        raise FrameError(
            "A frame of %d x %d pixels cannot be masked: each side must have %d to %d."
            % (width, height, SMALLEST_FRAME, LARGEST_FRAME)
        )
    if time is not None and not math.isfinite(time):
        raise FrameError("The time of a frame must be a finite number of seconds, not %r." % (time,))
