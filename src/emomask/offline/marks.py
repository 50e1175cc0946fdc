"""What is covered in one frame of a file, as a report tells it and a person may edit it."""

import math
from dataclasses import dataclass
from typing import List, Optional, Tuple

from emomask.errors import DataError, described
from emomask.faces import EMOTIONS, NEUTRAL, Box, Face
from emomask.masks.region import Region

FOUND, REMEMBERED, EDITED = "found", "remembered", "edited"


@dataclass(frozen=True)
class Mark:
    """One covered face in one frame. Coordinates are pixels of the full, upright frame.

    Attributes
    ----------
    track: the same number for the same face over the frames.
    box: of the whole face.
    region: the ellipse whose pixels are replaced.
    emotion, probabilities: as in ``Face``.
    score: the detector's confidence, 0..1.
    origin: FOUND in this frame, REMEMBERED from an earlier or a later one, or EDITED by a person.
    """

    track: int
    box: Box
    region: Region
    emotion: str = NEUTRAL
    probabilities: Tuple[float, ...] = ()
    score: float = 0.0
    origin: str = EDITED

    @classmethod
    def of(cls, face: Face, region: Region) -> "Mark":
        """The mark of ``face``, which is covered by ``region``."""
        return cls(
            face.track_id,
            face.box,
            region,
            face.emotion,
            tuple(float(value) for value in face.probabilities),
            face.score,
            REMEMBERED if face.held else FOUND,
        )

    def as_dict(self) -> dict:
        """Plain values for JSON: the box to a tenth of a pixel, the region as exactly as it is."""
        region = self.region
        return {
            "track": self.track,
            "box": [round(value, 1) for value in self.box],
            "region": {
                "x": region.x,
                "y": region.y,
                "half_width": region.half_width,
                "half_height": region.half_height,
                "angle": region.angle,
            },
            "emotion": self.emotion,
            "probabilities": [round(value, 4) for value in self.probabilities],
            "score": round(self.score, 4),
            "origin": self.origin,
        }

    @classmethod
    def from_dict(cls, values: dict) -> "Mark":
        """The mark that ``as_dict`` wrote or that a person did, who may give no more than a ``box``.

        Without a region, the ellipse around the whole box is covered. Raises DataError when values are missing or no
        numbers.
        """
        try:
            unknown = set(values) - set(cls.__dataclass_fields__)
            if unknown:
                raise DataError("a face has no %r" % sorted(unknown)[0])
            region = values.get("region")
            box = values.get("box")
            if region is None:
                region = _around(_numbers(box, 4))
            else:
                names = ("x", "y", "half_width", "half_height", "angle")
                region = Region(*_numbers([region[name] for name in names[:4]] + [region.get("angle", 0.0)], 5))
            if region.half_width <= 0 or region.half_height <= 0:
                raise DataError("a region has no size")
            emotion = values.get("emotion", NEUTRAL)
            if emotion not in EMOTIONS:
                raise DataError("the emotion %r is not one of %s" % (emotion, ", ".join(EMOTIONS)))
            return cls(
                int(values.get("track", 0)),
                region.box if box is None else Box(*_numbers(box, 4)),
                region,
                emotion,
                tuple(_numbers(values.get("probabilities") or (), None)),
                float(values.get("score", 0.0)),
                str(values.get("origin", EDITED)),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DataError("a face is not described as it should be (%s)" % described(error)) from error


def _around(box: List[float]) -> Region:
    """The upright ellipse with the proportions of ``box`` that holds all of it."""
    left, top, right, bottom = box
    return Region(
        (left + right) / 2, (top + bottom) / 2, (right - left) / math.sqrt(2), (bottom - top) / math.sqrt(2), 0.0
    )


def _numbers(values, count: Optional[int]) -> List[float]:
    numbers = [float(value) for value in values]
    if count is not None and len(numbers) != count:
        raise ValueError("%d numbers are needed, not %d" % (count, len(numbers)))
    if not all(map(math.isfinite, numbers)):
        raise ValueError("not a finite number")
    return numbers
