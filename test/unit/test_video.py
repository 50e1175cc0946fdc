"""VideoSink: what is written plays as given, and nothing half-written is left."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from emomask.errors import SinkError
from emomask.media.movie import Movie
from emomask.media.video import VideoSink

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from clips import number_of, numbered, turn, write_movie


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
    assert done.stdout.strip() == "The video %s cannot be written: File too large." % (tmp_path / "a.mp4")
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def full_disk_with(codec, suffix, tmp_path):
    script = FILL.replace("240, 10)", "240, 10, codec=%r)" % codec)
    command = [sys.executable, "-c", script, str(tmp_path / ("a" + suffix))]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


@pytest.mark.parametrize(("codec", "suffix"), (("ffv1", ".mkv"), ("mpeg4", ".avi"), ("libvpx-vp9", ".webm")))
def test_a_full_disk_is_one_clear_error_in_every_container(tmp_path, codec, suffix):
    done = full_disk_with(codec, suffix, tmp_path)
    assert done.stdout.strip() == "The video %s cannot be written: File too large." % (tmp_path / ("a" + suffix))
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "codec", "decoder"),
    (
        ("a.mp4", "libx264", "h264"),
        ("a.mov", "libx264", "h264"),
        ("a.mkv", "libx265", "hevc"),
        ("a.webm", "libvpx-vp9", "vp9"),
        ("a.mkv", "ffv1", "ffv1"),
        ("a.avi", "mpeg4", "mpeg4"),
        ("a.mp4", "mpeg4", "mpeg4"),
        ("a.mov", "prores_ks", "prores"),
        ("a.mkv", "mpeg2video", "mpeg2video"),
    ),
)
def test_codecs_and_containers(tmp_path, name, codec, decoder):
    path = tmp_path / name
    with VideoSink(path, 64, 48, 25, codec=codec) as sink:
        for number in range(6):
            sink.write(numbered(number))
    _, was, _, decoded = read_back(path)
    assert was == decoder
    assert [number_of(image) for _, image in decoded] == list(range(6))
    assert [time for time, _ in decoded] == pytest.approx([number / 25 for number in range(6)], abs=6e-4)


def test_lossless_is_lossless(tmp_path):
    path = tmp_path / "a.mkv"
    noise = np.random.RandomState(0).randint(0, 256, (3, 31, 33, 3)).astype(np.uint8)
    with VideoSink(path, 33, 31, 25, codec="ffv1") as sink:
        for image in noise:
            sink.write(image)
    with Movie(path) as movie:
        assert all((frame.image == image).all() for frame, image in zip(movie.frames(), noise))


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    (
        ("a.mp4", {"codec": "nonsense"}, "no video encoder 'nonsense'.*Usable for .mp4: libx264, libx265"),
        ("a.mp4", {"codec": "h264_vaapi"}, "h264_vaapi.*Usable for .mp4: libx264"),
        ("a.mp4", {"codec": "aac"}, "Usable for .mp4"),
        ("a.webm", {"codec": "libx264"}, ".webm cannot hold it. Usable for .webm: libvpx-vp9"),
        ("a.mov", {"codec": "ffv1"}, ".mov cannot hold it"),
        ("a.mp4", {"quality": 52}, "between 0 .best. and 51, not 52"),
        ("a.mkv", {"quality": 3, "codec": "ffv1"}, "cannot be set by one number"),
        ("a.mp4", {"preset": "quick"}, "no preset 'quick'"),
        ("a.mp4", {"options": {"nonsense": "1"}}, "libx264 has no option nonsense"),
        ("a.mp4", {"options": {"profile": "nonsense"}}, "cannot be opened here"),
        ("a.gif", {}, "written as .mp4, .mov, .mkv, .webm, .avi"),
    ),
)
def test_what_a_codec_cannot_do_is_said(tmp_path, name, arguments, said):
    with pytest.raises(SinkError, match=said) as raised:
        VideoSink(tmp_path / name, 64, 48, 10, **arguments)
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_hardware_encoder_that_is_not_there_is_said(tmp_path):
    try:
        sink = VideoSink(tmp_path / "a.mp4", 64, 48, 10, codec="h264_nvenc")
    except SinkError as error:
        assert "with h264_nvenc" in str(error) and "Usable for .mp4: libx264" in str(error)
    else:  # on a machine that has one
        with sink:
            sink.write(numbered(0))


def test_options_reach_the_encoder(tmp_path):
    sizes = []
    for options in ({}, {"crf": "45"}, {"g": "1"}):
        path = tmp_path / "a.mp4"
        with VideoSink(path, 64, 48, 25, options=options) as sink:
            for image in frames(20):
                sink.write(image)
        sizes.append(path.stat().st_size)
    assert sizes[1] < sizes[0] < sizes[2]


def test_quality_is_on_each_encoder_s_scale(tmp_path):
    noise = np.random.RandomState(0).randint(0, 256, (48, 64, 3)).astype(np.uint8)
    for codec, name in (("libx264", "a.mp4"), ("libx265", "a.mp4"), ("libvpx-vp9", "a.webm"), ("mpeg4", "a.avi")):
        sizes = []
        for quality in (2, 30):
            with VideoSink(tmp_path / name, 64, 48, 25, quality=quality, codec=codec) as sink:
                for number in range(5):
                    sink.write(np.roll(noise, number, axis=1))
            sizes.append((tmp_path / name).stat().st_size)
        assert sizes[0] > 1.5 * sizes[1], codec


def test_avi_rounds_to_its_rate_and_says_what_it_cannot(tmp_path):
    path = tmp_path / "a.avi"
    with VideoSink(path, 64, 48, 10, codec="mpeg4") as sink:
        for number, time in enumerate((0.0, 0.101, 0.199, 0.5)):
            sink.write(numbered(number), time)
    decoded = read_back(path)[3]
    assert [round(time, 3) for time, _ in decoded] == [0.0, 0.1, 0.2, 0.5]
    assert [number_of(image) for _, image in decoded] == [0, 1, 2, 3]
    with pytest.raises(SinkError, match="only a constant rate"):
        with VideoSink(path, 64, 48, 10, codec="mpeg4") as sink:
            sink.write(numbered(0), 0.0)
            sink.write(numbered(1), 0.02)


TAGS = {"title": "Secret", "artist": "Somebody", "comment": "Home", "creation_time": "2024-05-06T07:08:09.000000Z"}
TAGS = dict(TAGS, location="+48.1000+011.5000/", language="ger", handler_name="Their phone")


def tags_of(path):
    with av.open(str(path)) as container:
        return [dict(container.metadata)] + [dict(stream.metadata) for stream in container.streams]


def recoded(source, output, keep, **arguments):
    with Movie(source) as movie:
        metadata = movie.metadata if keep else None
        audio = movie.audio("keep")
        with VideoSink(output, 64, 48, movie.rate, metadata=metadata, audio=audio, **arguments) as sink:
            for frame in movie.frames():
                sink.write(frame.image, frame.time)
    return output


@pytest.mark.parametrize("name", ("b.mp4", "b.mov", "b.mkv", "b.avi", "b.webm"))
@pytest.mark.parametrize("origin", ("a.mp4", "a.mkv"))
def test_no_metadata_is_left(tmp_path, name, origin):
    codec = "libvpx-vp9" if name == "b.webm" else "mpeg4"
    sound = np.zeros(48000, np.float32)
    source = write_movie(tmp_path / origin, range(5), sound="aac", samples=sound, tags=TAGS)
    assert "Secret" in str(tags_of(source))
    output = recoded(source, tmp_path / name, keep=False, codec=codec)
    found = tags_of(output)
    for tags in found:
        # What the containers write by themselves.
        assert {key.lower() for key in tags} <= {
            "major_brand",
            "minor_version",
            "compatible_brands",
            "language",
            "handler_name",
            "vendor_id",
            "encoder",
            "duration",
        }
        assert tags.get("language", "und") == "und"
        assert "Lavf5" not in str(tags) and "Lavf6" not in str(tags)
    data = output.read_bytes()
    for value in TAGS.values():
        if value != "ger":
            assert value.encode() not in data


@pytest.mark.parametrize("name", ("b.mp4", "b.mov", "b.mkv"))
def test_metadata_is_kept_when_asked_for(tmp_path, name):
    sound = np.zeros(48000, np.float32)
    source = write_movie(tmp_path / "a.mkv", range(5), sound="aac", samples=sound, tags=TAGS)
    container, video, audio = tags_of(recoded(source, tmp_path / name, keep=True))
    lower = {key.lower(): value for key, value in container.items()}
    assert lower["title"] == "Secret" and lower["artist"] == "Somebody" and lower["comment"] == "Home"
    assert lower["creation_time"].startswith("2024-05-06T07:08:09")
    assert lower["location"].startswith("+48.1000+011.5000")
    for tags in (video, audio):
        assert {key.lower(): value for key, value in tags.items()}["handler_name"] == "Their phone"
        assert tags["language"] == "ger"


def test_nothing_but_video_and_sound_is_kept(tmp_path):
    """Subtitles, data and attached pictures do not come along, with or without metadata."""
    source = tmp_path / "a.mkv"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        other = container.add_stream("mpeg4", rate=10)
        other.width, other.height, other.pix_fmt = 32, 24, "yuv420p"
        for number in range(3):
            for one in (stream, other):
                frame = av.VideoFrame.from_ndarray(numbered(number, one.width, one.height), "bgr24")
                frame.pts = number
                container.mux(one.encode(frame))
        for one in (stream, other):
            container.mux(one.encode())
    with Movie(source) as movie, VideoSink(tmp_path / "b.mkv", 64, 48, 10, metadata=movie.metadata) as sink:
        for frame in movie.frames():
            sink.write(frame.image, frame.time)
    with av.open(str(tmp_path / "b.mkv")) as container:
        assert [stream.type for stream in container.streams] == ["video"]


def test_the_aspect_of_pixels_and_the_kind_of_colours(tmp_path):
    path = tmp_path / "a.mp4"
    with VideoSink(path, 64, 48, 10, aspect=Fraction(16, 11), colors=(1, 13)) as sink:
        sink.write(numbered(0))
    with Movie(path) as movie:
        assert movie.aspect == Fraction(16, 11)
        assert movie.colors == (1, 13)
    with Movie(turn(path, 0, 1, -1, 0)) as movie:
        assert movie.aspect == Fraction(11, 16)


def test_the_usual_preset_is_quick_and_its_files_are_small(tmp_path, astronaut):
    """superfast alone takes far more space than veryfast for a picture that stands still."""
    image = np.ascontiguousarray(astronaut[:256, :256])
    sizes = {}
    for preset in (None, "veryfast", "ultrafast"):
        path = tmp_path / ("%s.mp4" % preset)
        with VideoSink(path, 256, 256, 25, preset=preset) as sink:
            for shift in range(50):
                sink.write(np.roll(image, shift // 10, axis=1))
        sizes[preset] = path.stat().st_size
    assert sizes[None] < 1.3 * sizes["veryfast"] and sizes[None] < 0.6 * sizes["ultrafast"], sizes
