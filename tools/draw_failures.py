"""Draws models/known_failures.png: what the networks make of one face under conditions that are hard for them.

The face is that of scikit-image's astronaut; the drawing shows its points alone. Run: python tools/draw_failures.py
"""

from pathlib import Path

import cv2
import numpy as np
from skimage import data

from emomask.evaluation.landmark_conditions import altered
from emomask.faces import EMOTIONS
from emomask.perception.perceiver import Perceiver
from emomask.settings import Settings

SHOWN = ("rotated_60", "blurred", "blurred_much", "dark", "glasses", "mask", "half_hidden", "24px")
OUTPUT = Path(__file__).resolve().parents[1] / "models" / "known_failures.png"
SIDE = 240  # pixels of a panel
CAPTION = 44  # pixels below it
COLUMNS = 4
GROUND = 245  # grey level of a panel
BLACK, TRUE, FOUND = (0, 0, 0), (0, 140, 255), (60, 150, 0)  # BGR


def largest_face(perceiver, picture):
    """The largest of the faces that are found, or None."""
    return max(perceiver.picture(picture), key=lambda face: face.box.area, default=None)


def drawn(title, points, face):
    """A panel: the square around ``points``, once and a half their size, with them and the found ones; and captions."""
    low, high = points.min(axis=0), points.max(axis=0)
    scale = SIDE / (1.5 * float((high - low).max()))
    panel = np.full((SIDE, SIDE, 3), GROUND, np.uint8)
    for marks, color in ((points, TRUE), (face.landmarks if face else [], FOUND)):
        for x, y in SIDE / 2 + scale * (np.asarray(marks).reshape(-1, 2) - (low + high) / 2):
            cv2.circle(panel, (int(round(x)), int(round(y))), 2, color, -1, cv2.LINE_AA)
    emotion = "no face found"
    if face:
        best = int(np.argmax(face.probabilities))
        emotion = "%s %.0f %%, score %.2f" % (EMOTIONS[best], 100 * face.probabilities[best], face.score)
    below = np.full((CAPTION, SIDE, 3), 255, np.uint8)
    for line, text in enumerate((title, emotion)):
        cv2.putText(below, text, (4, 17 + 20 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.45, BLACK, 1, cv2.LINE_AA)
    return np.vstack([panel, below])


def main():
    perceiver = Perceiver(Settings())
    picture = np.ascontiguousarray(data.astronaut()[:, :, ::-1])
    points = largest_face(perceiver, picture).landmarks
    panels = []
    for condition in SHOWN:
        spoilt, moved = altered(condition, picture, points, 1)
        panels.append(drawn(condition, moved, largest_face(perceiver, spoilt)))
    rows = [np.hstack(panels[start : start + COLUMNS]) for start in range(0, len(panels), COLUMNS)]
    cv2.imwrite(str(OUTPUT), np.vstack(rows))
    print(OUTPUT)


if __name__ == "__main__":
    main()
