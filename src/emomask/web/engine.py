"""The networks, loaded once for all visitors, and the threads on which they run."""

import asyncio
import io
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Sequence

import cv2

from emomask.errors import EmomaskError, FrameError, SourceError
from emomask.faces import EMOTIONS, Box, Face
from emomask.masker import Masker
from emomask.masks.cover import Cover
from emomask.masks.styles import create_style
from emomask.media.picture import Picture
from emomask.media.picture_writer import write_picture
from emomask.perception.perceiver import Perceiver
from emomask.settings import STYLES, Settings
from emomask.web.choices import Choices
from emomask.web.limits import Turns
from emomask.web.sandbox import Sandbox

# A camera's frame may have so many pixels: Full HD and a little more.
LIVE_PIXELS = 1 << 21
LIVE_MEMORY = 128 << 20
LIVE_SECONDS = 2.0
LIVE_QUALITY = 80


class MaskingError(EmomaskError):
    """A picture could not be masked; nothing of it may be shown."""


class MaskedFile(NamedTuple):
    """A masked picture as a file.

    Attributes
    ----------
    data: the file; empty when the frame was withheld.
    width, height: pixels.
    faces: as ``face_as_dict`` makes them.
    milliseconds: from the upload's bytes to the result's.
    """

    data: bytes
    width: int
    height: int
    faces: List[Dict[str, Any]]
    milliseconds: float


class Engine:
    """Masks pictures and streams of frames for many visitors.

    Each visitor's frames wait in one line with those of the others, at most one of each, so that all are served in
    turn, and so are their pictures, which have threads of their own and leave a core to the streams.

    Parameters
    ----------
    settings: how faces are found and covered, where visitors do not choose; ``threads`` 0 means one for each picture.
    sets: the emoji sets, see ``WebSettings.sets``.
    largest_pixels: of a picture.

    Raises ModelError when a network or an emoji set is missing or damaged.
    """

    def __init__(self, settings: Settings, sets: Mapping[str, str], largest_pixels: int):
        self.sets = dict(sets)
        self._settings = settings.replace(threads=settings.threads or 1)
        self._perceiver = Perceiver(self._settings)
        self._perceiver.warm_up(480, 640)
        # All of them now: what is wrong with a set is said at the start, and no visitor can make the server load one.
        self._emojis = {
            name: create_style(settings.replace(style="emoji", emojis=folder)) for name, folder in self.sets.items()
        }
        self._others = {style: create_style(settings.replace(style=style)) for style in STYLES if style != "emoji"}
        shared = settings.detector == "centerface" and settings.landmarks == "fast"
        cores = (os.cpu_count() or 1) if shared else 1  # the other networks bear one thread at a time
        self._live_threads = ThreadPoolExecutor(cores, "live")
        self._picture_threads = ThreadPoolExecutor(max(1, cores - 1), "picture") if shared else self._live_threads
        self._turns = Turns(max(1, cores - 1))
        self._live_sandbox = Sandbox(cores, LIVE_PIXELS, LIVE_MEMORY, LIVE_SECONDS, is_camera=True)
        self._picture_sandbox = Sandbox(max(1, cores - 1), largest_pixels)

    @property
    def models(self) -> Dict[str, str]:
        """The networks in use, see ``Masker.models``."""
        return self._perceiver.models

    async def mask(self, data: bytes, choices: Choices, form: str, visitor: str) -> MaskedFile:
        """Mask the picture that ``data``, the bytes of a file, holds, into the format ``form`` (png, jpg, webp).

        ``visitor``: whose it is; the visitors' pictures are masked in turn.

        Raises SourceError when it cannot be decoded, SettingsError for a choice that there is not, and MaskingError
        when it could not be masked.
        """
        async with self._turns.taken_by(visitor):
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._picture_threads, self._mask, data, choices, form)

    def stream(self, choices: Choices) -> "LiveStream":
        """A new stream of frames. Raises SettingsError for a choice that there is not."""
        return LiveStream(self._masker(choices), self._live_sandbox, self._live_threads, self._cover)

    def close(self) -> None:
        """End the decoders and the threads."""
        for threads in {self._live_threads, self._picture_threads}:
            threads.shutdown(wait=True)
        self._live_sandbox.close()
        self._picture_sandbox.close()

    def _cover(self, choices: Choices) -> Cover:
        settings = choices.applied(self._settings, self.sets)
        style = self._emojis[choices.emoji_set] if choices.style == "emoji" else self._others[choices.style]
        return Cover(settings, style)

    def _masker(self, choices: Choices) -> Masker:
        return Masker(choices.applied(self._settings, self.sets), self._perceiver, self._cover(choices))

    def _mask(self, data: bytes, choices: Choices, form: str) -> MaskedFile:
        began = time.monotonic()
        masker = self._masker(choices)
        decoded = self._picture_sandbox.decode(data)
        try:
            masked = masker.process(decoded.frame)
        except FrameError as error:
            raise SourceError(str(error)) from error
        if masked.error is not None:
            raise MaskingError("The picture could not be masked, so nothing of it is shown. Try another one.")
        file = io.BytesIO()
        picture = Picture(decoded.frame, profile=decoded.profile)
        write_picture(picture, masked.image, _covered(masked.faces), file, form)
        height, width = masked.image.shape[:2]
        return MaskedFile(file.getvalue(), width, height, [face_as_dict(face) for face in masked.faces], _since(began))


class LiveStream:
    """The frames of one visitor's camera, one after the other; faces keep their number and are remembered."""

    def __init__(
        self, masker: Masker, sandbox: Sandbox, threads: ThreadPoolExecutor, cover: Callable[[Choices], Cover]
    ):
        self._masker = masker
        self._sandbox = sandbox
        self._threads = threads
        self._cover = cover

    def choose(self, choices: Choices) -> None:
        """Cover faces otherwise from the next frame on; none is forgotten. Raises SettingsError as ``stream`` does."""
        self._masker.cover = self._cover(choices)

    async def mask(self, data: bytes) -> MaskedFile:
        """Mask a frame, the bytes of a picture, into a JPEG; call it anew only when it has returned.

        Raises SourceError when the frame cannot be decoded and MaskingError when it could not be masked.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._mask, data)

    def _mask(self, data: bytes) -> MaskedFile:
        began = time.monotonic()
        frame = self._sandbox.decode(data).frame
        try:
            masked = self._masker.process(frame, began)
        except FrameError as error:
            raise SourceError(str(error)) from error
        if masked.error is not None:
            raise MaskingError("This frame could not be masked and is not shown.")
        height, width = masked.image.shape[:2]
        faces = [face_as_dict(face) for face in masked.faces]
        return MaskedFile(jpeg(masked.image), width, height, faces, _since(began))


def jpeg(image) -> bytes:
    """uint8 ``(H, W, 3)`` BGR as a JPEG for a live view."""
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, LIVE_QUALITY])[1].tobytes()


def face_as_dict(face: Face) -> Dict[str, Any]:
    """A face for JSON: pixels of the picture, probabilities by the emotions' names."""
    return {
        "track": face.track_id,
        "box": _rounded(face.box),
        "covered": None if face.covered is None else _rounded(face.covered),
        "score": round(float(face.score), 3),
        "held": bool(face.held),
        "emotion": face.emotion,
        "probabilities": {name: round(float(value), 4) for name, value in zip(EMOTIONS, face.probabilities)},
    }


def _rounded(box: Box) -> List[float]:
    return [round(float(edge), 1) for edge in box]


def _covered(faces: Sequence[Face]) -> List[Box]:
    return [face.covered for face in faces if face.covered is not None]


def _since(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 1)
