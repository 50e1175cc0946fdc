"""Failures in the log: where and what, without the words of the error, which may repeat what a visitor has sent."""

import logging
import traceback


def log_fault(log: logging.Logger, what: str, error: BaseException) -> None:
    """Log that ``what`` failed with ``error``: its class, and the lines that led to it."""
    lines = "".join(traceback.format_tb(error.__traceback__))
    log.error("%s: %s\n%s", what, type(error).__name__, lines.rstrip())
