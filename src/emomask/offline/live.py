"""Masks what has no length: a camera, a stream without an end or the demo clip, until it ends or is interrupted."""

import contextlib
import signal
import threading
from typing import Iterator, Tuple

import numpy as np

from emomask.errors import SinkError, SourceError
from emomask.masker import Masker
from emomask.media.address import DEMO, parse_address, without_secrets
from emomask.media.sources import SourceSettings, open_source
from emomask.media.video import VideoSink
from emomask.offline.inputs import Job
from emomask.offline.plan import Counts, Plan

LIVE_RATE = 25.0  # frames/s of the output when a live source does not know its own


def mask_live(job: Job, plan: Plan, masker: Masker) -> Counts:
    """Do ``job`` in one pass, as a stream, up to ``plan.files.end`` seconds or Ctrl-C; what came until then is kept.

    Raises SourceError and SinkError as usual.
    """
    if plan.from_report or job.report:
        raise SourceError("%s is no file: reports are made of files and for them." % without_secrets(job.source))
    count = faces = failed = 0
    sink = begin = None
    has_times = not job.output.lower().endswith(".avi")  # which knows only a constant rate
    settings = SourceSettings(source=job.source, realtime=False)
    with _until_interrupted() as stopped, open_source(settings) as source, contextlib.ExitStack() as stack:
        for masked in masker.stream(_timed(source, job, plan, stopped)):
            count, faces, failed = count + 1, faces + len(masked.faces), failed + (masked.error is not None)
            if masked.image is not None:
                if sink is None:  # only now the size is known
                    height, width = masked.image.shape[:2]
                    sink = VideoSink(job.output, width, height, source.rate or LIVE_RATE, **plan.files.encoding())
                    stack.enter_context(sink)
                    begin = masked.time
                sink.write(masked.image, masked.time - begin if has_times else None)
                if plan.preview:
                    plan.preview(masked.image)
    if sink is None:
        source = without_secrets(job.source)
        raise SinkError("%s gave no frame that could be masked; nothing was written." % source)
    return Counts(count, faces, failed)


def _timed(source, job: Job, plan: Plan, stopped: threading.Event) -> Iterator[Tuple[np.ndarray, float]]:
    """The frames of the span that is asked for, each with its time in seconds from the first."""
    is_demo, files = parse_address(job.source).kind == DEMO, plan.files
    captured = source.read()
    start = captured.grabbed if captured else 0.0
    while captured is not None and not stopped.is_set():
        time = captured.position if is_demo else captured.grabbed - start
        if files.end and time >= files.end:
            return
        if time >= files.start:
            yield captured.image, time
        captured = source.read()


@contextlib.contextmanager
def _until_interrupted() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets; the second one interrupts as usual."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # where signals do not come
        yield stopped
        return

    def stop(*_):
        stopped.set()
        signal.signal(signal.SIGINT, former)

    former = signal.signal(signal.SIGINT, stop)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, former)
