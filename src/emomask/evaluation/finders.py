"""What can be compared: ways to find the faces of a picture and the pixels that would be replaced for them."""

import contextlib
import io
from dataclasses import dataclass
from typing import Dict, List, Protocol, Sequence, Tuple

import cv2
import numpy as np

from emomask.errors import ModelError, SettingsError
from emomask.faces import Box
from emomask.masks.cover import Cover
from emomask.masks.region import Patch
from emomask.perception.gaze import LOOKS, Look
from emomask.perception.perceiver import Perceiver
from emomask.settings import Settings

CHANGEABLE = ("centerface", "face_alignment")
PEERS = ("deface", "deface_boxes")
DEFACE_THRESHOLD = 0.2  # its defaults: --thresh, --mask-scale
DEFACE_MASK_SCALE = 1.3


@dataclass(frozen=True)
class Found:
    """A face that was found: its ``score`` (0..1), the detector's ``box`` and the pixels that are replaced for it."""

    score: float
    box: Box
    patch: Patch


class Finder(Protocol):
    """Finds faces as one tool does at its own settings; ``threshold`` is the score from which it covers them."""

    threshold: float

    def find(self, frame: np.ndarray, threshold: float) -> List[Found]:
        """The faces of the uint8 H x W x 3 BGR ``frame`` with a score of ``threshold`` and more that reach into it."""


def create_finder(description: str, settings: Settings, look: str = Look.CLOSE.value) -> Finder:
    """The finder that ``description`` names: one of ``CHANGEABLE`` or ``PEERS``, or ``NAME:SETTING=VALUE,...``.

    ``centerface`` and ``face_alignment`` are this package's chain with that detector, and else with ``settings`` and
    ``look`` (one of ``LOOKS``: how closely it looks, see ``Look``), unless the description changes them:
    ``centerface:thorough=true,look=picture``. Raises SettingsError for another description, ModelError when what it
    needs cannot be had.
    """
    name, changes = parsed_rival(description, CHANGEABLE, PEERS)
    if name in PEERS:
        return Deface(is_ellipse=name == "deface")
    values = {**settings.as_dict(), "detector": name, **changes}
    look = values.pop("look", look)
    return Chain(Settings.from_mapping(values), look)


def parsed_rival(description: str, changeable: Sequence[str], peers: Sequence[str]) -> Tuple[str, Dict[str, str]]:
    """The name in ``description``, and the settings that it changes: ``NAME`` or ``NAME:SETTING=VALUE,...``.

    Raises SettingsError when the name is neither one of ``changeable`` nor, without changes, one of ``peers``.
    """
    name, _, changes = description.partition(":")
    if name not in changeable and (name not in peers or changes):
        raise SettingsError(
            "Cannot compare with %r: give one of %s; %s may have :SETTING=VALUE,... behind them."
            % (description, ", ".join((*changeable, *peers)), " and ".join(changeable))
        )
    pairs = (change.partition("=") for change in changes.split(",") if change)
    return name, {key.strip(): value.strip() for key, _, value in pairs}


class Chain:
    """This package's detector, landmarks and mask. Only what every style replaces counts: the mask's ellipse."""

    def __init__(self, settings: Settings, look: str):
        if look not in LOOKS:
            raise SettingsError("look must be one of %s, not %r." % (", ".join(LOOKS), look))
        self.threshold = settings.detection_threshold
        self._perceiver = Perceiver(settings)
        self._cover = Cover(settings)
        self._look = Look(look)

    def find(self, frame: np.ndarray, threshold: float) -> List[Found]:
        """See ``Finder.find``."""
        detections = self._perceiver.detect(frame, threshold, self._look)
        regions = [self._cover.region(face) for face in self._perceiver.faces(frame, detections)]
        patches = [region.pixels(*frame.shape[:2]) for region in regions]
        return [Found(one.score, one.box, patch) for one, patch in zip(detections, patches) if patch is not None]


class Deface:
    """The tool deface, 1.5: its own detection code, each picture at its full size, and the shapes that it replaces.

    ``is_ellipse``: the ellipse inside the grown box, as its blur does, else the whole grown box (``--boxes``).
    ``backend``: its option of that name; auto is what it takes by itself.
    """

    threshold = DEFACE_THRESHOLD

    def __init__(self, is_ellipse: bool, backend: str = "auto"):
        try:
            from deface.centerface import CenterFace
            from deface.deface import anonymize_frame, scale_bb
        except ImportError as error:
            raise ModelError("The peer deface cannot be loaded (%s): pip install deface==1.5.0" % error) from error
        self._is_ellipse = is_ellipse
        self._grown = scale_bb
        self._anonymize = anonymize_frame
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it runs on
            self._detector = CenterFace(backend=backend)

    def find(self, frame: np.ndarray, threshold: float) -> List[Found]:
        """See ``Finder.find``."""
        rows, _ = self._detector(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), threshold=threshold)
        found = []
        for row in rows:
            # As in deface.anonymize_frame: whole pixels, grown, and clipped to all but the last row and column.
            left, top, right, bottom = (int(value) for value in self._grown(*row[:4].astype(int), DEFACE_MASK_SCALE))
            left, top = max(0, left), max(0, top)
            right, bottom = min(frame.shape[1] - 1, right), min(frame.shape[0] - 1, bottom)
            if left < right and top < bottom:
                patch = self._patch(left, top, right, bottom)
                found.append(Found(float(row[4]), Box(*(float(value) for value in row[:4])), patch))
        return found

    def blurred(self, frame: np.ndarray) -> np.ndarray:
        """A copy of ``frame`` with the faces blurred as the tool blurs them by default."""
        image = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        rows, _ = self._detector(image, threshold=self.threshold)
        self._anonymize(
            rows,
            image,
            mask_scale=DEFACE_MASK_SCALE,
            replacewith="blur",
            ellipse=self._is_ellipse,
            draw_scores=False,
            replaceimg=None,
            mosaicsize=20,
        )
        return cv2.cvtColor(image, cv2.COLOR_RGB2BGR)

    def _patch(self, left: int, top: int, right: int, bottom: int) -> Patch:
        mask = np.full((bottom - top, right - left), 255, np.uint8)
        if self._is_ellipse:
            # skimage.draw.ellipse, which deface calls: these are its centre and its half axes.
            y, x = mask.shape[0] // 2, mask.shape[1] // 2
            rows, columns = np.ogrid[: mask.shape[0], : mask.shape[1]]
            mask[((rows - y) / max(1, y)) ** 2 + ((columns - x) / max(1, x)) ** 2 >= 1] = 0
        return Patch(left, top, mask)
