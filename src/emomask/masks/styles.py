"""The ways to cover a face, and the protocol that they share."""

from typing import Optional, Protocol

import cv2
import numpy as np

from emomask.faces import Box
from emomask.masks.region import Region
from emomask.settings import Settings

# Across the region's longer side; a face inside it has little more than one. Of 50 people in 300 portraits the best of
# four attackers named 3.3 %, and of solid masks 2.7 % (chance is 2 %); with three cells that kept their colour, 5.0 %.
CELLS = 2
GREY = 128.0  # the mean colour of a mosaic, whatever the light and the skin
FRAME_CELLS = 10  # across the longer side of a frame that is pixelated as a whole


class Style(Protocol):
    """Covers one face."""

    def cover(self, image: np.ndarray, region: Region, emotion: str) -> Optional[Box]:
        """Replace at least the pixels of ``region`` in the uint8 H x W x 3 BGR ``image``, in place.

        ``emotion``: a name from ``EMOTIONS``, for styles that show it. Returns the box around the replaced pixels, None
        when the region lies outside of the image.
        """


def create_style(settings: Settings) -> Style:
    """The style that ``settings.style`` names. Raises ModelError when its pictures are missing or damaged."""
    if settings.style == "emoji":
        from emomask.masks.emoji import Emoji

        return Emoji(settings.emojis)
    return {"blur": Blur, "pixelate": Pixelate, "solid": Solid}[settings.style]()


class _Plain:
    """Base of the styles that replace just the region."""

    def cover(self, image: np.ndarray, region: Region, emotion: str) -> Optional[Box]:
        patch = region.pixels(*image.shape[:2])
        if patch is None:
            return None
        view = patch.of(image)
        inside = patch.mask > 0
        np.copyto(view, self._instead(view, inside, region), where=inside[..., None])
        return patch.box

    def _instead(self, view: np.ndarray, inside: np.ndarray, region: Region) -> np.ndarray:
        """What replaces ``view``, the pixels of the frame around ``region``, where ``inside`` is set."""
        raise NotImplementedError


class Solid(_Plain):
    """One colour: mid grey."""

    color = np.array([128, 128, 128], np.uint8)

    def _instead(self, view: np.ndarray, inside: np.ndarray, region: Region) -> np.ndarray:
        return self.color


class _Mosaic(_Plain):
    """A few large cells, whatever the face's size, that tell how their colours differ but not what they are.

    Light and skin would tell people apart: the mean colour is always mid grey.
    """

    interpolation: int  # OpenCV's, from the cells to pixels

    def _instead(self, view: np.ndarray, inside: np.ndarray, region: Region) -> np.ndarray:
        coarse = mosaic(view, region.longest / CELLS, self.interpolation)
        shift = GREY - np.array(cv2.mean(coarse, inside.astype(np.uint8))[:3])
        return np.clip(coarse + shift, 0, 255).astype(np.uint8)


class Pixelate(_Mosaic):
    """The cells as they are."""

    interpolation = cv2.INTER_NEAREST


class Blur(_Mosaic):
    """The cells' colours joined smoothly: a blur that leaves no more than they hold."""

    interpolation = cv2.INTER_CUBIC


def mosaic(image: np.ndarray, cell: float, interpolation: int) -> np.ndarray:
    """``image`` averaged over cells of about ``cell`` pixels and enlarged to its size again."""
    height, width = image.shape[:2]
    size = (max(1, round(width / cell)), max(1, round(height / cell)))
    return cv2.resize(
        cv2.resize(image, size, interpolation=cv2.INTER_AREA), (width, height), interpolation=interpolation
    )


def pixelated_frame(frame: np.ndarray) -> np.ndarray:
    """The whole frame as a mosaic in which not even a face that fills it can be recognised."""
    return mosaic(frame, max(frame.shape[:2]) / FRAME_CELLS, cv2.INTER_NEAREST)
