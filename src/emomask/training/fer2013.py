"""The FER2013 file (Goodfellow et al., 2013) as arrays."""

import lzma
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import numpy as np

from emomask.errors import DataError

SIDE = 48
TRAINING = "Training"
SPLITS = (TRAINING, "PublicTest", "PrivateTest")


@dataclass(frozen=True)
class Fer2013:
    """Pictures ``(N, 48, 48)`` uint8 grey, labels ``(N,)`` int64 in the order of ``EMOTIONS``, usage ``(N,)`` str.

    ``usage`` is None when the file has no Usage column; ``votes`` ``(N, 10)`` float32 are those of FER+, when read.
    """

    images: np.ndarray
    labels: np.ndarray
    usage: Optional[np.ndarray]
    votes: Optional[np.ndarray] = None

    def split(self, name: str) -> "Fer2013":
        """The rows of one of ``SPLITS``."""
        if self.usage is None:
            raise DataError("The data has no Usage column, so it has no split named %r." % name)
        return self.select(self.usage == name)

    def select(self, mask: np.ndarray) -> "Fer2013":
        """The rows at which the boolean or index array ``mask`` points."""
        columns = (self.images, self.labels, self.usage, self.votes)
        return Fer2013(*(None if column is None else column[mask] for column in columns))

    def __len__(self) -> int:
        return len(self.labels)


def read_fer2013(path) -> Fer2013:
    """Read ``fer2013.csv`` or ``fer2013.csv.xz`` (columns emotion, pixels and, optionally, Usage).

    Raises DataError when the file is missing, is not such a table, or holds a damaged row.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError("No such file: %s. FER2013 is distributed as fer2013.csv on Kaggle." % path)
    opener = lzma.open if path.suffix == ".xz" else open
    images, labels, usage = [], [], []
    try:
        with opener(path, "rt", encoding="ascii") as lines:
            columns = lines.readline().strip().split(",")
            if columns == [""]:
                raise DataError("%s is empty." % path)
            if columns[:2] != ["emotion", "pixels"]:
                raise DataError("%s is not FER2013: its first columns are %s, not emotion,pixels." % (path, columns))
            for line in lines:
                fields = line.rstrip("\n").split(",")
                pixels = np.array(fields[1].split(), dtype=np.uint8)
                images.append(pixels.reshape(SIDE, SIDE))
                labels.append(int(fields[0]))
                if len(columns) > 2:
                    usage.append(fields[2])
    except (OSError, UnicodeDecodeError, lzma.LZMAError, EOFError) as error:
        raise DataError("%s cannot be read as FER2013: %s" % (path, error)) from error
    except (ValueError, IndexError, OverflowError) as error:
        raise DataError("%s, row %d is damaged: %s" % (path, len(labels), error)) from error
    if not labels:
        raise DataError("%s has no rows." % path)
    return Fer2013(np.stack(images), np.array(labels, dtype=np.int64), np.array(usage) if usage else None)


def without_blank(data: Fer2013) -> Fer2013:
    """``data`` less its constant pictures (twelve in FER2013), which carry no expression."""
    flat = data.images.reshape(len(data), -1)
    return data.select(flat.min(axis=1) != flat.max(axis=1))


def duplicates_of(data: Fer2013, other: Fer2013) -> np.ndarray:
    """Boolean ``(N,)``: which pictures of ``data`` are pixel-identical to one in ``other``.

    FER2013 leaks: 280 PublicTest and 288 PrivateTest pictures stand in its Training split as well.
    """
    known = {image.tobytes() for image in other.images}
    return np.array([image.tobytes() in known for image in data.images], dtype=bool)


def without_duplicates_of(data: Fer2013, held_out: Fer2013) -> Fer2013:
    """``data`` less its ``duplicates_of`` what is ``held_out``."""
    return data.select(~duplicates_of(data, held_out))
