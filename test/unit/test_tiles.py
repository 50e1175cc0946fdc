"""Several stills in one frame."""

import cv2
import numpy as np
import pytest

from emomask.evaluation.annotated_faces import AnnotatedPicture, box
from emomask.evaluation.tiles import tiled


def still(width, height, left, top, right, bottom):
    """A black picture with a white face."""
    image = np.zeros((height, width, 3), np.uint8)
    image[top:bottom, left:right] = 255
    return AnnotatedPicture("one", image, [box(left - 0.5, top - 0.5, right - 0.5, bottom - 0.5)])


@pytest.mark.parametrize("tiles", [2, 3])
def test_the_faces_stay_where_they_are_annotated(tiles):
    stills = [still(300, 200, 30, 40, 120, 150), still(200, 450, 60, 90, 180, 300)] * (tiles * tiles)
    frames = tiled(stills, tiles)
    assert len(frames) == 2 and all(frame.image.shape == (480, 640, 3) for frame in frames)
    for frame in frames:
        assert len(frame.faces) == tiles * tiles
        seen = sum(face.mask(480, 640).astype(int) for face in frame.faces)
        assert seen.max() == 1
        # All that is white is a face and all of a face is white, but for a pixel along the edges.
        white = (frame.image > 250).all(axis=2).astype(np.uint8)
        touched = (frame.image > 200).all(axis=2)
        inner = cv2.erode(seen.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        outer = cv2.dilate(seen.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        assert white[inner].all() and not touched[~outer].any()


def test_what_is_less_than_a_frame_is_left_out():
    assert len(tiled([still(100, 100, 10, 10, 60, 60)] * 7, 2)) == 1
    assert tiled([still(100, 100, 10, 10, 60, 60)] * 3, 2) == []
