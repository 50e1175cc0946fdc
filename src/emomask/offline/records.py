"""Numbered rows in a file, so that work on a long video takes no memory and can be taken up again."""

import contextlib
import errno
import json
import os
import sqlite3
from pathlib import Path
from typing import Iterator, Sequence, Tuple

from emomask.errors import SinkError
from emomask.outputs import unwritable


class RecordWriter:
    """Writes a file of rows; it gets its name when it is complete (``close``), so that one which is there is whole.

    As a context manager it is closed at the end, or given up when the block raises. ``columns``: names of the values of
    a row: integers, texts, bytes or None. ``about``: a dictionary of plain values that is kept beside them; fill it
    until the end. Raises SinkError when the disk is full or the file cannot be written.
    """

    def __init__(self, path: Path, columns: Sequence[str]):
        self.about = {}
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._database = None
        self._insert = "INSERT INTO records VALUES (?%s)" % (",?" * len(columns))
        with self._failing():
            if self._part.exists():
                self._part.unlink()
            self._database = _connected(self._part, "nolock=1")
            # What a crash leaves is begun anew, so nothing need be undone; nor is the half file read by others.
            self._database.execute("PRAGMA journal_mode = OFF")
            self._database.execute("PRAGMA synchronous = OFF")
            self._database.execute("CREATE TABLE about (text)")
            self._database.execute("CREATE TABLE records (number INTEGER PRIMARY KEY, %s)" % ", ".join(columns))

    def add(self, number: int, *values) -> None:
        """Add the row ``number``; each may be added once."""
        with self._failing():
            self._database.execute(self._insert, (number, *values))

    def close(self) -> None:
        """Complete the file and give it its name."""
        with self._failing():
            self._database.execute("INSERT INTO about VALUES (?)", (json.dumps(self.about),))
            self._database.commit()
            self._database.close()
            with open(str(self._part), "rb") as file:
                os.fsync(file.fileno())
            os.replace(str(self._part), str(self._path))

    def abort(self) -> None:
        """Give up and remove what was written."""
        with contextlib.suppress(sqlite3.Error, OSError):
            if self._database is not None:
                self._database.close()
            self._part.unlink()

    @contextlib.contextmanager
    def _failing(self):
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            self.abort()
            if "full" in str(error):  # as SQLite says it
                error = OSError(errno.ENOSPC, str(error))
            raise unwritable("Data of the work in %s" % self._path.parent, error, self._path.parent) from error

    def __enter__(self) -> "RecordWriter":
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.close()
        else:
            self.abort()


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    """A file has one writer, and readers when that has ended: locks, which network shares may lack, are not needed."""
    return sqlite3.connect("%s?%s" % (path.absolute().as_uri(), mode), uri=True)


class Records:
    """The rows of a file that a ``RecordWriter`` has completed, in the order of their numbers or against it.

    Iteration yields tuples of the number and the values. ``about``: what the writer kept beside them. Use it as a
    context manager. Raises SinkError when the file is gone or damaged.
    """

    def __init__(self, path: Path):
        self._path = path
        with self._failing():
            if not path.exists():
                raise OSError("it is gone")
            self._database = _connected(path, "immutable=1")
            self.about = json.loads(self._database.execute("SELECT text FROM about").fetchone()[0])

    def __iter__(self) -> Iterator[Tuple]:
        return self._rows("ASC")

    def __reversed__(self) -> Iterator[Tuple]:
        return self._rows("DESC")

    def _rows(self, order: str) -> Iterator[Tuple]:
        with self._failing():
            rows = self._database.execute("SELECT * FROM records ORDER BY number " + order)
            # "yield from" the cursor itself would close it, perhaps after the database, when nobody reads to the end.
            yield from iter(rows.fetchone, None)

    @contextlib.contextmanager
    def _failing(self):
        try:
            yield
        except (sqlite3.Error, OSError, ValueError, TypeError) as error:
            raise SinkError("Data of the work in %s cannot be read: %s." % (self._path, error)) from error

    def __enter__(self) -> "Records":
        return self

    def __exit__(self, *exception):
        self._database.close()
