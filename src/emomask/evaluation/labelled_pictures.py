"""Whole pictures with one face that is known: a folder or a zip file, and a table."""

import csv
import io
from pathlib import Path
from typing import Iterator, NamedTuple, Tuple

import numpy as np

from emomask.errors import DataError
from emomask.faces import EMOTIONS
from emomask.media.archive import Archive

EMOTION_TABLE = "emotions.csv"
PERSON_TABLE = "identities.csv"
# The names that some tables have for the emotions.
SYNONYMS = {"anger": "angry", "happiness": "happy", "sadness": "sad"}


class Portrait(NamedTuple):
    """A picture, uint8 ``(H, W, 3)`` BGR, of which ``person``, with which ``emotion`` (of ``EMOTIONS``)."""

    image: np.ndarray
    person: str
    emotion: str


def labelled_pictures(images, table=None) -> Iterator[Tuple[str, np.ndarray, int]]:
    """Name, picture (uint8 H x W x 3 BGR) and label (place in ``EMOTIONS``) of each row of a table.

    ``images``: a folder or a zip file. ``table``: a CSV file with the columns image (the name in the folder or zip) and
    emotion (a name from ``EMOTIONS``); ``emotions.csv`` in the folder or zip when it is None.

    Raises DataError when something is missing or damaged, and names it.
    """
    archive = Archive(images)
    for row, emotion in _rows(archive, table, EMOTION_TABLE, ("image", "emotion")):
        yield row["image"], archive.picture(row["image"]), EMOTIONS.index(emotion)


def portraits(images, table=None) -> Iterator[Portrait]:
    """The pictures of a folder or a zip file whose ``table`` has the columns image, person and emotion.

    ``table``: as for ``labelled_pictures``; ``identities.csv`` when it is None. Raises DataError like that.
    """
    archive = Archive(images)
    for row, emotion in _rows(archive, table, PERSON_TABLE, ("image", "person", "emotion")):
        yield Portrait(archive.picture(row["image"]), row["person"], emotion)


def _rows(archive: Archive, table, usual: str, columns: Tuple[str, ...]) -> Iterator[Tuple[dict, str]]:
    """The rows and their emotions by the names of ``EMOTIONS``; ``usual``: the table's name in the archive."""
    named = str(table) if table else "%s in %s" % (usual, archive.path)
    try:
        data = Path(table).read_bytes() if table else archive.read(usual)
        rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    except OSError as error:
        raise DataError("The table of emotions %s cannot be read: %s" % (named, error.strerror or error)) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError("%s is no CSV file: %s" % (named, error)) from error
    if not rows or not set(columns) <= set(rows[0]):
        listed = "%s and %s" % (", ".join(columns[:-1]), columns[-1])
        raise DataError("%s must have the columns %s, and rows." % (named, listed))
    for number, row in enumerate(rows, 2):
        emotion = SYNONYMS.get(row["emotion"], row["emotion"])
        if emotion not in EMOTIONS:
            raise DataError(
                "%s, line %d: %r is not one of %s." % (named, number, row["emotion"], ", ".join(EMOTIONS))
            )
        yield row, emotion
