"""Looks for a face in whatever a run has left: its bytes, numbers written as text, and pictures at any size."""

import base64
from pathlib import Path

import av
import cv2
import numpy as np

ROW = 24  # pixels in a row that are no chance
ALIKE = 0.75  # normalised correlation from which a part of a picture is the face; other parts stay below 0.6
SIDES = (16, 20, 25, 32, 40, 50, 64, 80, 100, 126)  # pixels of the face's longer side
STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"II*\0", b"MM\0*", b"BM")  # of pictures, perhaps within other files


def traces(folder, picture, face):
    """What of ``folder`` shows the ``face`` (left, top, right, bottom) of ``picture``, uint8 ``(H, W, 3)`` BGR.

    A list of ``(path, how)``: as bytes of pixels, as text, or in a picture, a thumbnail or a frame of a video.
    """
    left, top, right, bottom = (int(value) for value in face)
    crop = picture[top:bottom, left:right]
    needles = _needles(crop)
    found = []
    for path in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
        data = path.read_bytes()
        found += [(path, how) for how, needle in needles if needle in data]
        found += [(path, how) for how, image in _images(path, data) if is_shown(image, crop)]
    return found


def is_shown(image, crop):
    """Whether the face ``crop`` can be seen in ``image``, both uint8 BGR, at any of ``SIDES`` up to its own."""
    grey, face = (cv2.cvtColor(one, cv2.COLOR_BGR2GRAY) for one in (image, crop))
    for side in SIDES:
        scale = min(1.0, side / max(face.shape))
        template = cv2.resize(face, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        if all(whole >= part for whole, part in zip(grey.shape, template.shape)):
            likeness = cv2.matchTemplate(grey, template, cv2.TM_CCOEFF_NORMED)
            if likeness[np.isfinite(likeness)].max(initial=0.0) > ALIKE:
                return True
        if scale == 1.0:
            return False
    return False


def _needles(crop):
    """Byte strings that only a copy of the crop's pixels holds."""
    needles = []
    for row in crop[len(crop) // 4 :: max(1, len(crop) // 8), :ROW]:
        grey = cv2.cvtColor(row[None], cv2.COLOR_BGR2GRAY)[0]
        for name, values in (("BGR", row), ("RGB", row[:, ::-1]), ("grey", grey)):
            numbers = np.ascontiguousarray(values).ravel()
            needles.append(("%s bytes" % name, numbers.tobytes()))
            for separator in (", ", ",", " "):
                needles.append(("%s text" % name, separator.join(map(str, numbers[:ROW])).encode()))
            # Base64 of the same bytes depends on where they begin, modulo three.
            for skipped in range(3):
                whole = (len(numbers) - skipped) // 3 * 3
                needles.append(("%s base64" % name, base64.b64encode(numbers.tobytes()[skipped : skipped + whole])))
    return needles


def _images(path, data):
    """Every picture that can be made of a file: ``(how, uint8 BGR)``."""
    for start in STARTS:
        position = data.find(start)
        while position >= 0:
            image = cv2.imdecode(np.frombuffer(data[position:], np.uint8), cv2.IMREAD_COLOR)
            if image is not None:
                yield "picture at byte %d" % position, image
            position = data.find(start, position + 1)
    try:
        with av.open(str(path)) as container:
            for stream in container.streams.video:
                for number, frame in enumerate(container.decode(stream)):
                    yield "frame %d" % number, frame.to_ndarray(format="bgr24")
                break
    except (av.FFmpegError, OSError, ValueError):
        return  # no video
