"""How many faces are covered, and how much is covered that is no face."""

import time
from dataclasses import dataclass, field
from typing import Callable, Dict, Iterable, List, Sequence, Tuple

import numpy as np

from emomask.errors import DataError
from emomask.evaluation.annotated_faces import AnnotatedFace, AnnotatedPicture, AnnotatedPictures
from emomask.evaluation.conditions import CONDITIONS
from emomask.evaluation.finders import Chain, Finder, Found, create_finder
from emomask.perception.gaze import Look
from emomask.settings import Settings

COVERED = 0.9  # the share of a face's pixels in the picture that must be replaced
OVERLAPS = (0.4, 0.5)  # intersection over union from which a box counts as the face's
SIZES = (0, 32, 64, 128)  # pixels, longer side of the annotation's box: where the classes of faces begin
LOWEST = 0.1  # the threshold at which the curves begin
STEPS = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # the thresholds of the table
NEVER = -1.0  # instead of a score: not even at the lowest threshold
OURS = "emomask"


@dataclass
class Tally:
    """What a finder did on some pictures, as scores: each thing is so at every threshold up to its score.

    Attributes
    ----------
    pictures: their number.
    sizes: of each annotated face, its size in pixels.
    covered: of each face, the score from which 90 % of its pixels are replaced.
    matched: for each of ``OVERLAPS``, of each face, the score of the box that is taken for it.
    boxes: the score of each box that was found.
    strays: the score of each replaced region that touches no annotated face.
    replaced: of each picture, the share of its pixels that is replaced at the finder's own threshold.
    seconds: of each picture, the time that finding took.
    """

    threshold: float
    pictures: int = 0
    sizes: List[float] = field(default_factory=list)
    covered: List[float] = field(default_factory=list)
    matched: Dict[float, List[float]] = field(default_factory=lambda: {overlap: [] for overlap in OVERLAPS})
    boxes: List[float] = field(default_factory=list)
    strays: List[float] = field(default_factory=list)
    replaced: List[float] = field(default_factory=list)
    seconds: List[float] = field(default_factory=list)

    def add(self, picture: AnnotatedPicture, found: Sequence[Found], seconds: float) -> None:
        """Count one picture. A face that lies outside of the picture is not counted, nor is what it touches."""
        height, width = picture.image.shape[:2]
        masks = [face.mask(height, width) for face in picture.faces]
        faces = [(face, mask) for face, mask in zip(picture.faces, masks) if mask.any()]
        anywhere = np.zeros((height, width), bool)
        for _, mask in faces:
            anywhere |= mask
        # Of each pixel the highest score for which it is replaced: the union of the regions at every threshold.
        replaced = np.full((height, width), NEVER)
        for one in sorted(found, key=lambda one: one.score):
            inside = one.patch.mask > 0
            one.patch.of(replaced)[inside] = one.score
            self.boxes.append(one.score)
            if not (one.patch.of(anywhere) & inside).any():
                self.strays.append(one.score)
        self.pictures += 1
        self.seconds.append(seconds)
        self.replaced.append(float((replaced >= self.threshold).mean()))
        self.sizes += [face.size for face, _ in faces]
        self.covered += [_score_of_share(replaced[mask], COVERED) for _, mask in faces]
        for overlap, scores in self.matched.items():
            scores += _matched([face for face, _ in faces], found, overlap)

    def recall_coverage(self, threshold: float, low: float = 0.0, high: float = np.inf) -> float:
        """The share of the faces of ``low`` to below ``high`` pixels that are covered; NaN when there are none."""
        sizes = np.array(self.sizes)
        chosen = (sizes >= low) & (sizes < high)
        return float((np.array(self.covered)[chosen] >= threshold).mean()) if chosen.any() else float("nan")

    def recall_iou(self, threshold: float, overlap: float) -> float:
        """The share of the faces with a box of their own that overlaps theirs so much."""
        return float((np.array(self.matched[overlap]) >= threshold).mean())

    def precision_iou(self, threshold: float, overlap: float) -> float:
        """The share of the boxes that are taken for a face; 1 when there are none."""
        boxes = int((np.array(self.boxes) >= threshold).sum())
        return int((np.array(self.matched[overlap]) >= threshold).sum()) / boxes if boxes else 1.0

    def precision_coverage(self, threshold: float) -> float:
        """The share of the replaced regions that touch an annotated face; 1 when there are none."""
        regions = int((np.array(self.boxes) >= threshold).sum())
        return 1.0 - int((np.array(self.strays) >= threshold).sum()) / regions if regions else 1.0

    def false_per_image(self, threshold: float) -> float:
        """Replaced regions that touch no annotated face, for each picture."""
        return float((np.array(self.strays) >= threshold).sum()) / self.pictures

    def figures(self) -> Dict[str, float]:
        """The figures at the finder's own threshold; their keys: see ``evaluate_detection``."""
        at = self.threshold
        figures = {
            "recall_coverage": self.recall_coverage(at),
            "recall_iou": self.recall_iou(at, 0.5),
            "recall_iou_04": self.recall_iou(at, 0.4),
            "precision_iou": self.precision_iou(at, 0.5),
            "precision_iou_04": self.precision_iou(at, 0.4),
            "false_per_image": self.false_per_image(at),
            "replaced_share": float(np.mean(self.replaced)),
            "ms_per_image": float(np.median(self.seconds)) * 1e3,
            "faces": len(self.sizes),
            "threshold": at,
        }
        for low, high, name in size_classes():
            value = self.recall_coverage(at, low, high)
            if np.isfinite(value):
                figures["recall_coverage_" + name] = value
        return figures


def size_classes() -> List[Tuple[float, float, str]]:
    """Lowest size, size below which it ends, and name of each class of ``SIZES``."""
    ends = list(SIZES[1:]) + [np.inf]
    names = ["under_%dpx" % SIZES[1]] + ["%d_%dpx" % pair for pair in zip(SIZES[1:], SIZES[2:])]
    return list(zip(SIZES, ends, names + ["from_%dpx" % SIZES[-1]]))


def _score_of_share(scores: np.ndarray, share: float) -> float:
    """The highest threshold that at least ``share`` of ``scores`` reach."""
    return float(np.sort(scores)[::-1][int(np.ceil(share * len(scores))) - 1])


def _matched(faces: Sequence[AnnotatedFace], found: Sequence[Found], overlap: float) -> List[float]:
    """For each face the score of its box: the best boxes choose first, each the free face that it overlaps most."""
    scores = [NEVER] * len(faces)
    for one in sorted(found, key=lambda one: -one.score):
        free = [(one.box.iou(face.box), index) for index, face in enumerate(faces) if scores[index] == NEVER]
        best, index = max(free, default=(0.0, -1))
        if best >= overlap:
            scores[index] = one.score
    return scores


def tally(finder: Finder, pictures: Iterable[AnnotatedPicture], changes: Sequence[Callable] = ()) -> Tally:
    """Count what ``finder`` does on ``pictures``, each changed in every way of ``changes``."""
    result = Tally(finder.threshold)
    for picture in pictures:
        for changed in [change(picture) for change in changes] or [picture]:
            start = time.perf_counter()
            found = finder.find(changed.image, min(LOWEST, finder.threshold))
            result.add(changed, found, time.perf_counter() - start)
    if not result.sizes:
        raise DataError("None of the annotated faces lies inside of its picture: check the table's columns and units.")
    return result


def evaluate_detection(
    data, labels="", settings=None, look=Look.CLOSE.value, against=(), conditions=False, every=1
) -> Dict[str, Tally]:
    """Count faces covered on annotated pictures (``data``, ``labels``: see ``AnnotatedPictures``).

    The first is this package's chain with ``settings``, named ``emomask``; then those of ``against`` on the same
    pictures (see ``create_finder``), then, named by the condition, the chain in each of ``CONDITIONS`` when
    ``conditions`` is true. ``look``: one of ``LOOKS``. ``every``: take only every so-manieth picture.

    Raises DataError, ModelError and SettingsError as these do.
    """
    pictures = AnnotatedPictures(data, labels)
    settings = settings or Settings()
    ours = Chain(settings, look)
    rivals = [(name, create_finder(name, settings, look)) for name in against]
    tallies = {OURS: tally(ours, pictures.every(every))}
    tallies.update((name, tally(rival, pictures.every(every))) for name, rival in rivals)
    if conditions:
        for name, changes in CONDITIONS.items():
            tallies[name] = tally(ours, pictures.every(every), changes)
    return tallies


def figures_of(tallies: Dict[str, Tally]) -> Dict[str, object]:
    """One flat object: the figures of the chain, and of each other tally with its name before them.

    Keys:

    - ``recall_coverage``: share of the faces of which at least 90 % of the pixels that lie in the picture are replaced;
      by size ``recall_coverage_under_32px``, ``recall_coverage_32_64px``, ...
    - ``recall_iou``, ``precision_iou``: the detector's box and the box around the annotation overlap by an intersection
      over union of 0.5; ``recall_iou_04``, ``precision_iou_04``: of 0.4.
    - ``false_per_image``: replaced regions that share no pixel with an annotated face, a picture; a real face that
      nobody annotated counts as false, too.
    - ``replaced_share``: of all pixels. ``faces``, ``pictures``, ``threshold``.
    - ``ms_per_image``: median; all from the curves' lowest threshold on is found, so it takes longer than in use.
    """
    figures: Dict[str, object] = {}
    for name, result in tallies.items():
        prefix = "" if name == OURS else "".join(c if c.isalnum() else "_" for c in name) + "_"
        figures.update((prefix + key, value) for key, value in result.figures().items())
    figures["pictures"] = tallies[OURS].pictures
    return figures
