"""Image topics masked in worker processes, one for each topic."""

import collections
import contextlib
import math
import multiprocessing
import os
import queue
import threading
from io import BytesIO
from typing import NamedTuple, Optional

from sensor_msgs.msg import CompressedImage, Image

from emomask.errors import EmomaskError, FrameError
from emomask.faces import Box, Masked
from emomask.interrupts import interrupts_held
from emomask.masker import Masker
from emomask.nodes.messages import cover_compressed, cover_image, decode, decoded_to_array, image_to_array
from emomask.settings import Settings

IMAGES = {"sensor_msgs/Image": Image, "sensor_msgs/CompressedImage": CompressedImage}
# Stamps that go back by more seconds are a new recording, by less frames that overtook each other (as the listener).
CLOCK_JUMP = 0.5
# Spawned, because the networks' threads do not survive a fork.
_context = multiprocessing.get_context("spawn")
_END = object()  # after the last message that is to be sent to a process


class Job(NamedTuple):
    """What a worker is to do with the messages of a topic.

    ``type``: a key of ``IMAGES``; ``is_picture``: a person said so, whatever the encoding; ``quality`` of JPEG, 1..100.
    """

    type: str
    is_picture: bool
    quality: int


class Result(NamedTuple):
    """What became of a message: its bytes with ``faces`` regions covered, or None; ``reason`` says what failed."""

    data: Optional[bytes]
    faces: int
    reason: Optional[str]


class Streams:
    """The streams of several topics, of which ``jobs`` work at a time; a context manager that ends the processes."""

    def __init__(self, jobs: int):
        self._turn = _context.Semaphore(jobs)
        self._streams = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for stream in self._streams:
            stream.close()

    def open(self, job: Job, settings: Settings) -> "Stream":
        """A stream in a new process."""
        self._streams.append(Stream(job, settings, self._turn))
        return self._streams[-1]


class Stream:
    """The messages of one topic on their way through a Masker of their own: as many come out as went in, in order."""

    def __init__(self, job: Job, settings: Settings, turn):
        self._lookahead = settings.lookahead
        self._sent = self._received = self._flushed = 0
        # Pipes rather than multiprocessing's queues, whose locks are left over when a process is killed.
        inbox, to_process = _context.Pipe(duplex=False)
        self._outbox, outbox = _context.Pipe(duplex=False)
        self._process = _context.Process(target=_work, args=(job, settings, turn, inbox, outbox), daemon=True)
        # The process inherits this: Ctrl-C, which a terminal sends to all, is its parent's alone to handle.
        with interrupts_held():
            self._process.start()
        # The process has these ends alone: each side sees when the other one is gone.
        inbox.close()
        outbox.close()
        self._inbox = _Outgoing(to_process)

    def put(self, data: bytes, recorded: float) -> None:
        """Give a serialised message and when it was recorded, in seconds. Never waits."""
        self._sent += 1
        self._inbox.put((data, recorded))

    def get(self) -> Result:
        """The result of the next message; waits for it.

        When messages that were not given yet would be needed for the lookahead, it ends here. Raises EmomaskError when
        the networks cannot be loaded or the process has died.
        """
        if self._received >= max(self._flushed, self._sent - self._lookahead):
            self._flushed = self._sent
            self._inbox.put(None)
        try:
            result = self._outbox.recv()
        except (EOFError, OSError) as error:
            self._process.join()
            message = "A process that masks images died (exit code %s)." % self._process.exitcode
            raise EmomaskError(message) from error
        if isinstance(result, EmomaskError):
            raise result
        self._received += 1
        return result

    def close(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.join()
        self._inbox.close()
        self._outbox.close()


class _Outgoing:
    """The sending end of a pipe, for which nobody ever waits: a thread sends what is put, in order."""

    def __init__(self, connection):
        self._connection = connection
        self._items = queue.Queue()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def put(self, item) -> None:
        self._items.put(item)

    def close(self) -> None:
        """Send what is left, unless the other end is gone, and close the pipe."""
        self._items.put(_END)
        self._thread.join()
        self._connection.close()

    def _send(self) -> None:
        with contextlib.suppress(OSError):  # the other end is gone, which its reader or its owner notices
            for item in iter(self._items.get, _END):
                self._connection.send(item)


def _work(job: Job, settings: Settings, turn, inbox, outbox) -> None:
    """The life of a worker process; its parent ends it."""
    threading.Thread(target=_end_with_parent, daemon=True).start()  # a parent that is killed cannot
    results = _Outgoing(outbox)
    try:
        masker = Masker(settings.replace(rests="never"))
    except EmomaskError as error:
        results.put(error)
        results.close()
        return
    messages = _Messages(job, masker, turn, inbox)
    with contextlib.suppress(EOFError):  # the parent is gone
        while True:  # each time until the frames that wait are asked for, or the clock goes back
            for masked in masker.stream(messages.frames()):
                results.put(messages.result(masked))


class _Messages:
    """Messages as frames for ``Masker.stream``, and its results as messages."""

    def __init__(self, job: Job, masker: Masker, turn, inbox):
        self._job, self._masker, self._turn, self._inbox = job, masker, turn, inbox
        self._is_compressed = job.type == "sensor_msgs/CompressedImage"
        # Messages in the stream, what is decoded of compressed ones, and why they are no frames; oldest first.
        self._waiting = collections.deque()
        self._put_off = None
        self._last = -math.inf

    def frames(self):
        """Yield ``(frame, seconds)`` for each message; frame is None when it cannot be decoded."""
        while True:
            item = self._put_off or self._inbox.recv()
            self._put_off = None
            if item is None:
                return
            with self._turn:
                message, decoded, frame, seconds, reason = self._opened(*item)
                if seconds < self._last - CLOCK_JUMP:
                    self._put_off, self._last = item, -math.inf
                    self._masker.reset()
                    return
                self._last = max(seconds, self._last)
                self._waiting.append((message, decoded, reason))
                yield frame, self._last

    def _opened(self, data: bytes, recorded: float):
        """The message, what is decoded of it, its frame or None, its seconds, and why there is no frame."""
        message, decoded = IMAGES[self._job.type](), None
        try:
            message.deserialize(data)
            self._refuse_depth(message)
            if self._is_compressed:
                decoded = decode(message)
                frame = decoded_to_array(decoded)
            else:
                frame = image_to_array(message)
        except Exception as error:  # whatever is wrong with it, it is withheld and the next is taken
            return message, None, None, self._last, _reason(error)
        return message, decoded, frame, message.header.stamp.to_sec() or recorded, None

    def _refuse_depth(self, message) -> None:
        if self._is_compressed:
            encoding = "compressedDepth" if "compressedDepth" in message.format else message.format.partition(";")[0]
        else:
            encoding = message.encoding
        if encoding.startswith("32F") or encoding == "compressedDepth":
            raise FrameError("%s holds distances, not a picture, and cannot be masked" % encoding)
        if encoding == "16UC1" and not self._job.is_picture:
            raise FrameError("16UC1 holds distances as a rule; if this is a picture, name it with --topics")

    def result(self, masked: Masked) -> Result:
        """The message of the oldest frame, serialised, with the pixels of ``masked``."""
        message, decoded, reason = self._waiting.popleft()
        if masked.image is None:
            return Result(None, 0, reason or masked.error)
        height, width = masked.image.shape[:2]
        boxes = [face.covered for face in masked.faces if face.covered]
        if masked.error:
            boxes = [Box(0, 0, width, height)]
        try:
            if self._is_compressed:
                cover_compressed(message, decoded, masked.image, boxes, self._job.quality)
            else:
                cover_image(message, masked.image, boxes)
            buffer = BytesIO()
            message.serialize(buffer)
        except Exception as error:
            return Result(None, 0, _reason(error))
        return Result(buffer.getvalue(), len(masked.faces), masked.error)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, FrameError) else "%s: %.200s" % (type(error).__name__, text)


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
