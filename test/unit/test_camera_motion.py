"""Videos made of stills: the faces lie where the pictures show them."""

import numpy as np
import pytest

from emomask.evaluation.annotated_faces import AnnotatedPicture, box
from emomask.evaluation.camera_motion import FRAMES, MOTIONS, RATE, Scene

HEIGHT, WIDTH = 160, 240
WHITE = 250  # from here on a pixel shows the face; the motion's own blur and noise darken its edges


def still(left, top, size):
    """A white square, which is the face, on black."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[top : top + size, left : left + size] = 255
    return AnnotatedPicture("still", image, [box(left, top, left + size - 1, top + size - 1)])


def scene():
    return Scene(still(100, 60, 40), still(60, 20, 40), np.random.default_rng(0))


def shots(name):
    return list(MOTIONS[name](scene()))


@pytest.mark.parametrize("name", MOTIONS)
def test_every_motion_gives_frames_in_time_and_faces_where_they_are(name):
    frames = shots(name)
    assert [shot.time for shot in frames] == [index / RATE for index in range(FRAMES)]
    for shot in frames:
        assert shot.image.shape == (HEIGHT, WIDTH, 3) and shot.image.dtype == np.uint8
        white = shot.image.min(axis=2) >= WHITE
        seen = np.zeros((HEIGHT, WIDTH), bool)
        for face in shot.faces:
            seen |= face.visible
        # What is brightest lies in a face, and what lies in a face is bright, but for blurred and dimmed edges.
        assert (white & ~seen).sum() <= 0.1 * max(1, white.sum()) or not shot.faces
        if name not in ("blur", "exposure") and shot.faces:
            assert (shot.image.min(axis=2)[seen] > 100).mean() > 0.9
    again = shots(name)
    assert all((one.image == other.image).all() for one, other in zip(frames, again))


def test_who_enters_is_not_there_at_first_and_who_leaves_not_in_the_end():
    entering, leaving = shots("enter"), shots("leave")
    assert not entering[0].faces and entering[-1].faces
    assert leaving[0].faces and not leaving[-1].faces


def test_a_face_counts_while_a_tenth_of_it_is_seen():
    for shot in shots("enter"):
        for face in shot.faces:
            assert face.visible.sum() >= 0.1 * 40 * 40 * 0.95
    hidden = shots("occluder")
    assert any(not shot.faces for shot in hidden)
    assert min(face.visible.sum() for shot in hidden for face in shot.faces) >= 0.1 * 40 * 40 * 0.95


def test_a_face_that_zooms_grows():
    sizes = [shot.faces[0].size for shot in shots("zoom")]
    assert sizes[0] == pytest.approx(sizes[-1], rel=0.01) and max(sizes) == pytest.approx(1.8 * sizes[0], rel=0.02)


def test_two_cross_and_the_nearer_one_is_seen():
    frames = shots("crossing")
    numbers = [sorted(face.number for face in shot.faces) for shot in frames]
    assert [0, 1] in numbers and [1] in numbers  # the one behind is hidden for a while
    for shot in frames:
        masks = [face.visible for face in shot.faces]
        assert len(masks) < 2 or not (masks[0] & masks[1]).any()


def test_after_a_cut_there_are_other_faces():
    numbers = [{face.number for face in shot.faces} for shot in shots("cut")]
    assert {0} in numbers and {1} in numbers and {0, 1} not in numbers
