"""Draw the emoji set "plain", our own: flat faces made of simple shapes.

A maintainer's tool, not needed to build or run emomask: python3 tools/draw_plain_emojis.py emojis/plain
"""

import sys
from pathlib import Path

from PIL import Image, ImageDraw

SIDE = 512  # pixels
SCALE = 4  # drawn so much larger, then shrunk, for smooth edges
INK = (38, 34, 58, 255)
WHITE = (255, 255, 255, 255)
DISCS = {
    "angry": (239, 111, 96, 255),
    "disgust": (150, 198, 98, 255),
    "fear": (150, 112, 226, 255),
    "happy": (255, 209, 84, 255),
    "sad": (118, 174, 240, 255),
    "surprise": (255, 160, 196, 255),
    "neutral": (224, 227, 234, 255),
}


class Face:
    """A face in units of its side: 0 to 1, y down."""

    def __init__(self, color):
        self.image = Image.new("RGBA", (SIDE * SCALE, SIDE * SCALE))
        self.pen = ImageDraw.Draw(self.image)
        self.pen.ellipse([0, 0, SIDE * SCALE - 1, SIDE * SCALE - 1], fill=color)

    def box(self, x, y, half_width, half_height):
        corners = (x - half_width, y - half_height, x + half_width, y + half_height)
        return [round(value * SIDE * SCALE) for value in corners]

    def dot(self, x, y, half_width, half_height, color=INK):
        self.pen.ellipse(self.box(x, y, half_width, half_height), fill=color)

    def arc(self, x, y, half_width, half_height, start, end):
        self.pen.arc(self.box(x, y, half_width, half_height), start, end, fill=INK, width=round(0.035 * SIDE * SCALE))

    def line(self, *points):
        places = [(round(x * SIDE * SCALE), round(y * SIDE * SCALE)) for x, y in points]
        self.pen.line(places, fill=INK, width=round(0.035 * SIDE * SCALE), joint="curve")

    def both(self, draw, x, *values):
        """The same on the left and on the right, ``x`` from the middle."""
        for side in (-1, 1):
            draw(0.5 + side * x, *values)

    def brows(self, inner, outer):
        """Lines from ``inner`` to ``outer`` heights over the eyes."""
        for side in (-1, 1):
            self.line((0.5 + side * 0.08, inner), (0.5 + side * 0.25, outer))


def angry(face):
    face.brows(0.38, 0.28)
    face.both(face.dot, 0.16, 0.44, 0.045, 0.05)
    face.arc(0.5, 0.78, 0.17, 0.12, 200, 340)


def disgust(face):
    face.line((0.25, 0.37), (0.41, 0.44), (0.25, 0.48))
    face.line((0.75, 0.37), (0.59, 0.44), (0.75, 0.48))
    face.line((0.3, 0.68), (0.38, 0.63), (0.46, 0.69), (0.54, 0.63), (0.62, 0.69), (0.7, 0.64))


def fear(face):
    face.brows(0.24, 0.31)
    face.both(face.dot, 0.17, 0.42, 0.085, 0.1, WHITE)
    face.both(face.dot, 0.17, 0.43, 0.035, 0.04)
    face.arc(0.5, 0.78, 0.18, 0.12, 190, 350)
    face.line((0.33, 0.755), (0.67, 0.755))


def happy(face):
    face.both(face.arc, 0.18, 0.44, 0.08, 0.09, 190, 350)
    face.pen.chord(face.box(0.5, 0.56, 0.25, 0.26), 0, 180, fill=INK)
    face.pen.chord(face.box(0.5, 0.56, 0.2, 0.08), 0, 180, fill=WHITE)


def sad(face):
    face.brows(0.27, 0.33)
    face.both(face.dot, 0.17, 0.43, 0.045, 0.055)
    face.arc(0.5, 0.79, 0.15, 0.13, 200, 340)
    face.dot(0.69, 0.57, 0.035, 0.055, WHITE)


def surprise(face):
    face.both(face.arc, 0.18, 0.3, 0.09, 0.06, 200, 340)
    face.both(face.dot, 0.18, 0.42, 0.05, 0.065)
    face.dot(0.5, 0.7, 0.1, 0.13)


def neutral(face):
    face.both(face.dot, 0.17, 0.43, 0.045, 0.055)
    face.line((0.33, 0.68), (0.67, 0.68))


DRAWINGS = {drawing.__name__: drawing for drawing in (angry, disgust, fear, happy, sad, surprise, neutral)}


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, color in DISCS.items():
        face = Face(color)
        DRAWINGS[name](face)
        face.image.resize((SIDE, SIDE), Image.LANCZOS).save(str(folder / (name + ".png")), optimize=True)


if __name__ == "__main__":
    main()
