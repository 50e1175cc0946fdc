"""One validated settings object, with the same names as ROS parameters, command line options and web form fields."""

import dataclasses
import math
import os
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping

from emomask.errors import SettingsError
from emomask.masks.selection import SEPARATOR, Selection


def setting(default, doc, choices=None, low=None, high=None, separator=None):
    """A field of a ``Validated`` class: its default (whose type it takes), what it is for, and what it may be.

    ``choices``: the texts that are allowed; ``low``, ``high``: the range of a number, both ends included;
    ``separator``: of a text that is a list.
    """
    metadata = {"doc": doc, "choices": choices, "low": low, "high": high, "separator": separator}
    return dataclasses.field(default=default, metadata=metadata)


class Validated:
    """Base of frozen settings dataclasses whose fields were made with ``setting``."""

    def __post_init__(self):
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, _checked(field, getattr(self, field.name)))

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]):
        """Settings from names and values of any origin. Raises SettingsError for an unknown name or a bad value."""
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise SettingsError("Unknown setting %s. Known: %s." % (", ".join(unknown), ", ".join(sorted(known))))
        return cls(**values)

    def replace(self, **changes):
        """A copy with some fields changed and everything validated again."""
        return dataclasses.replace(self, **changes)

    def differences(self, other) -> List[str]:
        """The names of the fields in which ``other``, of the same class, is not the same."""
        names = [field.name for field in dataclasses.fields(self)]
        return [name for name in names if getattr(self, name) != getattr(other, name)]

    def as_dict(self) -> Dict[str, Any]:
        """Names and values."""
        return dataclasses.asdict(self)


def _checked(field, value):
    """``value`` as the type of the field's default, or SettingsError naming the field, its range and what was given."""
    kind = type(field.default)
    choices, low, high = (field.metadata[key] for key in ("choices", "low", "high"))
    try:
        if kind is bool:
            if isinstance(value, str):
                value = {"true": True, "1": True, "false": False, "0": False}[value.strip().lower()]
            elif not isinstance(value, (bool, int)) or value not in (0, 1):
                raise ValueError(value)
            value = bool(value)
        elif kind is str:
            if value is None or isinstance(value, (dict, list)):
                raise ValueError(value)
            value = str(value)
        elif isinstance(value, bool) or (kind is int and float(value) != int(value)):
            raise ValueError(value)
        else:
            value = kind(value)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
        raise SettingsError("%s must be %s, not %r." % (field.name, names[kind], value)) from error
    if choices and value not in choices:
        raise SettingsError("%s must be one of %s, not %r." % (field.name, ", ".join(choices), value))
    if kind is float and not math.isfinite(value):
        raise SettingsError("%s must be a finite number, not %r." % (field.name, value))
    if (low is not None and value < low) or (high is not None and value > high):
        raise SettingsError("%s must lie between %s and %s, not %r." % (field.name, low, high, value))
    return value


DETECTORS = ("centerface", "face_alignment")
LANDMARKERS = ("fast", "face_alignment", "auto")
STYLES = ("emoji", "blur", "pixelate", "solid")
FAILURE_MODES = ("drop", "pixelate")
RESTS = ("calm", "always", "never")
SMALLEST_DETECTION_SIZE = 96  # pixels; in less even a face that fills the frame is missed
EMOTION_NETWORKS = ("resnet42", "cnn42")
DEVICES = ("auto", "cpu", "cuda")
# What may change while a stream is masked, and within which limits where they are narrower than at the start: whoever
# may turn these knobs must not be able to switch the protection off by them. So whom to mask (only, excepted,
# smallest_face) is none of them, and a face that is looked at from 0.5 on, CenterFace's customary threshold, or that is
# held for 0.2 s, six frames at 30 frames/s, is the least that is left.
LIVE = {
    "detection_threshold": (None, 0.5),
    "unsure": (None, None),
    "style": (None, None),
    "margin": (None, None),
    "hold": (0.2, None),
    "smoothing": (None, None),
    "lookahead": (None, None),
    "on_failure": (None, None),
}


@dataclass(frozen=True)
class Settings(Validated):
    """How faces are found and covered. Raises SettingsError when a value is out of its range."""

    detector: str = setting("centerface", "what finds the faces", DETECTORS)
    # 0.15: the lowest round figure with fewer than 0.5 false regions a picture on FDDB, folds 1-3.
    detection_threshold: float = setting(
        0.15, "score from which a new face is covered; lower covers more", low=0.01, high=0.99
    )
    detection_size: int = setting(
        0,
        "longest side in pixels at which faces are sought; larger finds smaller faces, slower; 0: in a stream 640 for "
        "a VGA frame, 320 or not at all for most frames; up to 1280 in a picture",
        low=0,
        high=4096,
    )
    thorough: bool = setting(
        False, "look for faces at half, whole and twice the size, also mirrored: finds more, many times slower"
    )
    landmarks: str = setting("fast", "what finds the 68 landmarks; auto: face_alignment, else fast", LANDMARKERS)
    face_alignment_detector: str = setting(
        "sfd",
        "the detector of the face-alignment library that detector:=face_alignment uses",
        ("sfd", "blazeface", "dlib", "yunet"),
    )
    face_alignment_weights: str = setting(
        "", "torch hub folder (it holds 'checkpoints') with the library's weights; empty: torch's own"
    )
    emotion_network: str = setting(
        "resnet42", "what classifies the emotion; cnn42: the paper's network, less accurate", EMOTION_NETWORKS
    )
    unsure: float = setting(
        0.5, "probability below which an emotion is not shown: the emoji is then the neutral one", low=0.0, high=1.0
    )
    device: str = setting("auto", "where the networks run", DEVICES)
    threads: int = setting(
        0, "processor threads of a network; 0: at most two in the listener, else one for each core", low=0, high=256
    )
    models: str = setting("", "folder with the ONNX files; empty: the ones that come with emomask")
    only: str = setting(
        "",
        "faces to mask, and no others: LEFT,TOP,RIGHT,BOTTOM in pixels (those that touch it) or track:NUMBER; several: "
        "with semicolons; empty: everybody",
        separator=SEPARATOR,
    )
    excepted: str = setting(
        "", "faces not to mask: those wholly within such a box, or of such a track; empty: none", separator=SEPARATOR
    )
    smallest_face: float = setting(
        0.0, "pixels of a head's longer side below which it is not masked; 0: every face", low=0.0, high=4096.0
    )
    style: str = setting("emoji", "what covers a face", STYLES)
    emojis: str = setting("", "folder with one PNG for each emotion (happy.png ...); empty: the built-in set")
    margin: float = setting(
        0.1, "how far the mask goes beyond the face, as a fraction of the face's size", low=0.0, high=2.0
    )
    hold: float = setting(
        1.0, "seconds for which a face that is no longer found stays covered (in a stream)", low=0.0, high=60.0
    )
    smoothing: float = setting(
        0.5, "seconds over which the emotion is averaged; more is steadier, less is quicker", low=0.0, high=10.0
    )
    # 3: a tenth of a second at 30 frames/s. It mends half and more of what slips through without it (FDDB).
    lookahead: int = setting(
        3, "frames by which a stream's output waits so that a face is covered before it is found", low=0, high=60
    )
    rests: str = setting(
        "calm",
        "when every second frame of a live stream need not be looked at: while the camera stands still (calm), "
        "always but for jolts of it (quicker; a little more slips through), or never",
        RESTS,
    )
    on_failure: str = setting(
        "drop", "what becomes of a frame that could not be masked: nothing, or the whole frame pixelated", FAILURE_MODES
    )

    def shared_among(self, workers: int) -> "Settings":
        """These settings for each of so many processes: threads that are left open are shared out."""
        return self if self.threads else self.replace(threads=max(1, (os.cpu_count() or 1) // workers))

    def changed_live(self, **changes) -> "Settings":
        """These settings with some changed that may change while a stream is masked, see ``LIVE``.

        Raises SettingsError for another one, and for a value beyond the limits that it has then.
        """
        changed = self.replace(**changes)
        for name in self.differences(changed):
            if name not in LIVE:
                raise SettingsError("%s cannot be changed while it runs: start it anew." % name)
            (low, high), value = LIVE[name], getattr(changed, name)
            if (low is not None and value < low) or (high is not None and value > high):
                limit = "at least %g" % low if low is not None and value < low else "at most %g" % high
                raise SettingsError("%s must be %s while it runs, not %g: it protects." % (name, limit, value))
        return changed

    def for_stream(self) -> "Settings":
        """These settings for a live stream: threads that are left open are two, where there are two cores.

        A detector's pass takes two thirds of the time of one thread then, for a fifth more processor time. More threads
        would gain less, and the talker and whoever looks on need some of the cores (doc/speed.md).
        """
        return self if self.threads else self.replace(threads=min(2, os.cpu_count() or 1))

    def __post_init__(self):
        super().__post_init__()
        if 0 < self.detection_size < SMALLEST_DETECTION_SIZE:
            raise SettingsError(
                "detection_size must be 0 or at least %d, not %d." % (SMALLEST_DETECTION_SIZE, self.detection_size)
            )
        self.selection()

    def selection(self) -> Selection:
        """What picks the faces to mask."""
        return Selection(self.only, self.excepted, self.smallest_face)
