"""VideoSink: what is written plays as given, and nothing half-written is left."""

import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest

from emomask.errors import SinkError
from emomask.media.video import VideoSink


def frames(count, width=64, height=48):
    """Grey frames, each brighter than the last, with one blue and one red half."""
    for number in range(count):
        image = np.full((height, width, 3), 40 + 5 * number, np.uint8)
        image[:, : width // 2, 0] = 200
        image[:, width // 2 :, 2] = 200
        yield image


def read_back(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoded = [(float(frame.time), frame.to_ndarray(format="bgr24")) for frame in container.decode(stream)]
        return stream.average_rate, stream.codec_context.name, stream.codec_context.pix_fmt, decoded


def test_constant_rate_is_exact(tmp_path):
    path = tmp_path / "a.mp4"
    with VideoSink(path, 64, 48, Fraction(30000, 1001)) as sink:
        for image in frames(30):
            sink.write(image)
        assert not path.exists()
    rate, codec, pixel_format, decoded = read_back(path)
    assert rate == Fraction(30000, 1001)
    assert (codec, pixel_format) == ("h264", "yuv420p")
    times = [time for time, _ in decoded]
    assert times == pytest.approx([number * 1001 / 30000 for number in range(30)], abs=1e-4)


def test_colours_come_back_in_bgr_order(tmp_path):
    path = tmp_path / "a.mp4"
    with VideoSink(path, 64, 48, 10) as sink:
        for image in frames(5):
            sink.write(image)
    for (_, shown), given in zip(read_back(path)[3], frames(5)):
        assert np.abs(shown[4:-4, 4:28].mean(axis=(0, 1)) - given[0, 0]).max() < 4
        assert np.abs(shown[4:-4, 36:-4].mean(axis=(0, 1)) - given[0, -1]).max() < 4


def test_times_of_frames_are_kept(tmp_path):
    path = tmp_path / "a.mp4"
    times = [0.0, 0.1, 0.15, 0.5, 2.0]
    with VideoSink(path, 64, 48, 30) as sink:
        for time, image in zip(times, frames(5)):
            sink.write(image, time)
    assert [time for time, _ in read_back(path)[3]] == pytest.approx(times, abs=1e-4)


@pytest.mark.parametrize("size", ((65, 48), (64, 49), (1, 1)))
def test_odd_sizes_are_padded_with_their_last_column_and_row(tmp_path, size):
    path = tmp_path / "a.mp4"
    width, height = size
    with VideoSink(path, width, height, 10) as sink:
        sink.write(np.full((height, width, 3), 180, np.uint8))
    shown = read_back(path)[3][0][1]
    assert shown.shape == (height + height % 2, width + width % 2, 3)
    assert np.abs(shown.astype(int) - 180).max() < 8


def test_an_old_file_is_replaced_only_by_a_complete_one(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")
    with pytest.raises(KeyError):
        with VideoSink(path, 64, 48, 10) as sink:
            sink.write(next(frames(1)))
            raise KeyError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    with VideoSink(path, 64, 48, 10) as sink:
        sink.write(next(frames(1)))
    assert len(read_back(path)[3]) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_without_a_frame_nothing_is_left(tmp_path):
    with VideoSink(tmp_path / "a.mp4", 64, 48, 10):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    (
        (("missing/a.mp4", 64, 48, 10), "there is no folder"),
        ((".", 64, 48, 10), "folder"),
        (("a.mp4", 0, 48, 10), "0x48"),
        (("a.mp4", 64, 48, 0), "rate"),
        (("a.mp4", 64, 48, float("nan")), "rate"),
        (("a.mp4", 64, 48, float("inf")), "rate"),
    ),
)
def test_what_cannot_be_written_is_said(tmp_path, arguments, said):
    with pytest.raises(SinkError, match=said):
        VideoSink(tmp_path / arguments[0], *arguments[1:])
    assert list(tmp_path.iterdir()) == []


def test_wrong_frames_are_refused(tmp_path):
    with VideoSink(tmp_path / "a.mp4", 64, 48, 10) as sink:
        for wrong in (np.zeros((48, 65, 3), np.uint8), np.zeros((48, 64), np.uint8), np.zeros((48, 64, 3), np.float32)):
            with pytest.raises(SinkError, match="uint8 frames of 64x48"):
                sink.write(wrong)
        sink.write(next(frames(1)), 1.0)
        with pytest.raises(SinkError, match="not after"):
            sink.write(next(frames(1)), 1.0)
        assert sink.frames == 1
    with pytest.raises(SinkError, match="closed"):
        sink.write(next(frames(1)))


FILL = """
import resource, sys, numpy
from emomask.errors import SinkError
from emomask.media.video import VideoSink
resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000))
random = numpy.random.RandomState(0)
try:
    with VideoSink(sys.argv[1], 320, 240, 10) as sink:
        for _ in range(200):
            sink.write(random.randint(0, 256, (240, 320, 3)).astype(numpy.uint8))
except SinkError as error:
    print(error)
"""


def test_a_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path):
    """The limit on a file's size fails the same system call as a full disk."""
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(tmp_path / "a.mp4")], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "Cannot write the video %s: File too large." % (tmp_path / "a.mp4")
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []
