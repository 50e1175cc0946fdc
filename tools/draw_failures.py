"""Draws models/known_failures.png: what the networks make of one face under conditions that are hard for them.

The face is that of scikit-image's astronaut (NASA, public domain). Run: python tools/draw_failures.py
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
WHITE, BLACK, YELLOW, GREEN = (255, 255, 255), (0, 0, 0), (0, 230, 255), (80, 255, 80)  # BGR


def largest_face(perceiver, picture):
    """The largest of the faces that are found, or None."""
    return max(perceiver.picture(picture), key=lambda face: face.box.area, default=None)


def enlarged(picture, points):
    """The square around ``points``, twice their size, as a panel; and what maps the picture's points into it."""
    low, high = points.min(axis=0), points.max(axis=0)
    scale = SIDE / (2 * float((high - low).max()))
    matrix = np.column_stack([np.eye(2) * scale, SIDE / 2 - scale * (low + high) / 2])
    panel = cv2.warpAffine(picture, matrix, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return panel, matrix


def drawn(title, picture, points, face):
    """A panel: the true points, the found ones, the title and the emotion."""
    panel, matrix = enlarged(picture, points)
    for marks, color in ((points, YELLOW), (face.landmarks if face else [], GREEN)):
        for x, y in np.asarray(marks).reshape(-1, 2) @ matrix[:, :2].T + matrix[:, 2]:
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
        panels.append(drawn(condition, spoilt, moved, largest_face(perceiver, spoilt)))
    rows = [np.hstack(panels[start : start + COLUMNS]) for start in range(0, len(panels), COLUMNS)]
    cv2.imwrite(str(OUTPUT), np.vstack(rows))
    print(OUTPUT)


if __name__ == "__main__":
    main()
