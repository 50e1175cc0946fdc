"""Keeps faces apart over time, remembers the ones that a frame missed, and steadies their emotion."""

import dataclasses
import math
from typing import List, Optional, Sequence, Tuple

import lap
import numpy as np

from emomask.faces import EMOTIONS, NEUTRAL, Box, Face, shown_emotion
from emomask.perception.detection import Detection
from emomask.perception.scene import Change
from emomask.settings import Settings

# A detection weaker than a new face needs still continues a face that is already followed (ByteTrack, Zhang et al.,
# ECCV 2022): the fraction of the threshold down to which it does. Only a face that once had a score of so many times
# the threshold is continued like this: a false alarm would live on by the many detections that are as weak.
CONTINUE = 0.4
SURE = 2.0
# A face seen in this many frames is held for the whole of ``hold``; before that for a share that grows frame by frame,
# so that a single false alarm does not linger.
SURE_AFTER = 4
LOST_GROWTH = 0.5  # a held region grows by this fraction of its size per second on each side
UNKNOWN_GROWTH = 1.0  # the same for a face that was seen once: nothing is known of its motion
PARTED_HOLD = 0.3  # seconds for which the faces of the scene before stay covered in the next one
VELOCITY_MEMORY = 0.15  # seconds over which the motion is averaged
COASTING = 0.3  # seconds after which a held face has lost most of its speed
SWITCH_LEAD = 0.15  # another emotion is shown when its smoothed probability leads by this much
UNSURE_SLACK = 0.05  # an emotion that is shown gives way to neutral when it is this much less probable than it must be
EMOTION_PERIOD = 0.09  # seconds between two looks at the emotion of a face: about ten a second, one for a slow stream
MAX_DISTANCE = 0.75  # centres further apart than this fraction of the face's size are different faces
UNLIKE = 10.0  # the most that two boxes can differ, in units of what still may be the same face
EDGE = 0.1  # a box that comes so near to the frame's edge, over its longer side, may be of a face that is cut off
NEAR = 0.25  # the mask of a face that is expected beyond the edge, by no more than this of its size, reaches the frame
SAME_PLACE = 0.3  # intersection over union from which a detection is where a face is expected


class Track:
    """One face over time; ``face`` is what is known of it at ``time`` (seconds)."""

    def __init__(self, track_id: int, face: Face, time: float):
        face.track_id = track_id
        self.face = face
        self.seen = time  # when a detector last found it
        self.time = time
        self.hits = 1
        self.best = face.score  # the highest score that it was found with
        self.velocity = np.zeros(2)  # pixels per second
        self.felt: Optional[float] = None  # when its emotion was last looked at
        self._last_center = np.array(face.box.center)
        self._whole = face.box.width, face.box.height  # when it was last found

    def predicted(self, time: float) -> Box:
        """Where the face's box is expected at ``time``."""
        return self.face.box.moved(*self._shift(time))

    def _shift(self, time: float) -> np.ndarray:
        elapsed = max(0.0, time - self.time)
        return self.velocity * COASTING * (1 - math.exp(-elapsed / COASTING))

    def move(self, shift: np.ndarray) -> None:
        """Take the face along with a picture that is shifted, without counting that as its motion."""
        self._last_center = self._last_center + shift
        self.face = _moved(self.face, shift)

    def found(self, face: Face, time: float, frame: Box) -> None:
        """Take over the detection ``face`` made at ``time``; ``frame``: the box of the picture."""
        face.box = _completed(face.box, self._whole, frame)
        self._whole = face.box.width, face.box.height
        center = np.array(face.box.center)
        elapsed = time - self.seen
        if elapsed > 0:
            weight = 1 - math.exp(-elapsed / VELOCITY_MEMORY)
            self.velocity += weight * ((center - self._last_center) / elapsed - self.velocity)
        self._last_center = center
        former = self.face
        face.track_id, face.emotion, face.probabilities = former.track_id, former.emotion, former.probabilities
        self.face, self.seen, self.time = face, time, time
        self.hits += 1
        self.best = max(self.best, face.score)

    def missed(self, time: float, is_look: bool = True) -> None:
        """Carry the face on to ``time`` from memory: moved with its speed, grown with the doubt.

        ``is_look``: whether it was looked for. If not, there is no doubt where a face is that was found right before,
        unless its motion is not known.
        """
        shift = self._shift(time)
        elapsed = max(0.0, time - self.time)
        self.velocity = self.velocity * math.exp(-elapsed / COASTING)
        growth = UNKNOWN_GROWTH if self.hits == 1 else LOST_GROWTH if is_look or self.face.held else 0.0
        moved = _moved(self.face, shift)
        self.face = dataclasses.replace(moved, box=moved.box.grown(growth * elapsed), held=True)
        self.time = time

    def patience(self, hold: float) -> float:
        """Seconds for which the face may be missing before it is given up."""
        return hold * min(1.0, self.hits / SURE_AFTER)

    def emotion_is_due(self, time: float) -> bool:
        """Whether the emotion of this face, seen at ``time``, is to be looked at again."""
        return not self.face.held and (self.felt is None or time - self.felt >= EMOTION_PERIOD)

    def feel(self, probabilities: np.ndarray, time: float, smoothing: float, unsure: float) -> None:
        """Mix new emotion probabilities into the smoothed ones and choose what is shown, with hysteresis."""
        face = self.face
        if self.felt is None or smoothing == 0:
            face.probabilities = probabilities
            face.emotion = shown_emotion(probabilities, unsure)
        else:
            weight = 1 - math.exp(-max(0.0, time - self.felt) / smoothing)
            face.probabilities = face.probabilities + weight * (probabilities - face.probabilities)
            best, shown = int(np.argmax(face.probabilities)), EMOTIONS.index(face.emotion)
            if face.probabilities[best] < unsure - UNSURE_SLACK:
                face.emotion = NEUTRAL
            elif face.probabilities[best] > max(unsure, face.probabilities[shown] + SWITCH_LEAD):
                face.emotion = EMOTIONS[best]
        self.felt = time


class Tracker:
    """Turns the faces found in each frame into the faces that must be covered in it."""

    def __init__(self, settings: Settings):
        self.adopt(settings)
        self.tracks: List[Track] = []
        self._parted: List[Track] = []
        self._next_id = 1

    def adopt(self, settings: Settings) -> None:
        """Go by other settings from the next frame on; no track is forgotten."""
        self._hold = settings.hold
        self._smoothing = settings.smoothing
        self._unsure = settings.unsure
        self._threshold = settings.detection_threshold

    def forget(self) -> None:
        """End all tracks at once."""
        self.tracks, self._parted = [], []

    def go_on(self, change: Change) -> None:
        """The next frame differs from the one before by ``change``.

        No face of another scene is one of those so far, which stay covered for a moment all the same: they would be
        there again if it were no scene but a frame that is damaged, or a flash.
        """
        if change.is_cut:
            self._parted += self.tracks
            self.tracks = []
        self.move(change.x, change.y)

    def move(self, x: float, y: float) -> None:
        """All of the picture has moved by so many pixels, and the faces with it."""
        if x or y:
            for track in self.tracks + self._parted:
                track.move(np.array([x, y]))

    @property
    def threshold(self) -> float:
        """The score from which the tracker wants to hear of a detection."""
        return self._threshold * CONTINUE

    def update(self, faces: List[Face], time: float, size: Tuple[int, int], is_look: bool = True) -> List[Track]:
        """All tracks after the frame of ``size`` (height, width) taken at ``time``; those not found have ``held`` set.

        ``faces``: everything with a score from ``threshold`` on; ``is_look``: whether any were sought. A track ends
        when its face has left the frame or was missing for longer than it is held. Those of the scene before (see
        ``part``) come last.
        """
        frame = Box(0, 0, size[1], size[0])
        matches, fresh = self._match(faces, time)
        for track, face in matches:
            if face is None:
                track.missed(time, is_look)
            else:
                track.found(face, time, frame)
        for track in self._parted:
            track.missed(time)
        self.tracks = [track for track in self.tracks if self._stays(track, time, frame, self._hold)]
        parted_hold = min(PARTED_HOLD, self._hold)
        self._parted = [track for track in self._parted if self._stays(track, time, frame, parted_hold)]
        for face in fresh:
            if face.score >= self._threshold:
                self.tracks.append(Track(self._next_id, face, time))
                self._next_id += 1
        return self.tracks + self._parted

    def _stays(self, track: Track, time: float, frame: Box, hold: float) -> bool:
        is_there = track.face.box.grown(NEAR).intersection(frame).area > 0
        return not track.face.held or (time - track.seen <= track.patience(hold) and is_there)

    def mattering(self, detections: Sequence[Detection], time: float) -> List[Detection]:
        """Those of ``detections`` that may become a track or continue one: no other needs landmarks.

        Of a face that is there strongly, a detector often sees several weak boxes besides. So a weak detection matters
        near a track only that no strong one continues; a strong one continues the track that it overlaps most.
        """
        expected = [track.predicted(time) for track in self.tracks]
        continued = set()
        for one in detections:
            if one.score >= self._threshold and expected:
                overlaps = [box.iou(one.box) for box in expected]
                best = int(np.argmax(overlaps))
                if overlaps[best] > SAME_PLACE:
                    continued.add(best)
        missing = [track for index, track in enumerate(self.tracks) if index not in continued]
        return [one for one in detections if self.matters(one.score, one.box, time, missing)]

    def matters(self, score: float, box: Box, time: float, missing: Optional[List[Track]] = None) -> bool:
        """Whether a detection may become a track or continue one of ``missing``, all when it is None."""
        return score >= self._threshold or any(
            self._may_continue(track, score) and track.predicted(time).intersection(box).area > 0
            for track in (self.tracks if missing is None else missing)
        )

    def _may_continue(self, track: Track, score: float) -> bool:
        return score >= self._threshold or track.best >= SURE * self._threshold

    def landmarks_near(self, box: Box, time: float) -> Optional[np.ndarray]:
        """The last landmarks of the face that is expected at ``box``; None when no face is."""
        overlaps = [(track.predicted(time).iou(box), track) for track in self.tracks]
        best, track = max(overlaps, key=lambda pair: pair[0], default=(0.0, None))
        return track.face.landmarks if best > SAME_PLACE else None

    def feel(self, tracks: List[Track], probabilities: np.ndarray, time: float) -> None:
        """Give ``tracks`` their newly classified emotions, ``(N, 7)``."""
        for track, values in zip(tracks, probabilities):
            track.feel(values, time, self._smoothing, self._unsure)

    def _match(self, faces: List[Face], time: float):
        if not self.tracks or not faces:
            return [(track, None) for track in self.tracks], list(faces)
        _, partners, _ = lap.lapjv(self._costs(faces, time), extend_cost=True, cost_limit=1.0)
        matches = [(track, faces[one] if one >= 0 else None) for track, one in zip(self.tracks, partners)]
        taken = set(partners)
        return matches, [face for index, face in enumerate(faces) if index not in taken]

    def _costs(self, faces: List[Face], time: float) -> np.ndarray:
        """``(tracks, faces)``: 0 when a face is surely the one of a track, 1 and more when it is not."""
        costs = _unlikeness([track.predicted(time) for track in self.tracks], [face.box for face in faces])
        scores, bests = np.array([face.score for face in faces]), np.array([track.best for track in self.tracks])
        allowed = (scores >= self._threshold) | (bests[:, None] >= SURE * self._threshold)
        return np.where(allowed, costs, UNLIKE)


def _completed(box: Box, whole: Tuple[float, float], frame: Box) -> Box:
    """``box`` of a face that was of the size ``whole``, which it keeps where the edge of ``frame`` may cut it off.

    What is found of a face that leaves the picture is smaller than what can still be seen of it.
    """
    slack = EDGE * max(box.width, box.height)
    left, right = _stretched(box.left, box.right, whole[0], frame.left + slack, frame.right - slack)
    top, bottom = _stretched(box.top, box.bottom, whole[1], frame.top + slack, frame.bottom - slack)
    is_cut = box.left < frame.left + slack or box.right > frame.right - slack
    is_cut = is_cut or box.top < frame.top + slack or box.bottom > frame.bottom - slack
    return Box(left, top, right, bottom) if is_cut else box


def _stretched(low: float, high: float, length: float, first: float, last: float) -> Tuple[float, float]:
    """From ``low`` to ``high``, made as long as ``length``: beyond ``first`` or ``last`` if one is passed."""
    missing = max(0.0, length - (high - low))
    if low < first and high <= last:
        return low - missing, high
    if high > last and low >= first:
        return low, high + missing
    return low - missing / 2, high + missing / 2


def _moved(face: Face, shift: np.ndarray) -> Face:
    landmarks = (face.landmarks + shift).astype(np.float32)
    return dataclasses.replace(face, box=face.box.moved(*shift), landmarks=landmarks)


def _unlikeness(first: List[Box], second: List[Box]) -> np.ndarray:
    """``(N, M)`` for N and M boxes: 0 for the same box, 1 and more for boxes that cannot be the same face."""
    (ones, areas), (others, other_areas) = ((np.array(boxes), _areas(boxes)) for boxes in (first, second))
    size = np.sqrt(np.minimum(areas[:, None], other_areas))
    shift = (ones[:, None, :2] + ones[:, None, 2:] - others[:, :2] - others[:, 2:]) / 2
    ratio = np.abs(np.log(areas[:, None] / other_areas)) / 2
    return np.minimum(UNLIKE, np.hypot(shift[..., 0], shift[..., 1]) / size / MAX_DISTANCE + 0.5 * ratio)


def _areas(boxes: List[Box]) -> np.ndarray:
    return np.array([max(1.0, box.area) for box in boxes])
