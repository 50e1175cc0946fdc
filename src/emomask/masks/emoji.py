"""Emojis: one picture for each emotion, opaque, turned with the head."""

from pathlib import Path
from typing import List, NamedTuple, Optional, Tuple

import cv2
import numpy as np

from emomask.errors import ModelError
from emomask.faces import EMOTIONS, Box
from emomask.masks.region import Patch, Region
from emomask.perception.geometry import rotation
from emomask.resources import share_folder

OPAQUE = 250  # alpha from which a pixel of an emoji hides what is behind it
SMALLEST_LEVEL = 16  # pixels
LARGEST_STRETCH = 1.5  # a picture whose opaque disc is smaller than 1/1.5 of it is not enlarged further, but filled in


class Drawing(NamedTuple):
    """An emoji at halving sizes, its mean colour (uint8 BGR), and two radii over half its side.

    Each of ``levels`` is uint8 ``(S, S, 4)``: BGR multiplied by alpha, and alpha. ``disc``: the largest circle around
    the middle that is opaque all over; ``reach``: the smallest that holds every visible pixel.
    """

    levels: List[np.ndarray]
    fill: np.ndarray
    disc: float
    reach: float


class Emoji:
    """Covers a face with the emoji of its emotion.

    ``folder``: one PNG for each of ``EMOTIONS`` (``happy.png`` ...), square or not, with or without alpha; empty for
    the built-in set. Every pixel of the region is replaced: where the picture is not opaque, its mean colour stands
    behind it. Raises ModelError when a picture is missing or unreadable.
    """

    def __init__(self, folder: str = ""):
        place = Path(folder).expanduser() if folder else share_folder() / "emojis"
        # One after the other: threads would save a twelfth of a second, and each keep what it needed meanwhile (30 MB).
        self._drawings = {emotion: _load(place / (emotion + ".png")) for emotion in EMOTIONS}

    def cover(self, image: np.ndarray, region: Region, emotion: str) -> Optional[Box]:
        """See ``Style.cover``; the emoji is round, so it replaces the circle around the region.

        Where that is all of the image, the emoji lies upright in its middle: where it would else lie, how large and how
        tilted, would tell of the face's proportions, by which people can be told apart.
        """
        drawing = self._drawings[emotion]
        circle = region.rounded()
        height, width = image.shape[:2]
        if circle.holds(height, width):
            patch = Patch(0, 0, np.full((height, width), 255, np.uint8))
            half = min(height, width) / 2
            circle = Region((width - 1) / 2, (height - 1) / 2, half, half, 0.0)
            radius = half / drawing.disc
        else:
            # One pixel more than the circle, so that the picture's soft edge falls outside of it.
            radius = (circle.half_width + 1.5) / drawing.disc
            patch = circle.pixels(height, width, border=radius * drawing.reach - circle.half_width)
        if patch is None:
            return None
        picture = _fitting(drawing.levels, 2 * radius)
        side = picture.shape[0]
        turn = rotation(circle.angle) * (2 * radius / side)
        center = np.array([circle.x - patch.left, circle.y - patch.top])
        matrix = np.column_stack([turn, center - turn @ np.array([(side - 1) / 2, (side - 1) / 2])])
        size = (patch.mask.shape[1], patch.mask.shape[0])
        drawn = cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR)
        _blend(drawn, patch.mask, drawing.fill, patch.of(image))
        return Patch(patch.left, patch.top, patch.mask | drawn[..., 3]).box


def _blend(drawn: np.ndarray, mask: np.ndarray, fill: np.ndarray, view: np.ndarray) -> None:
    """Put ``drawn`` (premultiplied BGRA) over ``view`` (BGR), in place; under ``mask``, ``fill`` is behind it.

    Nearly all pixels are opaque and are copied; only the others need arithmetic.
    """
    alpha = cv2.extractChannel(drawn, 3)
    opaque = cv2.compare(alpha, 255, cv2.CMP_EQ)
    cv2.copyTo(cv2.cvtColor(drawn, cv2.COLOR_BGRA2BGR), opaque, view)
    others = cv2.findNonZero(cv2.bitwise_and(cv2.bitwise_not(opaque), cv2.bitwise_or(mask, alpha)))
    if others is None:
        return
    columns, rows = others.reshape(-1, 2).T  # OpenCV 4 gives (N, 1, 2), OpenCV 5 (N, 2)
    behind = np.where(mask[rows, columns, None] > 0, fill, view[rows, columns]).astype(np.uint16)
    soft = drawn[rows, columns].astype(np.uint16)
    view[rows, columns] = np.minimum(soft[:, :3] + (behind * (255 - soft[:, 3:]) + 127) // 255, 255)


def _fitting(levels: List[np.ndarray], wanted: float) -> np.ndarray:
    """The smallest picture that need not be enlarged, so that little is lost by bilinear sampling."""
    for picture in reversed(levels):
        if picture.shape[0] >= wanted:
            return picture
    return levels[0]


def _load(path: Path) -> Drawing:
    try:
        data = np.fromfile(str(path), np.uint8)
    except OSError as error:
        raise ModelError(
            "The emoji %s cannot be read (%s). An emoji folder holds %s."
            % (path, error.strerror or error, ", ".join(emotion + ".png" for emotion in EMOTIONS))
        ) from error
    picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if picture is None or picture.dtype != np.uint8:
        raise ModelError("The emoji %s is not an 8-bit picture." % path)
    if picture.ndim == 2:
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGRA)
    elif picture.shape[2] == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_BGR2BGRA)
    picture = _trimmed(picture, path)
    alpha = picture[..., 3:].astype(np.float32) / 255
    colors = picture[..., :3] * alpha
    fill = colors.reshape(-1, 3).sum(axis=0) / alpha.sum()
    levels = [np.round(np.concatenate([colors, alpha * 255], axis=2)).astype(np.uint8)]
    while levels[-1].shape[0] >= 2 * SMALLEST_LEVEL:
        half = levels[-1].shape[0] // 2
        levels.append(cv2.resize(levels[-1], (half, half), interpolation=cv2.INTER_AREA))
    disc, reach = _radii(picture[..., 3])
    return Drawing(levels, np.round(fill).astype(np.uint8), max(disc, 1 / LARGEST_STRETCH), reach)


def _trimmed(picture: np.ndarray, path: Path) -> np.ndarray:
    """The visible part of the picture, made square by transparent borders."""
    left, top, width, height = cv2.boundingRect((picture[..., 3] > 0).astype(np.uint8))
    if not width:
        raise ModelError("The emoji %s is wholly transparent." % path)
    side = max(width, height)
    square = np.zeros((side, side, 4), np.uint8)
    x, y = (side - width) // 2, (side - height) // 2
    square[y : y + height, x : x + width] = picture[top : top + height, left : left + width]
    return square


def _radii(alpha: np.ndarray) -> Tuple[float, float]:
    """Over half the side: radius of the largest centred disc that is opaque, and of the smallest that shows all."""
    side = alpha.shape[0]
    y, x = np.ogrid[0:side, 0:side]
    distance = np.hypot(x - (side - 1) / 2, y - (side - 1) / 2) / (side / 2)
    disc = distance[alpha < OPAQUE].min() if (alpha < OPAQUE).any() else 1.0
    # Two pixels of the smallest level are added: its pixels are means over many.
    return float(min(1.0, disc)), float(distance[alpha > 0].max() + 2 / SMALLEST_LEVEL)
