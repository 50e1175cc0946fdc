"""How often a face can be seen in masked videos."""

from dataclasses import dataclass, field
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from emomask.evaluation.annotated_faces import AnnotatedPicture
from emomask.evaluation.camera_motion import MOTIONS, RATE, Scene, SeenFace
from emomask.evaluation.detection import COVERED
from emomask.evaluation.video_maskers import Result, VideoMasker

CLASSES = ((24.0, "_24px"), (64.0, "_64px"))  # sizes in pixels from which on faces are counted once more
SIZES = ((0.0, 24.0), (24.0, 32.0), (32.0, 64.0), (64.0, 128.0), (128.0, np.inf))  # of the tables and the plot


class FaceFrame(NamedTuple):
    """One face in one frame: the ``share`` of its visible pixels that is replaced, the emotion that is shown for it
    (None when it is not covered by anything that shows one), its ``size`` in pixels, and where that was: the motion,
    the number of the still, the face's number in the video and the number of the frame."""

    motion: str
    still: int
    number: int
    frame: int
    size: float
    share: float
    emotion: Optional[str]

    @property
    def is_covered(self) -> bool:
        """Whether so much of it is replaced that it does not count as leaked."""
        return self.share >= COVERED

    @property
    def track(self) -> Tuple[str, int, int]:
        """The same for the same face in all frames of a video."""
        return self.motion, self.still, self.number


@dataclass
class Leaks:
    """What one masker let through. ``replaced``: of each frame, the share of its pixels that is replaced."""

    rows: List[FaceFrame] = field(default_factory=list)
    replaced: List[float] = field(default_factory=list)

    def add(self, motion: str, still: int, frame: int, faces: Sequence[SeenFace], result: Result) -> None:
        """Count one frame."""
        self.replaced.append(float(result.replaced.mean()))
        for face in faces:
            share = float(result.replaced[face.visible].mean())
            emotion = _emotion_over(face, result) if share >= COVERED else None
            self.rows.append(FaceFrame(motion, still, face.number, frame, face.size, share, emotion))

    def chosen(self, low=0.0, high=np.inf, motion=None) -> List[FaceFrame]:
        """The faces in frames where they are ``low`` to below ``high`` pixels large; of one motion if it is given."""
        return [row for row in self.rows if low <= row.size < high and motion in (None, row.motion)]

    def leak_rate(self, **choice) -> float:
        """Leaked of all faces in frames; NaN when there are none. ``choice``: see ``chosen``."""
        return _share([not row.is_covered for row in self.chosen(**choice)])

    def slip_rate(self, **choice) -> float:
        """The same over the faces that are covered in at least one frame of their video."""
        met = self._met
        return _share([not row.is_covered for row in self.chosen(**choice) if row.track in met])

    def slipped_share(self, **choice) -> float:
        """The same leaks of all faces in frames, as ``leak_rate``."""
        met = self._met
        return _share([not row.is_covered and row.track in met for row in self.chosen(**choice)])

    def leaked_tracks(self, **choice) -> float:
        """The share of the faces that are leaked in one frame of their video or more."""
        tracks = self._tracks(self.chosen(**choice)).values()
        return _share([any(not row.is_covered for row in track) for track in tracks])

    def flips_per_second(self, **choice) -> float:
        """How often a face goes from covered to leaked or back, a second in which it is seen."""
        return self._changes(lambda row: row.is_covered, **choice)

    def emotion_changes_per_second(self, **choice) -> float:
        """How often another emotion is shown for a face that stays covered, a second."""
        return self._changes(lambda row: row.emotion, **choice)

    @property
    def _met(self) -> set:
        return {row.track for row in self.rows if row.is_covered}

    def _tracks(self, rows) -> Dict[Tuple, List[FaceFrame]]:
        tracks: Dict[Tuple, List[FaceFrame]] = {}
        for row in rows:
            tracks.setdefault(row.track, []).append(row)
        return tracks

    def _changes(self, state: Callable[[FaceFrame], object], **choice) -> float:
        pairs = [
            (state(first), state(second))
            for track in self._tracks(self.chosen(**choice)).values()
            for first, second in zip(track, track[1:])
            if second.frame == first.frame + 1 and state(first) is not None and state(second) is not None
        ]
        return _share([first != second for first, second in pairs]) * RATE

    def figures(self) -> Dict[str, float]:
        """The figures over all motions; their keys: see ``evaluate_privacy``."""
        figures: Dict[str, float] = {"face_frames": len(self.rows), "faces": len(self._tracks(self.rows))}
        for low, name in ((0.0, ""),) + CLASSES:
            figures["leak_rate" + name] = self.leak_rate(low=low)
            figures["slip_rate" + name] = self.slip_rate(low=low)
            figures["leaked_tracks" + name] = self.leaked_tracks(low=low)
        figures["flips_per_second"] = self.flips_per_second()
        figures["emotion_changes_per_second"] = self.emotion_changes_per_second()
        figures["replaced_share"] = float(np.mean(self.replaced))
        return figures


def count_leaks(masker: VideoMasker, stills: Sequence[AnnotatedPicture], motions: Sequence[str]) -> Iterator[Leaks]:
    """Count what ``masker`` lets through of each of ``stills`` under each of ``motions``; yields after each still."""
    leaks = Leaks()
    for index, still in enumerate(stills):
        for name in motions:
            # The number of the still alone decides, so that all maskers see the same videos.
            random = np.random.default_rng([index, list(MOTIONS).index(name)])
            scene = Scene(still, stills[(index + 1) % len(stills)], random)
            shots = list(MOTIONS[name](scene))
            for frame, (shot, result) in enumerate(zip(shots, masker.mask(shots))):
                leaks.add(name, index, frame, shot.faces, result)
        yield leaks


def _emotion_over(face: SeenFace, result: Result) -> Optional[str]:
    """The emotion of the box that holds most of the face's pixels."""
    rows, columns = np.nonzero(face.visible)
    held = [
        (((rows >= box.top) & (rows < box.bottom) & (columns >= box.left) & (columns < box.right)).sum(), emotion)
        for box, emotion in result.shown
    ]
    best, emotion = max(held, key=lambda one: one[0], default=(0, None))
    return emotion if best else None


def _share(marks: List[bool]) -> float:
    return float(np.mean(marks)) if marks else float("nan")
