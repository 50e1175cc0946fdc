"""A still picture in memory, with what belongs to it: alpha, grey, 16 bits, colour profile, EXIF."""

from dataclasses import dataclass
from typing import Optional

import numpy as np


@dataclass(eq=False)
class Picture:
    """A still picture, upright, and what is needed to write it back; no thumbnail or other preview.

    Attributes
    ----------
    frame: uint8 ``(H, W, 3)`` BGR; where the picture is transparent, the colours that lie there all the same.
    name: what it is called in messages; one line.
    grey: True when the picture has no colours; the three channels of ``frame`` are then equal.
    alpha: ``(H, W)``, uint8 or, when ``deep`` is there, uint16; None when the picture is opaque.
    deep: the values of a 16-bit picture, uint16 ``(H, W)`` when grey, else ``(H, W, 3)`` BGR; None with 8 bits.
    white: the 16-bit value that is 255 in ``frame``: 65535, or 2**n - 1 when a picture holds no more than n < 15 bits,
        which would be nearly black otherwise.
    profile: the ICC profile of ``frame``'s colours; empty when there is none.
    exif: EXIF as JPEG and PNG hold it, with orientation 1, without thumbnail and MakerNote; empty when there is none.
    """

    frame: np.ndarray
    name: str = "the picture"
    grey: bool = False
    alpha: Optional[np.ndarray] = None
    deep: Optional[np.ndarray] = None
    white: int = 65535
    profile: bytes = b""
    exif: bytes = b""
