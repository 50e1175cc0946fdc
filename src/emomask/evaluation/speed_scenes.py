"""The frames on which speed is measured: the demo clip or a source at several sizes, and pictures of 1 to 64 faces."""

import itertools
import math
from typing import Iterator, List, NamedTuple, Tuple

import cv2
import numpy as np

from emomask.errors import SettingsError, SourceError
from emomask.faces import Box
from emomask.media import demo_clip
from emomask.media.address import CAMERA, STREAM, parse_address
from emomask.media.source_settings import SourceSettings
from emomask.media.sources import open_source

SIZES = ((640, 480), (1280, 720), (1920, 1080))
FACES = (1, 4, 16, 64)
CROWD_SIZE = (1280, 720)  # of the pictures with so many faces, in pixels
_FACE = Box(126, 14, 326, 230)  # head and neck in the astronaut's picture
FIRST = 135  # frame of the demo clip with which its scenes begin; from here on it shows three faces
_SWAY = 3.0  # pixels by which the people move to and fro, so that each frame is another one


class Scene(NamedTuple):
    """Frames that belong to one stream: uint8 ``(H, W, 3)`` BGR, and the true faces of each."""

    name: str
    frames: List[np.ndarray]
    faces: List[List[Box]]


def parsed_size(text: str) -> Tuple[int, int]:
    """Width and height of ``WIDTHxHEIGHT``. Raises SettingsError for another text."""
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and 96 <= int(width) <= 7680 and 96 <= int(height) <= 4320):
        raise SettingsError("A size is WIDTHxHEIGHT in pixels, such as 640x480, not %r." % text)
    return int(width), int(height)


def demo_frames(width: int, height: int, first: int, count: int) -> Iterator[Tuple[np.ndarray, List[Box]]]:
    """So many frames of the demo clip from ``first`` on, fitted, and their faces.

    Raises SourceError without scikit-image.
    """
    clip = demo_clip.DemoClip()
    for index in range(first, first + count):
        frame, scale, (left, top) = _fitted(clip.frame(index), width, height)
        boxes = [Box(*(np.array(box) * scale)).moved(left, top) for box in demo_clip.true_faces(index)]
        yield frame, boxes


def source_frames(source: str, width: int, height: int, count: int) -> Iterator[np.ndarray]:
    """The first ``count`` frames of a video file, a folder or the demo clip, or all if it has fewer, fitted.

    Raises SettingsError for a camera or a stream, SourceError as ``open_source`` does.
    """
    address = parse_address(source)
    if address.kind in (CAMERA, STREAM):
        raise SettingsError(
            "Speed is measured on a video file or a folder of images: frames of %s would have to be stored for it."
            % address.shown
        )
    with open_source(SourceSettings(source=source)) as opened:
        for captured in itertools.islice(iter(opened.read, None), count):
            yield _fitted(captured.image, width, height)[0]


def _fitted(frame: np.ndarray, width: int, height: int) -> Tuple[np.ndarray, float, Tuple[int, int]]:
    """``frame`` enlarged or shrunk to fit, by how much, and where its left upper corner is then.

    What the size has besides goes on in the colours of its edges.
    """
    rows, columns = frame.shape[:2]
    scale = min(height / rows, width / columns)
    size = (round(columns * scale), round(rows * scale))
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    if size != (columns, rows):
        frame = cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR)
    if size != (width, height):
        borders = (top, height - size[1] - top, left, width - size[0] - left)
        frame = cv2.copyMakeBorder(frame, *borders, cv2.BORDER_REPLICATE)
    return frame, scale, (left, top)


def demo_scene(width: int, height: int, count: int) -> Scene:
    """``demo_frames`` with three faces as a scene."""
    frames, faces = zip(*demo_frames(width, height, FIRST, count))
    return Scene("%dx%d" % (width, height), list(frames), list(faces))


def crowd_scene(people: int, count: int) -> Scene:
    """``count`` frames of ``CROWD_SIZE`` with so many faces in rows, which sway. Raises SourceError as above."""
    try:
        from skimage import data
    except ImportError as error:
        raise SourceError("The pictures of faces need scikit-image (%s): pip install scikit-image." % error) from error
    width, height = CROWD_SIZE
    left, top, right, bottom = (int(edge) for edge in _FACE)
    portrait = np.ascontiguousarray(data.astronaut()[top:bottom, left:right, ::-1])
    rows = max(1, int(math.sqrt(people * height / width)))
    columns = math.ceil(people / rows)
    # A lone face would fill the frame, which few cameras show: none is larger than half of the height.
    room = min(width / columns / portrait.shape[1], height / max(rows, 2) / portrait.shape[0])
    scale = 0.9 * room
    places = [
        ((column + 0.5) * width / columns, (row + 0.5) * height / rows)
        for row in range(rows)
        for column in range(columns)
    ][:people]
    half = (portrait.shape[1] * scale / 2, portrait.shape[0] * scale / 2)
    picture = np.full((height, width, 3), (96, 112, 120), np.uint8)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(portrait, (int(2 * half[0]), int(2 * half[1])), interpolation=method)
    for x, y in places:
        left, top = int(x - half[0]), int(y - half[1])
        picture[top : top + small.shape[0], left : left + small.shape[1]] = small
    frames, faces = [], []
    for index in range(count):
        shift = _SWAY * math.sin(2 * math.pi * index / 30)
        moved = np.array([[1, 0, shift], [0, 1, 0]])
        frames.append(cv2.warpAffine(picture, moved, CROWD_SIZE, borderMode=cv2.BORDER_REPLICATE))
        faces.append([Box(x - half[0] + shift, y - half[1], x + half[0] + shift, y + half[1]) for x, y in places])
    return Scene("%d faces" % people if people > 1 else "1 face", frames, faces)
