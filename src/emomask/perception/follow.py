"""Whose face is whose when later frames are known: looked at forwards, as in a stream, and then backwards."""

import dataclasses
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

import numpy as np

from emomask.faces import Face
from emomask.perception.scene import Change
from emomask.perception.tracking import Tracker
from emomask.settings import Settings


class Sight(NamedTuple):
    """What is known of one frame: its time in seconds, its faces, why it could not be understood if so, how it goes on
    from the frame before, and whether it was looked at, or its faces are those of memory alone."""

    time: float
    faces: List[Face]
    error: Optional[str] = None
    change: Change = Change()
    is_look: bool = True


def forwards(settings: Settings, size: Tuple[int, int], sights: Iterable[Sight]) -> Iterator[Sight]:
    """The same ``sights`` with tracks and smoothed emotions, and with the faces that are held from memory.

    ``sights``: as the networks had them, in the order of time. ``size``: height and width of the frames. Faces that are
    too weak to be covered so far keep the track 0.
    """
    tracker = Tracker(settings)
    for sight in sights:
        tracker.go_on(sight.change)
        if sight.error is not None:
            yield sight
            continue
        felt = [face.probabilities for face in sight.faces]
        faces = [Face(face.box, face.landmarks, face.score) for face in sight.faces]
        tracks = tracker.update(faces, sight.time, size)
        probabilities = {id(face): values for face, values in zip(faces, felt) if np.isfinite(values).all()}
        due = [track for track in tracks if id(track.face) in probabilities]
        tracker.feel(due, [probabilities[id(track.face)] for track in due], sight.time)
        held = [track.face for track in tracks if track.face.held]
        yield sight._replace(faces=faces + held)


def backwards(settings: Settings, size: Tuple[int, int], sights: Iterable[Sight]) -> Iterator[Sight]:
    """What is to be covered in each of ``sights``, which ``forwards`` made and which come in the reverse order.

    A face is covered from memory before it is found first and after it is found last, each for ``settings.hold``
    seconds at most, and wherever a weak detection continues it. Between two detections, both memories are joined. Each
    track has one face in a frame; they are sorted by it.
    """
    tracker = Tracker(settings)
    # For each track of this direction: the face of the forward track that it met last.
    met: Dict[int, Face] = {}
    for sight in sights:
        found = [face for face in sight.faces if not face.held]
        copies = [dataclasses.replace(face) for face in found]
        number = {id(copy): index for index, copy in enumerate(copies)}
        seen = {face.track_id for face in found}
        faces = {face.track_id: face for face in sight.faces if face.track_id}
        for track in tracker.update(copies, -sight.time, size, sight.is_look):
            track_id, index = track.face.track_id, number.get(id(track.face))
            if index is not None and found[index].track_id:
                met[track_id] = found[index]
                continue
            later = met[track_id]
            if later.track_id not in seen:
                former, added = faces.get(later.track_id), _as(later, track.face)
                faces[later.track_id] = _joined(former, added) if former else added
        if sight.change.is_cut:
            tracker.forget()
        tracker.move(-sight.change.x, -sight.change.y)
        yield sight._replace(faces=[faces[track_id] for track_id in sorted(faces)])


def followed(settings: Settings, size: Tuple[int, int], sights: Iterable[Sight]) -> List[Sight]:
    """What is to be covered in each of ``sights``, which fit into memory: ``forwards``, then ``backwards``."""
    there = list(forwards(settings, size, sights))
    return list(backwards(settings, size, reversed(there)))[::-1]


def _as(later: Face, face: Face) -> Face:
    """``face`` with the name and the feelings of the same face ``later``."""
    return dataclasses.replace(face, track_id=later.track_id, emotion=later.emotion, probabilities=later.probabilities)


def _joined(first: Face, second: Face) -> Face:
    """What two memories of a face, from before and from after, cover together."""
    return dataclasses.replace(
        first, box=first.box.union(second.box), landmarks=(first.landmarks + second.landmarks) / 2, held=True
    )
