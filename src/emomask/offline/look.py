"""The first step with a video: run the networks on every frame and write down what they see."""

import json
from typing import Callable, Iterable, List

import numpy as np

from emomask.errors import described
from emomask.faces import EMOTIONS, Face
from emomask.media.movie import MovieFrame
from emomask.offline.ahead import working_ahead
from emomask.offline.face_rows import packed
from emomask.offline.pieces import Looked, Piece, mark_of
from emomask.offline.records import RecordWriter
from emomask.perception.detection import Detection
from emomask.perception.doubt import Doubt
from emomask.perception.follow import Sight
from emomask.perception.gaze import Gaze, Look
from emomask.perception.perceiver import Perceiver, check_frame
from emomask.perception.scene import Change, SceneChanges
from emomask.perception.tracking import Tracker

COLUMNS = ("ticks", "error", "faces", "change")
CHANGE = "change"  # kept beside the rows: how the frame after them goes on
UNFELT = np.full(len(EMOTIONS), np.nan, np.float32)  # probabilities of a face whose emotion was not looked at


def look(
    perceiver: Perceiver,
    frames: Iterable[MovieFrame],
    piece: Piece,
    log: RecordWriter,
    workers: int,
    progress: Callable[[], None],
) -> Looked:
    """Log a row of ``COLUMNS`` for each of ``frames``, which are those of ``piece`` and the one after it.

    The faces of a row are those of ``Looker.sight``. ``workers``: frames in which faces are sought at
    the same time; more than one needs the detector ``centerface``. ``progress`` is called after each frame.
    """
    looker = Looker(perceiver)
    count, first, beyond = 0, None, None
    gaze = Gaze()
    looks = ((frame, gaze.next(frame.time)) for frame in frames)
    with working_ahead(lambda pair: looker.detect(pair[0].image, pair[1]), looks, workers) as detected:
        for (frame, how), future in detected:
            if piece.end is not None and frame.pts >= piece.end:
                beyond = mark_of(frame)
                log.about[CHANGE] = looker.change(frame.image)
                break
            first = first or mark_of(frame)
            sight = looker.sight(frame.image, frame.time, how, future.result)
            log.add(count, frame.pts, sight.error, packed(sight.faces), json.dumps(sight.change))
            count += 1
            progress()
    return Looked(count, first, beyond)


class Looker:
    """What the networks see in one frame after the other; ``perceiver``: the networks."""

    def __init__(self, perceiver: Perceiver):
        self._perceiver = perceiver
        # Saves work on landmarks and emotions; which face is whose is decided later.
        self._tracker = Tracker(perceiver.settings)
        self._scene = SceneChanges()
        self._doubt = Doubt()

    def change(self, image: np.ndarray) -> Change:
        """How this frame goes on from the one before; to be asked once for each, in order (``sight`` does)."""
        return self._scene.next(image)

    def detect(self, image: np.ndarray, how: Look) -> List[Detection]:
        """The detections in a frame; may be called from several threads, for frames that come later."""
        check_frame(image)
        return self._perceiver.detect(image, self._tracker.threshold, how)

    def sight(
        self, image: np.ndarray, time: float, how: Look, detections: Callable[[], List[Detection]]
    ) -> Sight:
        """All faces in a frame, weak ones included: no tracks yet, and probabilities that are not smoothed.

        ``detections`` gives those of ``detect``, or raises what kept them from being made. A frame that fails has an
        ``error`` instead of faces.
        """
        perceiver, tracker = self._perceiver, self._tracker
        change = Change()
        try:
            change = self.change(image)
            tracker.go_on(change)
            found = self._doubt.weighed(detections(), time, how, change)
            former = [tracker.landmarks_near(detection.box, time) for detection in found]
            faces = perceiver.faces(image, found, former)
            tracks = tracker.update(faces, time, image.shape[:2])
            due = [track for track in tracks if track.emotion_is_due(time)]
            felt = perceiver.emotions(image, [track.face for track in due])
            tracker.feel(due, felt, time)
        except Exception as failure:  # whatever it is, this frame is withheld and the others are masked
            return Sight(time, [], described(failure), change)
        probabilities = {id(track.face): values for track, values in zip(due, felt)}
        return Sight(
            time,
            [
                Face(face.box, face.landmarks, face.score, probabilities=probabilities.get(id(face), UNFELT))
                for face in faces
            ],
            change=change,
        )
