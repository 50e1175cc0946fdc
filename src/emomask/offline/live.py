"""Masks what has no length: a camera, a stream without an end or the demo clip, until it ends or is interrupted."""

import contextlib
from typing import Iterator, Tuple

import numpy as np

from emomask.errors import SinkError, SourceError
from emomask.masker import Masker
from emomask.media.address import without_secrets
from emomask.media.sources import SourceSettings, open_source
from emomask.media.video import VideoSink
from emomask.offline.inputs import Job
from emomask.offline.plan import Counts, Plan

LIVE_RATE = 25.0  # frames/s of the output when a live source does not know its own


def mask_live(job: Job, plan: Plan, masker: Masker) -> Counts:
    """Do ``job`` in one pass, as a stream. Raises SourceError and SinkError as usual."""
    if plan.from_report or job.report or plan.only or plan.excepted or plan.files.start or plan.files.end:
        raise SourceError(
            "%s is no file: reports, --only, --except, --start and --end are for files." % without_secrets(job.source)
        )
    count = faces = failed = 0
    sink = None
    settings = SourceSettings(source=job.source, realtime=False)
    with open_source(settings) as source, contextlib.ExitStack() as stack:
        rate = source.rate or LIVE_RATE
        for masked in masker.stream(_timed(source)):
            count, faces, failed = count + 1, faces + len(masked.faces), failed + (masked.error is not None)
            if masked.image is not None:
                if sink is None:  # only now the size is known
                    height, width = masked.image.shape[:2]
                    encoding = plan.files.encoding()
                    sink = stack.enter_context(VideoSink(job.output, width, height, rate, **encoding))
                sink.write(masked.image)
                if plan.preview:
                    plan.preview(masked.image)
    if sink is None:
        raise SinkError("%s gave no frame that could be masked; nothing was written." % job.source)
    return Counts(count, faces, failed)


def _timed(source) -> Iterator[Tuple[np.ndarray, float]]:
    captured = source.read()
    while captured is not None:
        yield captured.image, captured.position
        captured = source.read()
