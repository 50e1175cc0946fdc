"""The demo pictures: made by code from pictures that scikit-image carries."""

from typing import Callable, Dict, NamedTuple

import cv2
import numpy as np

from emomask.errors import SourceError
from emomask.media.demo_clip import DemoClip


class DemoPicture(NamedTuple):
    """A demo picture: what it shows, and what makes it as uint8 ``(H, W, 3)`` BGR."""

    title: str
    make: Callable[[], np.ndarray]


def _sample(name: str) -> np.ndarray:
    try:
        from skimage import data
    except ImportError as error:
        raise SourceError("The demo pictures need scikit-image: pip install scikit-image") from error
    return np.ascontiguousarray(getattr(data, name)()[..., ::-1])


_PICTURES = {
    "portrait": DemoPicture("A portrait", lambda: _sample("astronaut")),
    "close": DemoPicture("Close to the camera", lambda: DemoClip().frame(39)),
    "two": DemoPicture("Two people", lambda: DemoClip().frame(100)),
    "three": DemoPicture("Three people", lambda: DemoClip().frame(165)),
    "none": DemoPicture("Nobody", lambda: _sample("coffee")),
}


class Demo:
    """The demo pictures as JPEG files, by their names; ``titles``: what they show."""

    def __init__(self):
        self.titles: Dict[str, str] = {name: picture.title for name, picture in _PICTURES.items()}
        self._files = {
            name: cv2.imencode(".jpg", picture.make(), [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()
            for name, picture in _PICTURES.items()
        }

    def file(self, name: str) -> bytes:
        """The JPEG of a demo picture. Raises KeyError when there is none of this name."""
        return self._files[name]
