"""Render emojis/*.png anew from the Noto Emoji faces that the npm package @iconify-json/noto carries.

A maintainer's tool, not needed to build or run emomask: python3 tools/render_emojis.py. Needs npm and rsvg-convert
(Debian: npm, librsvg2-bin).
"""

import json
import subprocess
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "@iconify-json/noto@1.2.9"
FACES = {
    "angry": "enraged-face",
    "disgust": "nauseated-face",
    "fear": "fearful-face",
    "happy": "grinning-face-with-big-eyes",
    "sad": "crying-face",
    "surprise": "astonished-face",
    "neutral": "neutral-face",
}
# The square of the 128 x 128 drawings that their common, slightly flattened disc fills from left to right.
VIEW_BOX = "5.8 5.8 116.4 116.4"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="%s">%s</svg>'
SIZE = 512  # pixels


def icons(folder):
    """The SVG bodies of the package by icon name; the package is fetched with npm into ``folder``."""
    subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    archive = next(Path(folder).glob("*.tgz"))
    with tarfile.open(str(archive)) as package:
        return json.load(package.extractfile("package/icons.json"))["icons"]


def main():
    target = Path(__file__).resolve().parents[1] / "emojis"
    with tempfile.TemporaryDirectory() as folder:
        bodies = icons(folder)
        for emotion, name in FACES.items():
            subprocess.run(
                ["rsvg-convert", "-w", str(SIZE), "-h", str(SIZE), "-o", str(target / (emotion + ".png"))],
                input=(SVG % (VIEW_BOX, bodies[name]["body"])).encode(),
                check=True,
            )


if __name__ == "__main__":
    main()
