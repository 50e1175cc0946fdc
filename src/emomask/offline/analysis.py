"""Where the faces of a recorded video are: looked at forwards, as in a stream, and then backwards."""

import contextlib
import dataclasses
from array import array
from typing import Dict, Iterable, List, Optional, Tuple

import numpy as np

from emomask.errors import described
from emomask.faces import Face
from emomask.masker import Masker
from emomask.offline.face_log import FaceLog
from emomask.perception.tracking import Tracker


class Analysis:
    """The faces of a video by the number of the frame.

    A face is covered from memory before it is found first and after it is found last, each for ``settings.hold``
    seconds at most, and wherever a weak detection continues it. Between two detections, both memories are joined.

    Use it as a context manager. ``frames``: how many frames were looked at. ``failures``: for each frame that could not
    be understood, one line that says why; it must not be shown.
    """

    def __init__(self, masker: Masker):
        self.failures: Dict[int, str] = {}
        self._masker = masker
        self._times = array("d")
        self._stack = contextlib.ExitStack()
        self._forwards = self._stack.enter_context(FaceLog())
        self._backwards = self._stack.enter_context(FaceLog())
        self._size: Optional[Tuple[int, int]] = None

    @property
    def frames(self) -> int:
        return len(self._times)

    def look(self, images: Iterable[Tuple[np.ndarray, float]]):
        """Take in all frames, uint8 ``(H, W, 3)`` BGR with their time in seconds; yields after each of them."""
        self._masker.reset()
        for image, time in images:
            try:
                faces = self._masker.perceive(image, time)
                self._size = image.shape[:2]
            except Exception as error:  # whatever it is, this frame is withheld and the others are masked
                faces = []
                self.failures[len(self._times)] = described(error)
            self._forwards.append(faces)
            self._times.append(time)
            yield
        self._look_back()

    def faces(self, frame: int) -> List[Face]:
        """The faces to cover in a frame, once all frames were taken in; each track once."""
        faces = {face.track_id: face for face in self._forwards[frame] if face.track_id}
        for face in self._backwards[self.frames - 1 - frame]:
            former = faces.get(face.track_id)
            faces[face.track_id] = _joined(former, face) if former else face
        return [faces[track_id] for track_id in sorted(faces)]

    def _look_back(self) -> None:
        """Follow the faces from the last frame to the first and log what that adds to each frame."""
        tracker = Tracker(self._masker.settings)
        # For each track of this direction: the face of the forward track that it met last.
        met: Dict[int, Face] = {}
        for frame in range(self.frames - 1, -1, -1):
            faces = self._forwards[frame]
            found = [face for face in faces if not face.held]
            copies = [dataclasses.replace(face) for face in found]
            number = {id(copy): index for index, copy in enumerate(copies)}
            seen = {face.track_id for face in found}
            added = []
            tracks = tracker.update(copies, -self._times[frame], self._size) if self._size else []
            for track in tracks:
                track_id, index = track.face.track_id, number.get(id(track.face))
                if index is not None and found[index].track_id:
                    met[track_id] = found[index]
                    continue
                later = met[track_id]
                if later.track_id not in seen:
                    added.append(_as(later, track.face))
            self._backwards.append(added)

    def close(self) -> None:
        """Remove what was kept on disk."""
        self._stack.close()

    def __enter__(self) -> "Analysis":
        return self

    def __exit__(self, *exception):
        self.close()


def _as(later: Face, face: Face) -> Face:
    """``face`` with the name and the feelings of the same face ``later``."""
    return dataclasses.replace(face, track_id=later.track_id, emotion=later.emotion, probabilities=later.probabilities)


def _joined(first: Face, second: Face) -> Face:
    """What two memories of a face, from before and from after, cover together."""
    return dataclasses.replace(
        first, box=first.box.union(second.box), landmarks=(first.landmarks + second.landmarks) / 2, held=True
    )
