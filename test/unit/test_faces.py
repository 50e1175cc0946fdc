import numpy as np
import pytest

import emomask
from emomask import EMOTIONS, Box


def test_emotions_are_in_the_order_of_fer2013():
    assert EMOTIONS == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


@pytest.mark.parametrize(
    "first, second, iou",
    [
        (Box(0, 0, 10, 10), Box(0, 0, 10, 10), 1.0),
        (Box(0, 0, 10, 10), Box(5, 0, 15, 10), 1 / 3),
        (Box(0, 0, 10, 10), Box(10, 0, 20, 10), 0.0),
        (Box(0, 0, 10, 10), Box(30, 30, 40, 40), 0.0),
        (Box(0, 0, 0, 0), Box(0, 0, 0, 0), 0.0),
        (Box(-5, -5, 5, 5), Box(0, 0, 5, 5), 0.25),
    ],
)
def test_iou(first, second, iou):
    assert first.iou(second) == pytest.approx(iou)
    assert second.iou(first) == pytest.approx(iou)


def test_box_measures():
    box = Box(1, 2, 5, 10)
    assert (box.width, box.height, box.area, box.center) == (4, 8, 32, (3, 6))
    assert box.grown(0.5) == Box(-1, -2, 7, 14)
    assert box.moved(1, -1) == Box(2, 1, 6, 9)
    assert box.union(Box(0, 5, 2, 12)) == Box(0, 2, 5, 12)
    assert Box.around(np.array([[3, 4], [1, 9], [2, 2]])) == Box(1, 2, 3, 9)


def test_an_empty_intersection_has_no_area():
    assert Box(0, 0, 2, 2).intersection(Box(5, 5, 6, 6)).area == 0


def test_unknown_attribute_of_the_package():
    with pytest.raises(AttributeError, match="no attribute 'Maskr'"):
        _ = emomask.Maskr
