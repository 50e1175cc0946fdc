import numpy as np
import pytest
from test_geometry import turned_face

from emomask import Box
from emomask.masks.region import Region, face_box, head_box, region_of


def covered(region, height=200, width=260):
    image = np.zeros((height, width, 3), np.uint8)
    patch = region.pixels(height, width)
    if patch is not None:
        patch.of(image)[patch.mask > 0] = 255
    return image[..., 0] > 0


@pytest.mark.parametrize("degrees", [-60, -20, 0, 30, 60])
def test_the_face_box_holds_forehead_chin_and_ears(degrees):
    points = turned_face(130, 100, 60, degrees)
    box, inner = face_box(points), Box.around(points)
    assert box.left < inner.left and box.top < inner.top and box.right > inner.right and box.bottom > inner.bottom
    if degrees == 0:
        # Brows to chin is 0.8 of the width here; forehead and hair add 0.8 of that.
        assert inner.top - box.top == pytest.approx(0.64 * 60, rel=0.1)


@pytest.mark.parametrize("degrees, x, y", [(0, 0, -1), (90, 1, 0), (-90, -1, 0), (180, 0, 1)])
def test_the_head_box_goes_beyond_the_detector_box_towards_the_crown(degrees, x, y):
    points = turned_face(200, 150, 10, degrees)  # far smaller than the box: the box must be kept by itself
    detected = Box(160, 110, 240, 190)
    box = head_box(points, detected)
    grown = [detected.left - box.left, detected.top - box.top, box.right - detected.right, box.bottom - detected.bottom]
    crown, side = 0.25 * 80, 0.05 * 80
    expected = [side + crown * (x < 0), crown * (y < 0), side + crown * (x > 0), crown * (y > 0)]
    assert grown == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("degrees", [-60, 0, 25])
@pytest.mark.parametrize("width", [6, 20, 60])
def test_the_region_holds_every_landmark_and_the_detector_box(degrees, width):
    points = turned_face(130, 100, width, degrees)
    detected = Box(130 - width * 0.5, 100 - width * 0.8, 130 + width * 0.5, 100 + width * 0.6)
    mask = covered(region_of(face_box(points).union(detected), points, 0.15))
    for x, y in points:
        assert mask[int(round(y)), int(round(x))]
    inside = mask[int(detected.top) : int(detected.bottom), int(detected.left) : int(detected.right)]
    assert inside.mean() > 0.97


def test_landmarks_that_disagree_with_the_box_cover_both():
    points = turned_face(200, 150, 30, 0)
    box = Box(20, 20, 80, 90)
    mask = covered(region_of(box, points, 0.15))
    assert mask[25:85, 25:75].mean() > 0.9
    assert all(mask[int(y), int(x)] for x, y in points)


@pytest.mark.parametrize("x, y", [(0, 0), (259, 199), (0, 199), (130, 0), (130, 199), (-5, 100), (264, 100)])
def test_a_region_at_the_border_reaches_the_last_row_and_column(x, y):
    mask = covered(Region(x, y, 30, 30, 0.3))
    rows, columns = np.mgrid[0:200, 0:260]
    expected = np.hypot(rows - y, columns - x) <= 30
    assert not (expected & ~mask).any()
    assert (mask & ~expected).sum() < 0.12 * max(expected.sum(), 1) + 40


@pytest.mark.parametrize("region", [Region(-100, 50, 20, 20, 0), Region(500, 50, 30, 40, 1), Region(50, 900, 5, 5, 0)])
def test_a_region_outside_of_the_frame_has_no_pixels(region):
    assert region.pixels(200, 260) is None


@pytest.mark.parametrize("half", [400, 5000, 1e6, 1e9])
def test_a_region_larger_than_the_frame_covers_all_of_it(half):
    assert covered(Region(130, 100, half, half, 0.5)).all()


def test_a_tiny_region_covers_its_pixel():
    assert covered(Region(10.4, 20.2, 0.01, 0.01, 0))[20, 10]


def test_the_patch_box_is_the_box_of_the_replaced_pixels():
    region = Region(100, 90, 21, 33, 0.4)
    mask = covered(region)
    rows, columns = np.nonzero(mask)
    assert region.pixels(200, 260).box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def test_the_circle_holds_the_ellipse():
    region = Region(100, 90, 21, 33, 0.4)
    assert not (covered(region) & ~covered(region.rounded())).any()
