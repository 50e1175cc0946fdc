import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from conftest import ROOT, placed

from emomask import EMOTIONS, Masker, Settings
from emomask.errors import FrameError, ModelError
from emomask.perception.gaze import Look
from emomask.perception.perceiver import Perceiver


def changed(frame, image):
    return (frame != image).any(axis=2)


def face_share(mask, face):
    left, top, right, bottom = (int(round(value)) for value in face)
    height, width = mask.shape
    part = mask[max(0, top) : min(height, bottom), max(0, left) : min(width, right)]
    return part.mean()


def moved_face(face, left, top, scale):
    return tuple(value * scale + offset for value, offset in zip(face, (left, top, left, top)))


def test_a_face_is_covered_and_the_rest_kept(masker, astronaut, astronaut_face):
    before = astronaut.copy()
    masked = masker.process(astronaut)
    assert np.array_equal(astronaut, before), "the input was modified"
    assert masked.image.shape == astronaut.shape and masked.image.dtype == np.uint8 and masked.error is None
    (face,) = masked.faces
    mask = changed(astronaut, masked.image)
    assert face_share(mask, astronaut_face) > 0.97
    left, top, right, bottom = (int(value) for value in face.covered.grown(0.1))
    outside = mask.copy()
    outside[max(0, top) : bottom, max(0, left) : right] = False
    assert not outside.any()


def test_the_contract_of_a_face(masker, astronaut, astronaut_face):
    (face,) = masker.process(astronaut).faces
    assert face.landmarks.shape == (68, 2) and face.landmarks.dtype == np.float32
    assert 0 <= face.score <= 1 and face.emotion in EMOTIONS and face.track_id == 1
    assert len(face.probabilities) == 7 and float(np.sum(face.probabilities)) == pytest.approx(1, abs=1e-5)
    assert face.emotion == EMOTIONS[int(np.argmax(face.probabilities))]
    left, top, right, bottom = astronaut_face
    inside = (face.landmarks > [left - 15, top - 15]) & (face.landmarks < [right + 15, bottom + 15])
    assert inside.all()
    assert face.box.iou(type(face.box)(*astronaut_face)) > 0.5
    eyes = face.landmarks[36:48].mean(axis=0)
    assert eyes == pytest.approx([225, 112], abs=12)


def test_a_smile_is_happy(masker, astronaut):
    assert masker.process(astronaut).faces[0].emotion == "happy"


@pytest.mark.parametrize("style", ["emoji", "blur", "pixelate", "solid"])
def test_every_style_covers(style, astronaut, astronaut_face):
    masked = Masker(Settings(style=style)).process(astronaut)
    assert face_share(changed(astronaut, masked.image), astronaut_face) > 0.95


def test_a_picture_without_a_face_stays_as_it_is(masker):
    frame = np.full((240, 320, 3), 120, np.uint8)
    masked = masker.process(frame)
    assert masked.faces == [] and np.array_equal(masked.image, frame) and masked.image is not frame


@pytest.mark.parametrize(
    "left, top, scale",
    [
        (100, 60, 0.6),
        (-150, -40, 1.0),  # the face touches the left border
        (420, 60, 1.0),  # and the right one
        (200, -75, 1.0),  # and the top
        (200, 300, 1.0),  # and the bottom
        (-500, -250, 4.0),  # larger than half of the frame
        (300, 200, 0.28),  # about 27 pixels wide
    ],
)
def test_faces_large_small_and_at_every_border(masker, astronaut, astronaut_face, left, top, scale):
    frame = placed(astronaut, 480, 640, left, top, scale)
    masked = masker.process(frame)
    assert masked.faces, "the face was not found"
    assert face_share(changed(frame, masked.image), moved_face(astronaut_face, left, top, scale)) > 0.95


@pytest.mark.parametrize("degrees", [-40, -20, 20, 40])
def test_turned_heads(masker, astronaut, degrees):
    matrix = cv2.getRotationMatrix2D((224, 126), -degrees, 1.0)
    frame = cv2.warpAffine(astronaut, matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    masked = masker.process(frame)
    face = max(masked.faces, key=lambda face: face.box.area)
    across = face.landmarks[42:48].mean(axis=0) - face.landmarks[36:42].mean(axis=0)
    assert np.degrees(np.arctan2(across[1], across[0])) == pytest.approx(degrees, abs=10)
    mask = changed(frame, masked.image)
    y, x = np.mgrid[0:512, 0:512]
    assert mask[np.hypot(x - 224, y - 126) < 45].mean() > 0.97


def test_a_stream_keeps_the_id_and_covers_while_the_face_is_missed(stream_masker, astronaut, astronaut_face):
    frames = [placed(astronaut, 480, 640, 60 + 3 * index, 30, 0.8) for index in range(12)]
    results = [stream_masker.process(frame, index / 30) for index, frame in enumerate(frames)]
    assert all([face.track_id for face in result.faces] == [1] for result in results)
    # The same place, but nothing that a detector would call a face.
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    for index in range(12, 20):
        masked = stream_masker.process(noise, index / 30)
        assert masked.faces and masked.faces[0].held
        where = moved_face(astronaut_face, 60 + 3 * 12, 30, 0.8)
        assert face_share(changed(noise, masked.image), where) > 0.9


def test_stream_gives_one_result_for_each_frame_in_order(stream_masker, astronaut):
    frames = [(astronaut, index / 25) for index in range(4)]
    assert [masked.time for masked in stream_masker.stream(iter(frames))] == [index / 25 for index in range(4)]


def test_what_another_thread_has_sought_gives_the_same_stream(astronaut):
    frames = [(placed(astronaut, 480, 640, 10 * index, 20, 0.5), index / 30) for index in range(6)]
    frames.insert(3, (None, 0.09))
    ahead = Masker()
    with ThreadPoolExecutor(1) as seeker:
        sought = seeker.map(lambda timed: ahead.seek(*timed), frames)
        results = list(ahead.stream(sought))
    for masked, alone in zip(results, Masker().stream(frames)):
        assert masked.time == alone.time and masked.error == alone.error
        assert [face.box for face in masked.faces] == [face.box for face in alone.faces]
        np.testing.assert_array_equal(masked.image, alone.image)
    assert [masked.error is None for masked in results] == [True] * 3 + [False] + [True] * 3


def test_lookahead_covers_a_face_before_it_is_found(astronaut, astronaut_face):
    masker = Masker(Settings(lookahead=2))
    hidden = astronaut.copy()
    hidden[:230, 130:330] = np.random.default_rng(0).integers(0, 256, (230, 200, 3), dtype=np.uint8)
    frames = [hidden, hidden, hidden, astronaut, astronaut]
    results = list(masker.stream((frame, index / 30) for index, frame in enumerate(frames)))
    shares = [face_share(changed(frame, masked.image), astronaut_face) for frame, masked in zip(frames, results)]
    assert shares[0] == 0 and min(shares[1:]) > 0.95


def test_a_small_face_that_only_a_close_look_finds_is_covered_in_every_frame(astronaut, astronaut_face):
    left, top, scale = 300, 200, 0.07
    empty = np.full((480, 640, 3), (90, 100, 110), np.uint8)
    shown = placed(astronaut, 480, 640, left, top, scale)
    perceiver = Perceiver(Settings())
    assert not perceiver.detect(shown, Settings().detection_threshold, Look.GLANCE)
    # Frames 0, 4 and 8 are looked at closely; the face comes with frame 5, and a glance must do for it until frame 8.
    frames = [empty] * 5 + [shown] * 8
    results = list(Masker(perceiver=perceiver).stream((frame, index / 30) for index, frame in enumerate(frames)))
    face = moved_face(astronaut_face, left, top, scale)
    shares = [face_share(changed(frame, masked.image), face) for frame, masked in zip(frames, results)]
    assert min(shares[5:]) > 0.95


class Counting(Perceiver):
    """Counts the looks."""

    looks = 0

    def detect(self, *arguments):
        self.looks += 1
        return super().detect(*arguments)


def looks_at(frames, **settings):
    """How many of ``frames`` are looked at by a masker with these ``settings``."""
    perceiver = Counting(Settings(**settings))
    list(Masker(perceiver.settings, perceiver).stream((frame, index / 30) for index, frame in enumerate(frames)))
    return perceiver.looks


def test_every_second_frame_of_a_calm_stream_is_looked_at(astronaut):
    assert looks_at([astronaut] * 9) == 5
    moved = [np.roll(astronaut, 40 * index, axis=1) for index in range(9)]
    assert looks_at(moved) == 9


def test_the_frame_after_one_that_failed_is_looked_at_closely(astronaut):
    masker = Masker()
    looks = [masker.seek(astronaut, index / 30).look for index in range(2)]
    detector, masker._perceiver._detector = masker._perceiver._detector, Broken(ValueError("broken"))
    failed = masker.seek(astronaut, 2 / 30)
    masker._perceiver._detector = detector
    looks += [masker.seek(astronaut, index / 30).look for index in (3, 4)]
    assert failed.error and looks == [Look.CLOSE, None, Look.CLOSE, None]


@pytest.mark.parametrize(
    "careful", [{"rests": "never"}, {"lookahead": 2}, {"hold": 0.1}, {"detection_size": 320}, {"thorough": True}]
)
def test_every_frame_is_looked_at_when_settings_ask_for_it_or_a_face_would_be_forgotten(astronaut, careful):
    assert looks_at([astronaut] * 8, **careful) == 8


@pytest.mark.parametrize("careful", [{}, {"lookahead": 2}])
def test_every_second_frame_may_rest_in_a_moving_stream_if_one_says_so(careful, astronaut):
    moved = [np.roll(astronaut, 10 * index, axis=1) for index in range(9)]
    assert looks_at(moved, rests="always", **careful) == (9 if careful else 5)


def test_a_jolted_frame_is_looked_at_even_so(astronaut):
    masker = Masker(Settings(rests="always"))
    jolted = np.roll(astronaut, 60, axis=1)
    sought = [masker.seek(frame, index / 30) for index, frame in enumerate([astronaut, jolted, jolted])]
    assert sought[1].change.is_jolt and [one.look for one in sought] == [Look.CLOSE, Look.GLANCE, None]


@pytest.mark.parametrize("failing", [0, 1, 3])
def test_a_frame_that_was_not_looked_at_is_when_no_look_follows(failing, astronaut, astronaut_face):
    # The face comes with a frame that is calm, small as it is, and not looked at; the stream ends, or goes on with
    # frames that fail.
    scale = 0.25
    empty = np.zeros((480, 640, 3), np.uint8)
    empty[:] = np.where(np.arange(640) // 80 % 2, 230, 20)[None, :, None]
    shown = empty.copy()
    shown[:57, 30:82] = placed(astronaut, 480, 640, 0, 0, scale)[:57, 30:82]
    masker = Masker()
    assert [masker.seek(empty, 0.0).look, masker.seek(shown, 1 / 30).look] == [Look.CLOSE, None]
    frames = [(empty, 0.0), (shown, 1 / 30)] + [(None, (2 + index) / 30) for index in range(failing)]
    _, masked, *failed = Masker().stream(frames)
    assert face_share(changed(shown, masked.image), moved_face(astronaut_face, 0, 0, scale)) > 0.95
    assert all(one.image is None for one in failed)


def test_frames_do_not_wait_when_none_will_come(stream_masker, astronaut):
    given = []

    def frames():
        for index, timed in enumerate([(astronaut, 0.0), (astronaut, 0.04), None, None, (astronaut, 1.0)]):
            given.append(index)
            yield timed

    assert stream_masker.settings.lookahead > 1
    results = stream_masker.stream(frames())
    assert [next(results).time, next(results).time] == [0.0, 0.04] and given == [0, 1, 2]
    assert [masked.time for masked in results] == [1.0]


def test_another_scene_has_other_tracks_and_the_former_faces_stay_covered_for_a_moment(
    stream_masker, astronaut, astronaut_face
):
    first = placed(astronaut, 480, 640, 60, 40, 0.8)
    # The same face at the same place, in quite another picture.
    second = placed(astronaut, 480, 640, 60, 40, 0.8)
    outside = np.ones((480, 640), bool)
    outside[40:220, 100:380] = False
    second[outside] = np.linspace(0, 255, 640).astype(np.uint8)[None, :, None].repeat(480, 0).repeat(3, 2)[outside]
    results = [stream_masker.process(first, index / 30) for index in range(5)]
    assert [[face.track_id for face in masked.faces] for masked in results] == [[1]] * 5
    results = [stream_masker.process(second, 5 / 30 + index / 30) for index in range(12)]
    assert [(face.track_id, face.held) for face in results[0].faces] == [(2, False), (1, True)]
    assert [(face.track_id, face.held) for face in results[-1].faces] == [(2, False)]


def test_reset_forgets(stream_masker, astronaut):
    stream_masker.process(astronaut, 0.0)
    stream_masker.reset()
    blank = np.zeros_like(astronaut)
    assert stream_masker.process(blank, 0.1).faces == []


def test_other_settings_take_effect_with_the_next_frame_and_no_track_is_forgotten(astronaut, astronaut_face):
    masker = Masker(Settings(style="solid", lookahead=0))
    given = []

    def frames():
        for index in range(12):
            if index == 6:
                masker.adopt(masker.settings.changed_live(style="emoji", margin=0.4, hold=2.0, lookahead=3))
            given.append(index)
            yield astronaut, index / 30

    late, boxes = [], []
    for masked in masker.stream(frames()):
        late.append(given[-1] - round(masked.time * 30))
        boxes.append(masked.faces[0].covered)
        assert [face.track_id for face in masked.faces] == [1]
        assert face_share(changed(astronaut, masked.image), astronaut_face) > 0.95
        color = masked.image[150, 224]
        assert (color == 128).all() == (masked.time < 5.9 / 30), masked.time
    assert len(late) == 12 and late[:6] == [0] * 6 and late[6:9] == [3] * 3
    assert boxes[6].area > 1.2 * boxes[5].area


def test_a_shorter_lookahead_gives_every_frame_that_waits(stream_masker, astronaut, astronaut_face):
    def frames():
        for index in range(8):
            if index == 5:
                stream_masker.adopt(stream_masker.settings.changed_live(lookahead=0))
            yield astronaut, index / 30

    results = list(stream_masker.stream(frames()))
    assert [round(masked.time * 30) for masked in results] == list(range(8))
    assert all(face_share(changed(astronaut, masked.image), astronaut_face) > 0.95 for masked in results)


def test_other_settings_hold_for_single_pictures_too_and_leave_a_shared_perceiver_alone(astronaut):
    perceiver = Perceiver(Settings())
    masker = Masker(Settings(), perceiver)
    masker.adopt(masker.settings.changed_live(unsure=1.0))
    assert masker.process(astronaut).faces[0].emotion == "neutral"
    assert perceiver.settings == Settings()


def test_a_cover_that_cannot_be_loaded_changes_nothing(stream_masker, tmp_path):
    former = stream_masker.settings
    with pytest.raises(ModelError):
        stream_masker.adopt(former.replace(emojis=str(tmp_path)))
    assert stream_masker.settings is former


def test_parted_tracks_begin_anew_and_stay_covered(stream_masker, astronaut, astronaut_face):
    for index in range(5):
        stream_masker.process(astronaut, index / 30)
    stream_masker.part()
    blank = np.zeros_like(astronaut)
    masked = stream_masker.process(blank, 5 / 30)
    assert face_share(changed(blank, masked.image), astronaut_face) > 0.95
    masked = stream_masker.process(astronaut, 6 / 30)
    assert 2 in [face.track_id for face in masked.faces]


@pytest.mark.parametrize(
    "frame",
    [
        None,
        "picture.png",
        np.zeros((480, 640), np.uint8),
        np.zeros((480, 640, 4), np.uint8),
        np.zeros((480, 640, 3), np.float32),
        np.zeros((480, 640, 3), np.uint16),
        np.zeros((0, 640, 3), np.uint8),
        np.zeros((480, 3, 3), np.uint8),
    ],
)
def test_what_is_no_frame_is_refused(masker, stream_masker, frame):
    with pytest.raises(FrameError):
        masker.process(frame)
    (masked,) = stream_masker.stream([(frame, 0.0)])
    assert masked.image is None and "FrameError" in masked.error


@pytest.mark.parametrize("time", [float("nan"), float("inf")])
def test_a_time_that_is_none_is_refused(masker, astronaut, time):
    with pytest.raises(FrameError, match="finite"):
        masker.process(astronaut, time)


class Broken:
    """Stands in for a stage; whatever is asked of it fails."""

    def __init__(self, failure):
        self._failure = failure

    def __getattr__(self, name):
        raise self._failure


@pytest.mark.parametrize("on_failure", ["drop", "pixelate"])
def test_whatever_fails_the_original_is_never_shown(on_failure, astronaut):
    astronaut = np.ascontiguousarray(astronaut[30:230, 120:320])
    masker = Masker(Settings(on_failure=on_failure))
    assert masker.process(astronaut, 0.0).error is None
    networks = [(masker._perceiver, stage) for stage in ("_detector", "_landmarker", "classifier")]
    for owner, stage in networks + [(masker, stage) for stage in ("_perceiver", "cover", "_tracker")]:
        for failure in (ValueError("broken"), MemoryError(), ModelError("values that are not finite")):
            whole = getattr(owner, stage)
            setattr(owner, stage, Broken(failure))
            results = list(masker.stream([(astronaut, 0.1), (astronaut, 0.2)])) + [masker.process(astronaut, 0.3)]
            setattr(owner, stage, whole)
            for masked in results:
                assert type(failure).__name__ in masked.error and masked.faces == []
                if on_failure == "drop":
                    assert masked.image is None
                else:
                    assert masked.image.shape == astronaut.shape
                    assert len(np.unique(masked.image.reshape(-1, 3), axis=0)) <= 100
                    assert changed(astronaut, masked.image).mean() > 0.9


def test_the_stream_recovers_from_a_failed_frame(stream_masker, astronaut, astronaut_face):
    frames = [(astronaut, 0.0), (None, 0.1), (astronaut, 0.2)]
    results = list(stream_masker.stream(frames))
    assert results[1].image is None and results[1].error
    assert [face.track_id for face in results[2].faces] == [1]
    assert face_share(changed(astronaut, results[2].image), astronaut_face) > 0.95


def test_frames_of_changing_size(masker, astronaut):
    for height, width in ((512, 512), (300, 700), (1080, 1920), (120, 160), (719, 404)):
        masked = masker.process(placed(astronaut, height, width, 0, 0, height / 512))
        assert masked.error is None and masked.image.shape == (height, width, 3)
        assert len(masked.faces) == 1


def test_warm_up_leaves_no_tracks(stream_masker):
    stream_masker.warm_up(480, 640)
    assert stream_masker.process(np.zeros((480, 640, 3), np.uint8), 0.0).faces == []


def test_masker_works_without_ros_torch_or_a_web_framework():
    code = (
        "import sys, numpy; from emomask import Masker; Masker().process(numpy.zeros((64, 64, 3), numpy.uint8));"
        "print([name for name in ('rospy', 'cv_bridge', 'torch', 'argparse', 'face_alignment', 'fastapi', 'matplotlib')"
        " if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=str(ROOT / "src"), stdout=subprocess.PIPE, timeout=120, check=True
    )
    loaded = result.stdout.decode().strip()
    assert not {"rospy", "cv_bridge", "torch", "face_alignment", "fastapi"} & set(eval(loaded)), loaded
