"""Several annotated stills as one: a frame of a camera with many small faces."""

from typing import List, Sequence

import cv2
import numpy as np

from emomask.evaluation.annotated_faces import AnnotatedPicture

SIZE = (640, 480)  # pixels, width and height, of the frames
GREY = 128  # beside a still that has not the shape of its tile


def tiled(stills: Sequence[AnnotatedPicture], tiles: int) -> List[AnnotatedPicture]:
    """Frames of 640 x 480 pixels with ``tiles`` x ``tiles`` of ``stills`` each, made to fit, in their order.

    What is left over in the end, being less than a frame, is left out.
    """
    count = tiles * tiles
    return [_frame(stills[start : start + count], tiles) for start in range(0, len(stills) - count + 1, count)]


def _frame(stills: Sequence[AnnotatedPicture], tiles: int) -> AnnotatedPicture:
    width, height = SIZE[0] // tiles, SIZE[1] // tiles
    image = np.full((SIZE[1], SIZE[0], 3), GREY, np.uint8)
    faces = []
    for index, still in enumerate(stills):
        high, wide = still.image.shape[:2]
        scale = min(width / wide, height / high)
        size = max(1, int(wide * scale)), max(1, int(high * scale))
        left = index % tiles * width + (width - size[0]) // 2
        top = index // tiles * height + (height - size[1]) // 2
        image[top : top + size[1], left : left + size[0]] = cv2.resize(still.image, size, interpolation=cv2.INTER_AREA)
        # Pixels are squares: the centre of the first lies at 0, its edge half a pixel before.
        across, down = size[0] / wide, size[1] / high
        matrix = np.array([[across, 0, left + (across - 1) / 2], [0, down, top + (down - 1) / 2]])
        faces += [face.moved(matrix) for face in still.faces]
    return AnnotatedPicture("+".join(still.name for still in stills), image, faces)
