"""Faces as bytes: a long video has more of them than memory should hold. No pixels are among them."""

from typing import List, Sequence

import numpy as np

from emomask.faces import EMOTIONS, Box, Face

_ROW = np.dtype(
    [
        ("track", "<i4"),
        ("box", "<f8", 4),
        ("landmarks", "<f4", (68, 2)),
        ("score", "<f4"),
        ("emotion", "u1"),
        ("probabilities", "<f4", 7),
        ("held", "?"),
    ]
)


def packed(faces: Sequence[Face]) -> bytes:
    """All of ``faces`` but what is ``covered`` of them."""
    rows = np.zeros(len(faces), _ROW)
    for row, face in zip(rows, faces):
        row["track"], row["box"], row["landmarks"] = face.track_id, face.box, face.landmarks
        row["score"], row["emotion"] = face.score, EMOTIONS.index(face.emotion)
        row["probabilities"], row["held"] = face.probabilities, face.held
    return rows.tobytes()


def unpacked(data: bytes) -> List[Face]:
    """The faces that ``packed`` made ``data`` of."""
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
        for row in np.frombuffer(data, _ROW)
    ]
