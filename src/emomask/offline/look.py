"""The first step with a video: run the networks on every frame and write down what they see."""

from typing import Callable, Iterable

import numpy as np

from emomask.errors import described
from emomask.faces import EMOTIONS, Face
from emomask.media.movie import MovieFrame
from emomask.offline.ahead import working_ahead
from emomask.offline.face_rows import packed
from emomask.offline.pieces import Looked, Piece, mark_of
from emomask.offline.records import RecordWriter
from emomask.perception.perceiver import Perceiver, check_frame
from emomask.perception.tracking import Tracker

COLUMNS = ("ticks", "error", "faces")
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

    The faces of a row are all that were found in it, weak ones included; they have no tracks yet, and probabilities
    that are not smoothed. A frame that fails has an ``error`` instead. ``workers``: frames in which faces are sought at
    the same time; more than one needs the detector ``centerface``. ``progress`` is called after each frame.
    """
    tracker = Tracker(perceiver.settings)  # saves work on landmarks and emotions; which face is whose is decided later
    count, first, beyond = 0, None, None

    def detect(frame: MovieFrame):
        check_frame(frame.image)
        return perceiver.detect(frame.image, tracker.threshold, is_picture=False)

    with working_ahead(detect, frames, workers) as detected:
        for frame, future in detected:
            if piece.end is not None and frame.pts >= piece.end:
                beyond = mark_of(frame)
                break
            first = first or mark_of(frame)
            seen, error = [], None
            try:
                detections = future.result()
                former = [tracker.landmarks_near(detection.box, frame.time) for detection in detections]
                faces = perceiver.faces(frame.image, detections, former)
                tracks = tracker.update(faces, frame.time, frame.image.shape[:2])
                due = [track for track in tracks if track.emotion_is_due(frame.time)]
                felt = perceiver.emotions(frame.image, [track.face for track in due])
                tracker.feel(due, felt, frame.time)
                probabilities = {id(track.face): values for track, values in zip(due, felt)}
                seen = [
                    Face(face.box, face.landmarks, face.score, probabilities=probabilities.get(id(face), UNFELT))
                    for face in faces
                ]
            except Exception as failure:  # whatever it is, this frame is withheld and the others are masked
                seen, error = [], described(failure)
            log.add(count, frame.pts, error, packed(seen))
            count += 1
            progress()
    return Looked(count, first, beyond)
