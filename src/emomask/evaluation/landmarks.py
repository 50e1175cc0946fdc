"""How well landmark finders do on hand-made points, behind the project's own detector."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Sequence

import numpy as np

from emomask.errors import DataError
from emomask.evaluation.landmark_conditions import CONDITIONS, altered
from emomask.evaluation.landmark_sets import read_annotated_faces
from emomask.evaluation.onnx_landmarks import OnnxLandmarks
from emomask.faces import Box
from emomask.landmark_index import LEFT_EYE, OUTER_EYE_CORNERS, RIGHT_EYE
from emomask.perception.detection import Detection, create_detector
from emomask.perception.fast_landmarks import DOWN, EXTENT
from emomask.perception.gaze import Look
from emomask.perception.landmarks import Landmarker, create_landmarker
from emomask.settings import Settings

NORMALISERS = ("interocular", "interpupil", "box")
BOXES = ("detector", "ideal")
BACKENDS = ("fast", "face_alignment")
FAILURE = 0.08
CURVE_END = 0.1
SAME_FACE = 0.2  # overlap (IoU) with the box around the points from which on a detection is that face


@dataclass
class Errors:
    """Errors of one backend under one condition: an entry a face, not a number where the detector missed it.

    ``by_normaliser``: mean distance to the points over each of ``NORMALISERS``; ``new``, ``followed``: seconds a face.
    """

    by_normaliser: Dict[str, List[float]] = field(default_factory=lambda: {name: [] for name in NORMALISERS})
    new: List[float] = field(default_factory=list)
    followed: List[float] = field(default_factory=list)

    def add(self, found: Optional[np.ndarray], points: np.ndarray) -> None:
        """One more face: the landmarks found, ``(68, 2)``, or None, and the true ones."""
        distance = np.nan if found is None else float(np.linalg.norm(found - points, axis=1).mean())
        for name, values in self.by_normaliser.items():
            values.append(distance / normaliser(name, points))

    def of(self, name: str) -> np.ndarray:
        """The errors over the normaliser ``name``."""
        return np.array(self.by_normaliser[name])


def normaliser(name: str, points: np.ndarray) -> float:
    """What distances are divided by, in pixels, for the true points ``(68, 2)``.

    ``interocular``: distance of the outer eye corners (300-W's); ``interpupil``: of the eyes' centres; ``box``: square
    root of the area of the box around the points (Bulat and Tzimiropoulos, ICCV 2017).
    """
    if name == "box":
        return float(np.sqrt(Box.around(points).area))
    if name == "interpupil":
        return float(np.linalg.norm(points[LEFT_EYE].mean(axis=0) - points[RIGHT_EYE].mean(axis=0)))
    left, right = OUTER_EYE_CORNERS
    return float(np.linalg.norm(points[left] - points[right]))


def mean_error(errors: np.ndarray) -> Optional[float]:
    """Mean over the faces that were found; None when there are none."""
    found = errors[np.isfinite(errors)]
    return float(found.mean()) if len(found) else None


def area_under_curve(errors: np.ndarray, limit: float) -> float:
    """Area under the cumulative error curve up to ``limit``, over ``limit``; a missed face never enters the curve."""
    return float(np.clip(1 - np.where(np.isfinite(errors), errors, np.inf) / limit, 0, 1).mean())


def failure_rate(errors: np.ndarray) -> float:
    """Share of faces with an error above 8 %, or missed."""
    return float(1 - (errors <= FAILURE).mean())


def evaluate_landmarks(
    data,
    settings=None,
    backends=(),
    boxes="detector",
    measure="",
    split="validation",
    prefix="",
    conditions=False,
    plot=None,
) -> Dict[str, object]:
    """Figures of landmark finders on the faces of ``data``; for ``split`` and ``prefix`` see ``read_annotated_faces``.

    ``backends``: of ``BACKENDS``, or paths of ONNX files (see ``OnnxLandmarks``); empty: ``settings.landmarks``. All
    get the same boxes. ``boxes``: ``detector``, of all detections the one that overlaps most with the box around the
    true points, or ``ideal``, that box, grown as the detector's are. ``conditions``: also under each of ``CONDITIONS``.
    ``plot``: path of a PNG for the cumulative error curves.

    Keys: ``nme_interocular``, ``nme_interpupil``, ``nme_box`` (mean error of the faces found over each ``normaliser``);
    ``auc_7``, ``auc_8`` (area under the cumulative curve up to 7 % and 8 %) and ``failure_rate_8`` (share above 8 %),
    in which a face that the detector misses counts as the worst: of the normaliser ``measure``, and when that is empty
    ``auc_7`` over the box, as the paper's authors give it, the other two over the outer eye corners; ``ms_per_face``
    (landmarks only, of a face that is followed in a stream; median), ``ms_new_face`` (likewise, of a face in a picture
    by itself: what the errors are of); ``faces``, ``missed``, ``boxes``, ``model``. Under a condition
    ``condition_NAME_`` and ``nme_interocular``, ``failure_rate_8``, ``faces`` or ``missed``. Of every backend but the
    first, all keys begin with its name, for a file the file's without its ending.

    Raises DataError when the set cannot be read or is empty, ModelError when a backend cannot be had.
    """
    settings = settings or Settings()
    detector = create_detector(settings)
    finders = _finders(backends or (settings.landmarks,), settings, detector)
    results = {name: {condition: Errors() for condition in ("",) + CONDITIONS} for name in finders}
    for number, (_name, image, points) in enumerate(read_annotated_faces(data, split, prefix)):
        for condition in ("",) + (CONDITIONS if conditions else ()):
            face = altered(condition, image, points, number) if condition else (image, points)
            if face is not None:
                detection = _detection_of(*face, boxes, detector, settings)
                for name, finder in finders.items():
                    _locate(finder, *face, detection, results[name][condition])
    figures = {}
    for index, (name, finder) in enumerate(finders.items()):
        start = "" if index == 0 else name + "_"
        own = _figures(results[name], measure, conditions)
        own.update({"boxes": boxes, "model": finder.checksum})
        figures.update({start + key: value for key, value in own.items()})
    if plot:
        from emomask.evaluation.plots import draw_error_curves

        curves = {name: results[name][""].of(measure or "interocular") for name in finders}
        draw_error_curves(curves, CURVE_END, "mean error / %s" % _LABELS[measure or "interocular"], plot)
    return figures


_LABELS = {
    "interocular": "distance of the outer eye corners",
    "interpupil": "distance of the eyes' centres",
    "box": "square root of the box's area",
}


def _finders(backends: Sequence[str], settings: Settings, detector) -> Dict[str, Landmarker]:
    finders = {}
    for backend in backends:
        if backend.endswith(".onnx"):
            name, finder = Path(backend).stem, OnnxLandmarks(backend, settings)
        else:
            name, finder = backend, create_landmarker(settings.replace(landmarks=backend), detector)
        if name in finders:
            raise DataError("Two backends are called %s: rename one of the files." % name)
        finders[name] = finder
    return finders


def _detection_of(image, points, boxes, detector, settings) -> Optional[Detection]:
    truth = Box.around(points)
    if boxes == "ideal":
        return Detection(_as_detector(truth), 1.0)
    longest = settings.detection_size or Look.PICTURE.size(*image.shape[:2])
    found = detector.detect(image, settings.detection_threshold, longest)
    best = max(found, key=lambda detection: detection.box.iou(truth), default=None)
    return best if best is not None and best.box.iou(truth) > SAME_FACE else None


def _locate(finder: Landmarker, image, points, detection: Optional[Detection], errors: Errors) -> None:
    if detection is None:
        errors.add(None, points)
        return
    start = time.perf_counter()
    found = finder.locate(image, [detection])[0]
    errors.new.append(time.perf_counter() - start)
    start = time.perf_counter()
    finder.locate(image, [detection], [found])
    errors.followed.append(time.perf_counter() - start)
    errors.add(found, points)


def _figures(results: Dict[str, Errors], measure: str, conditions: bool) -> Dict[str, object]:
    plain = results[""]
    figures = {"nme_" + name: mean_error(plain.of(name)) for name in NORMALISERS}
    figures["auc_7"] = area_under_curve(plain.of(measure or "box"), 0.07)
    figures["auc_8"] = area_under_curve(plain.of(measure or "interocular"), 0.08)
    figures["failure_rate_8"] = failure_rate(plain.of(measure or "interocular"))
    figures["ms_per_face"] = float(np.median(plain.followed) * 1e3) if plain.followed else None
    figures["ms_new_face"] = float(np.median(plain.new) * 1e3) if plain.new else None
    figures.update(_counts(plain))
    for condition in CONDITIONS if conditions else ():
        errors = results[condition]
        own = {"nme_interocular": mean_error(errors.of("interocular"))}
        own["failure_rate_8"] = failure_rate(errors.of("interocular")) if len(errors.of("interocular")) else None
        own.update(_counts(errors))
        figures.update({"condition_%s_%s" % (condition, key): value for key, value in own.items()})
    return figures


def _counts(errors: Errors) -> Dict[str, int]:
    values = errors.of("interocular")
    return {"faces": len(values), "missed": int(np.isnan(values).sum())}


def conditions_table(figures: Dict[str, object], backends: Sequence[str]) -> List[str]:
    """Lines of text: a row for each condition in ``figures``, columns for each of ``backends``, the first one first."""
    names = [Path(backend).stem if backend.endswith(".onnx") else backend for backend in backends]
    starts = [""] + [name + "_" for name in names[1:]]
    lines = ["%-14s %6s %7s" % ("condition", "faces", "missed")]
    lines[0] += "".join("  %22s" % (name[:14] + " nme, > 8 %") for name in names)
    for condition in ("",) + CONDITIONS:
        inner = "condition_%s_" % condition if condition else ""
        line = "%-14s %6d %7d" % (
            condition or "as it is",
            figures[inner + "faces"],
            figures[inner + "missed"],
        )
        for start in starts:
            values = (figures[start + inner + key] for key in ("nme_interocular", "failure_rate_8"))
            line += "  %22s" % ", ".join("-" if value is None else "%.2f %%" % (value * 100) for value in values)
        lines.append(line)
    return lines


def _as_detector(truth: Box) -> Box:
    """The box that CenterFace would give for a face whose points fill ``truth`` (see ``fast_landmarks``)."""
    size = max(truth.width, truth.height) / EXTENT
    x, y = truth.center
    return Box(x - size / 2, y - DOWN * size - size / 2, x + size / 2, y - DOWN * size + size / 2)
