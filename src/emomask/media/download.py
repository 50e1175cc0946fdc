"""Fetches a picture from a web server."""

import urllib.error
import urllib.request

from emomask.errors import SourceError
from emomask.media.address import without_secrets

LARGEST = 1 << 28  # bytes
TIMEOUT = 20.0  # seconds without an answer


def download(url: str) -> bytes:
    """The content behind an http or https URL. Raises SourceError when it cannot be had or is too large."""
    shown = without_secrets(url)
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            data = answer.read(LARGEST + 1)
    except urllib.error.HTTPError as error:
        answer = "%d %s" % (error.code, error.reason)
        raise SourceError("%s cannot be fetched: the server answers %s." % (shown, answer)) from error
    except (OSError, ValueError) as error:  # the sockets' errors, and a URL that is none
        reason = getattr(error, "reason", None) or error
        reason = getattr(reason, "strerror", None) or reason
        raise SourceError("%s cannot be fetched: %s." % (shown, reason)) from error
    if len(data) > LARGEST:
        raise SourceError("%s is larger than %d MB and was not fetched." % (shown, LARGEST >> 20))
    return data
