"""Faces of many frames, kept on disk: a long video has more of them than memory should hold."""

import tempfile
from array import array
from typing import List, Sequence

import numpy as np

from emomask.errors import SinkError
from emomask.faces import EMOTIONS, Box, Face

_ROW = np.dtype(
    [
        ("track", "i4"),
        ("box", "f8", 4),
        ("landmarks", "f4", (68, 2)),
        ("score", "f4"),
        ("emotion", "u1"),
        ("probabilities", "f4", 7),
        ("held", "?"),
    ]
)


class FaceLog:
    """Takes the faces of one frame after the other and gives them back by the frame's number, counted from 0.

    They lie in an unnamed temporary file, which the system removes in any case; no pixels are among them. Raises
    SinkError when the disk is full. Use it as a context manager.
    """

    def __init__(self):
        self._file = tempfile.TemporaryFile(prefix="emomask-")
        self._starts = array("q", [0])  # in rows, one more than there are frames

    def append(self, faces: Sequence[Face]) -> None:
        """The faces of the next frame."""
        rows = np.zeros(len(faces), _ROW)
        for row, face in zip(rows, faces):
            row["track"], row["box"], row["landmarks"] = face.track_id, face.box, face.landmarks
            row["score"], row["emotion"] = face.score, EMOTIONS.index(face.emotion)
            row["probabilities"], row["held"] = face.probabilities, face.held
        try:
            self._file.seek(self._starts[-1] * _ROW.itemsize)
            self._file.write(rows.tobytes())
        except OSError as error:
            where = tempfile.gettempdir()
            raise SinkError("Temporary data cannot be written to %s: %s." % (where, error.strerror or error)) from error
        self._starts.append(self._starts[-1] + len(rows))

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, frame: int) -> List[Face]:
        if not 0 <= frame < len(self):
            raise IndexError(frame)
        start, end = self._starts[frame], self._starts[frame + 1]
        self._file.seek(start * _ROW.itemsize)
        rows = np.frombuffer(self._file.read((end - start) * _ROW.itemsize), _ROW)
        return [
            Face(
                box=Box(*(float(value) for value in row["box"])),
                landmarks=row["landmarks"].copy(),
                score=float(row["score"]),
                emotion=EMOTIONS[row["emotion"]],
                probabilities=row["probabilities"].copy(),
                track_id=int(row["track"]),
                held=bool(row["held"]),
            )
            for row in rows
        ]

    def close(self) -> None:
        """Remove what was kept."""
        self._file.close()

    def __enter__(self) -> "FaceLog":
        return self

    def __exit__(self, *exception):
        self.close()
