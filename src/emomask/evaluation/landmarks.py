"""How well the 68-point network does on hand-made points, behind the project's own detector."""

import time
from typing import Dict

import numpy as np

from emomask.errors import DataError
from emomask.faces import Box
from emomask.landmark_index import OUTER_EYE_CORNERS
from emomask.perception.detection import Detection, create_detector
from emomask.perception.fast_landmarks import DOWN, EXTENT
from emomask.perception.landmarks import create_landmarker
from emomask.settings import Settings
from emomask.training.landmarks68 import crops_in_color, is_validation

AUC_LIMIT = 0.07
FAILURE = 0.08
DETECTION_SIZE = 320  # the crops show one face in their middle half


def evaluate_landmarks(data, settings=None, boxes="detector") -> Dict[str, object]:
    """Figures of ``settings.landmarks`` on the validation photos of a 68-point set (see ``is_validation``).

    ``boxes``: ``detector`` (a face that the detector misses counts as a failure with the error of a blind guess: the
    middle of the picture) or ``ideal`` (the box around the true points, grown as the detector's are).

    Keys: ``nme_interocular`` (mean distance over that of the outer eye corners), ``nme_box`` (over the square root of
    the true box's area), ``auc_7`` (area under the cumulative curve of ``nme_box`` up to 7 %), ``failure_rate_8``
    (``nme_interocular`` above 8 %), ``ms_per_face`` (landmarks only, of a face that is followed in a stream; median),
    ``ms_new_face`` (likewise, of a face seen for the first time), ``faces``, ``missed``, ``boxes``, ``model``.

    Raises DataError when the set cannot be read or has no validation photos.
    """
    settings = settings or Settings()
    detector = create_detector(settings)
    landmarker = create_landmarker(settings, detector)
    errors, errors_box, new, followed, missed = [], [], [], [], 0
    for _name, image, points in crops_in_color(data, is_validation):
        truth = Box.around(points)
        if boxes == "ideal":
            detection = Detection(_as_detector(truth), 1.0)
        else:
            found = detector.detect(image, settings.detection_threshold, DETECTION_SIZE)
            near = [d for d in found if d.box.iou(truth) > 0.2]
            detection = max(near, key=lambda d: d.box.iou(truth)) if near else None
        if detection is None:
            missed += 1
            detection = Detection(Box(0, 0, image.shape[1], image.shape[0]), 0.0)
        start = time.perf_counter()
        found = landmarker.locate(image, [detection])[0]
        new.append(time.perf_counter() - start)
        start = time.perf_counter()
        landmarker.locate(image, [detection], [found])
        followed.append(time.perf_counter() - start)
        distance = float(np.linalg.norm(found - points, axis=1).mean())
        left, right = OUTER_EYE_CORNERS
        errors.append(distance / float(np.linalg.norm(points[left] - points[right])))
        errors_box.append(distance / truth.area**0.5)
    if not errors:
        raise DataError("%s has no validation photos (helen_*, afw_*)." % data)
    errors, errors_box = np.array(errors), np.array(errors_box)
    return {
        "nme_interocular": float(errors.mean()),
        "nme_box": float(errors_box.mean()),
        "auc_7": float(np.clip(1 - errors_box / AUC_LIMIT, 0, 1).mean()),
        "failure_rate_8": float((errors > FAILURE).mean()),
        "ms_per_face": float(np.median(followed) * 1e3),
        "ms_new_face": float(np.median(new) * 1e3),
        "faces": len(errors),
        "missed": missed,
        "boxes": boxes,
        "model": landmarker.checksum,
    }


def _as_detector(truth: Box) -> Box:
    """The box that CenterFace would give for a face whose points fill ``truth`` (see ``fast_landmarks``)."""
    size = max(truth.width, truth.height) / EXTENT
    x, y = truth.center
    return Box(x - size / 2, y - DOWN * size - size / 2, x + size / 2, y - DOWN * size + size / 2)
