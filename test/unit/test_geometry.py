import cv2
import numpy as np
import pytest

from emomask.landmark_index import MIRRORED
from emomask.perception.geometry import SquareCrop, crop_around, roll

# A plain frontal face, in units of its width: jaw, brows, nose, eyes, mouth.
_ANGLES = np.linspace(np.pi, 0, 17)
FRONTAL = np.concatenate(
    [
        np.stack([0.5 * np.cos(_ANGLES), 0.6 * np.sin(_ANGLES)], axis=1),
        np.stack([np.linspace(-0.4, -0.12, 5), np.full(5, -0.2)], axis=1),
        np.stack([np.linspace(0.12, 0.4, 5), np.full(5, -0.2)], axis=1),
        np.stack([np.zeros(4), np.linspace(-0.05, 0.15, 4)], axis=1),
        np.stack([np.linspace(-0.1, 0.1, 5), np.full(5, 0.2)], axis=1),
        np.array([[-0.3, 0], [-0.25, -0.03], [-0.2, -0.03], [-0.14, 0], [-0.2, 0.03], [-0.25, 0.03]]),
        np.array([[0.14, 0], [0.2, -0.03], [0.25, -0.03], [0.3, 0], [0.25, 0.03], [0.2, 0.03]]),
        np.stack([0.18 * np.cos(np.linspace(np.pi, 3 * np.pi, 13)[:12]), 0.38 + 0.08 * np.sin(_ANGLES[:12])], axis=1),
        np.stack([np.linspace(-0.15, 0.15, 8), np.full(8, 0.38)], axis=1),
    ]
)


def turned_face(x, y, width, degrees):
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (FRONTAL * width @ turn.T + np.array([x, y])).astype(np.float32)


@pytest.mark.parametrize("degrees", [-170, -90, -30, 0, 15, 60, 120])
def test_roll_is_the_angle_of_the_eyes(degrees):
    assert np.degrees(roll(turned_face(100, 80, 60, degrees))) == pytest.approx(degrees, abs=0.01)


@pytest.mark.parametrize("degrees", [-60, 0, 35])
def test_points_travel_to_the_crop_and_back(degrees):
    crop = SquareCrop(52.5, 40.25, 30.0, np.radians(degrees))
    fractions = np.array([[0.0, 0.0], [0.5, 0.5], [1.0, 0.25]])
    in_frame = crop.to_frame(fractions)
    in_crop = in_frame @ crop.matrix(112)[:, :2].T + crop.matrix(112)[:, 2]
    # Fractions count from the corner of the first pixel, pixel coordinates from its centre.
    assert np.allclose((in_crop + 0.5) / 112, fractions, atol=1e-5)


def test_an_unscaled_crop_is_the_picture_itself():
    picture = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    assert np.array_equal(SquareCrop(19.5, 19.5, 40).cut(picture, 40), picture)


@pytest.mark.parametrize("scale", [2, 3, 5])
def test_a_shrunk_crop_keeps_places_and_averages(scale):
    size = 32
    small = np.zeros((size, size), np.uint8)
    small[8:12, 20:24] = 200
    large = cv2.resize(small, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
    middle = (size * scale - 1) / 2
    cut = SquareCrop(middle, middle, size * scale).cut(large, size)
    assert np.abs(cut.astype(int) - small).mean() < 1.0
    noise = np.random.default_rng(0).integers(0, 256, (size * 8, size * 8), dtype=np.uint8)
    assert SquareCrop(127.5, 127.5, 256).cut(noise, size).std() < 15  # bilinear sampling alone gives about 50


def test_a_crop_beyond_the_border_repeats_it():
    picture = np.full((20, 20, 3), 77, np.uint8)
    assert np.unique(SquareCrop(-200, 500, 64).cut(picture, 16)).tolist() == [77]
    assert np.unique(SquareCrop(0, 0, 4000).cut(picture, 16)).tolist() == [77]


def test_the_crop_around_a_turned_face_turns_with_it():
    straight, turned = (crop_around(turned_face(100, 90, 50, degrees)) for degrees in (0, 40))
    assert turned.side == pytest.approx(straight.side, rel=1e-4)
    assert np.degrees(turned.angle) == pytest.approx(40, abs=0.01)
    in_crop = (turned_face(100, 90, 50, 40) @ turned.matrix(112)[:, :2].T) + turned.matrix(112)[:, 2]
    upright = (turned_face(100, 90, 50, 0) @ straight.matrix(112)[:, :2].T) + straight.matrix(112)[:, 2]
    assert np.allclose(in_crop, upright, atol=0.01)


def test_mirroring_twice_is_the_identity_and_swaps_sides():
    mirrored = np.array(MIRRORED)
    assert sorted(MIRRORED) == list(range(68))
    assert np.array_equal(mirrored[mirrored], np.arange(68))
    flipped = FRONTAL[mirrored] * [-1, 1]
    # The test face is symmetric but for the mouth's outline, which is numbered around.
    assert np.allclose(flipped[:48], FRONTAL[:48], atol=1e-9)
