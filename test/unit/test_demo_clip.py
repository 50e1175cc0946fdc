"""The demo clip: deterministic, smooth, with the faces where true_faces says."""

import cv2
import numpy as np
import pytest

from emomask.media import demo_clip


@pytest.fixture(scope="module")
def clip():
    return demo_clip.DemoClip()


def test_frames_have_the_documented_shape_and_are_deterministic(clip):
    first = clip.frame(137)
    assert first.shape == (480, 640, 3) and first.dtype == np.uint8
    assert np.array_equal(first, demo_clip.DemoClip().frame(137))
    assert np.array_equal(clip.frame(5), clip.frame(5 + demo_clip.FRAMES))


def test_a_frame_is_the_callers_own(clip):
    spoilt = clip.frame(10)
    spoilt[:] = 0
    assert clip.frame(10).any()


def test_one_to_three_faces_of_many_sizes(clip):
    counts, heights = set(), []
    for index in range(demo_clip.FRAMES):
        faces = demo_clip.true_faces(index)
        counts.add(len(faces))
        for face in faces:
            assert 0 <= face.left < face.right <= demo_clip.WIDTH
            assert 0 <= face.top < face.bottom <= demo_clip.HEIGHT
            if 0 < face.left and face.right < demo_clip.WIDTH and 0 < face.top and face.bottom < demo_clip.HEIGHT:
                heights.append(face.height)
    assert counts == {1, 2, 3}
    assert min(heights) < 70 and max(heights) > 210


def test_nobody_appears_or_vanishes_inside_the_frame(clip):
    before = cv2.cvtColor(clip.frame(0), cv2.COLOR_BGR2GRAY)
    for index in range(1, demo_clip.FRAMES):
        after = cv2.cvtColor(clip.frame(index), cv2.COLOR_BGR2GRAY)
        changed = np.count_nonzero(cv2.absdiff(before, after) > 100) / after.size
        assert changed < 0.05, "frame %d: %.3f" % (index, changed)
        before = after


@pytest.mark.parametrize("index", (10, 39, 84, 102, 165, 180, 255))
def test_the_true_boxes_hold_the_face(clip, index):
    """Each box shows the astronaut's face: turned upright, it resembles the picture it was cut from."""
    from skimage import data

    face = data.astronaut()[64:180, 174:276, ::-1]
    small = cv2.resize(cv2.cvtColor(np.ascontiguousarray(face), cv2.COLOR_BGR2GRAY), (32, 32))
    grey = cv2.cvtColor(clip.frame(index), cv2.COLOR_BGR2GRAY)
    for box in demo_clip.true_faces(index):
        if box.left <= 0 or box.top <= 0 or box.right >= demo_clip.WIDTH or box.bottom >= demo_clip.HEIGHT:
            continue
        shown = cv2.resize(grey[int(box.top) : int(box.bottom), int(box.left) : int(box.right)], (32, 32))
        likeness = max(
            np.corrcoef(_turned(side, angle), _turned(small, 0))[0, 1]
            for side in (shown, shown[:, ::-1])
            for angle in range(-25, 26, 5)
        )
        assert likeness > 0.55, (index, box, likeness)


def _turned(picture, angle):
    matrix = cv2.getRotationMatrix2D((15.5, 15.5), angle, 1)
    return cv2.warpAffine(np.ascontiguousarray(picture), matrix, (32, 32))[6:26, 6:26].astype(np.float32).ravel()
