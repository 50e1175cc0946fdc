"""Whole pictures with one emotion each: a folder or a zip file, and a table."""

import csv
import io
from pathlib import Path
from typing import Iterator, Tuple

import numpy as np

from emomask.errors import DataError
from emomask.faces import EMOTIONS
from emomask.media.archive import Archive

TABLE = "emotions.csv"


def labelled_pictures(images, table=None) -> Iterator[Tuple[str, np.ndarray, int]]:
    """Name, picture (uint8 H x W x 3 BGR) and label (place in ``EMOTIONS``) of each row of a table.

    ``images``: a folder or a zip file. ``table``: a CSV file with the columns image (the name in the folder or zip) and
    emotion (a name from ``EMOTIONS``); ``emotions.csv`` in the folder or zip when it is None.

    Raises DataError when something is missing or damaged, and names it.
    """
    archive = Archive(images)
    named = str(table) if table else "%s in %s" % (TABLE, images)
    rows = _rows(Path(table).read_bytes if table else lambda: archive.read(TABLE), named)
    for number, row in enumerate(rows, 2):
        if row["emotion"] not in EMOTIONS:
            raise DataError(
                "%s, line %d: %r is not one of %s." % (named, number, row["emotion"], ", ".join(EMOTIONS))
            )
        yield row["image"], archive.picture(row["image"]), EMOTIONS.index(row["emotion"])


def _rows(read_table, named: str):
    try:
        rows = list(csv.DictReader(io.StringIO(read_table().decode("utf-8-sig"))))
    except OSError as error:
        raise DataError("The table of emotions %s cannot be read: %s" % (named, error.strerror or error)) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError("%s is no CSV file: %s" % (named, error)) from error
    if not rows or not {"image", "emotion"} <= set(rows[0]):
        raise DataError("%s must have the columns image and emotion, and rows." % named)
    return rows
