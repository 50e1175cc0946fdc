"""What runs in the process of a video job: checks the video, masks it, and tells how far it is."""

import glob
import json
import os
import re
import resource
import signal
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Dict, NamedTuple

from emomask.errors import EmomaskError, SourceError
from emomask.resources import share_folder
from emomask.settings import Settings
from emomask.web.confinement import confine_files, forbid_reaching_out

MEMORY = 6 << 30  # bytes of address space; the networks and FFmpeg's threads reserve more than they use
LARGEST_OUTPUT = 2 << 30  # bytes
LARGEST_FRAME = 4096 * 2304  # pixels
_STARTS = ((4, b"ftyp"), (0, b"\x1aE\xdf\xa3"), (8, b"AVI "), (0, b"OggS"), (0, b"FLV\x01"), (0, b"\0\0\1\xba"))
_MPEG_TS = b"\x47"
# What libraries read: themselves, and what the machine is like.
_SYSTEM = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/dev/urandom", "/proc", "/sys")


class VideoJob(NamedTuple):
    """What to do: mask the video ``source`` into ``output`` when it lasts ``seconds`` at most."""

    source: str
    output: str
    settings: Settings
    seconds: float


def is_video(start: bytes) -> bool:
    """Whether a file that begins with these 200 bytes or more is a container that is taken.

    FFmpeg knows many others, and some of them are lists of further files and addresses to be opened.
    """
    if any(start[place : place + len(mark)] == mark for place, mark in _STARTS):
        return True
    return start[:1] == _MPEG_TS and start[188:189] == _MPEG_TS


def serve(connection: Connection, job: VideoJob) -> None:
    """Do ``job``; sends JSON objects: ``progress``, 0 to 1, and last ``counts`` or ``error``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(10)  # cameras cannot wait, videos can
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_OUTPUT, LARGEST_OUTPUT))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    confine(job)  # before there is another thread, which would keep its rights
    threading.Thread(target=_end_with_server, args=(connection,), daemon=True).start()
    try:
        _tell(connection, counts=_masked(connection, job))
    except MemoryError:
        _tell(connection, error="The video needs more memory than one may take: make it smaller.")
    except EmomaskError as error:
        _tell(connection, error=re.sub("([Tt]he file )?" + re.escape(job.source), "The video", str(error)))


def confine(job: VideoJob) -> None:
    """Give up, where the system can, the right to open files that ``job`` does not need, and to reach out."""
    folder = Path(job.output).parent
    # A program that lies in the folder for temporary files does not open it all.
    modules = [path for path in sys.path if Path(path) not in folder.parents]
    own = [job.settings.models, job.settings.emojis, job.settings.face_alignment_weights]
    readable = [*_SYSTEM, sys.prefix, sys.base_prefix, *modules, str(share_folder()), *filter(None, own)]
    confine_files(readable, [str(folder), "/dev/null", *glob.glob("/dev/nvidia*")])
    forbid_reaching_out()


def _masked(connection: Connection, job: VideoJob) -> Dict[str, int]:
    # Here, so that the server, which imports this file too, does without FFmpeg.
    from emomask.offline.files import mask_file

    steps = 2 * _checked(job)  # every frame is looked at and written
    done = 0

    def progress() -> None:
        nonlocal done
        done += 1
        if steps:
            _tell(connection, progress=min(1.0, done / steps))

    counts = mask_file(job.source, job.output, job.settings, progress=progress)
    return {"frames": counts.frames, "faces": counts.faces, "withheld": counts.failed}


def _checked(job: VideoJob) -> int:
    """How many frames the video has, 0 when unknown. Raises SourceError when it is too long or its frames too large."""
    from emomask.media.movie import Movie

    with open(job.source, "rb") as file:
        if not is_video(file.read(512)):
            raise SourceError("This is no video of a kind that is taken here: MP4, MOV, WebM, MKV, AVI, MPEG or FLV.")
    with Movie(job.source) as movie:
        if movie.width * movie.height > LARGEST_FRAME:
            raise SourceError("The video has %d x %d pixels; make it smaller." % (movie.width, movie.height))
        if movie.duration > job.seconds:
            raise SourceError("The video lasts %.0f s; at most %.0f s are masked here." % (movie.duration, job.seconds))
        return movie.frame_count


def _tell(connection: Connection, **message: Any) -> None:
    connection.send_bytes(json.dumps(message).encode("utf-8"))


def _end_with_server(connection: Connection) -> None:
    """End this process, and what it has written, when the server is gone: nobody fetches the result then."""
    try:
        connection.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)


def output_name(folder: Path) -> Path:
    """Where a job in ``folder`` writes its result."""
    return folder / "masked.mp4"
