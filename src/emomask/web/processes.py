"""Processes for what strangers send."""

import multiprocessing
import os
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Callable, Tuple


def start_process(target: Callable[..., None], *arguments) -> Tuple[BaseProcess, Connection]:
    """A new process in which ``target`` runs, with a connection to us and ``arguments``; and our end of it.

    It is ended with this process, and when our end is closed its own tells it.
    """
    # A thread that NumPy starts for its own use would keep rights that the process gives up.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Not forked: a copy of this process would hold what other visitors have sent.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    return process, ours
