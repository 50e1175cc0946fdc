"""Movie: every frame, upright, in its colours, at its exact time; and through a VideoSink the same again."""

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from emomask.errors import SourceError
from emomask.media.movie import Movie, _Clock
from emomask.media.video import VideoSink

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from clips import copied, cut, number_of, numbered, turn, write_clip, write_clip_as, write_movie

ODD_GAPS = [0, 1, 2, 5, 6, 30, 31, 33, 60, 100]
NTSC = Fraction(1001, 30000)


def read(path, *span):
    """The movie, the exact times of its frames and their numbers."""
    with Movie(path) as movie:
        frames = list(movie.frames(*span))
    return movie, [frame.pts * movie.time_base for frame in frames], [number_of(frame.image) for frame in frames]


@pytest.mark.parametrize("options", ({"bf": "0"}, {"bf": "3", "b_strategy": "0"}))
@pytest.mark.parametrize("suffix", (".mp4", ".mov", ".ts"))
def test_constant_rate_is_exact_in_and_out(tmp_path, suffix, options):
    source = write_movie(tmp_path / ("a" + suffix), options=options)
    expected = [number * NTSC for number in range(10)]
    movie, times, numbers = read(source)
    assert (times, numbers) == (expected, list(range(10)))
    assert movie.rate == 1 / NTSC
    assert movie.frame_count == 10
    assert movie.duration == pytest.approx(float(10 * NTSC))
    output, times, numbers = read(copied(source, tmp_path / "out.mp4"))
    assert (times, numbers) == (expected, list(range(10)))
    assert output.rate == 1 / NTSC


@pytest.mark.parametrize("options", ({"bf": "0"}, {"bf": "3", "b_strategy": "0"}))
@pytest.mark.parametrize("suffix", (".mp4", ".ts"))
def test_odd_gaps_are_exact_in_and_out(tmp_path, suffix, options):
    tick = Fraction(1, 600)
    source = write_movie(tmp_path / ("a" + suffix), ODD_GAPS, tick, options=options)
    expected = [number * tick for number in ODD_GAPS]
    assert read(source)[1:] == (expected, list(range(10)))
    assert read(copied(source, tmp_path / "out.mp4"))[1:] == (expected, list(range(10)))


@pytest.mark.parametrize("suffix", (".mkv", ".webm"))
def test_matroska_has_milliseconds_and_they_are_exact_from_there_on(tmp_path, suffix):
    codec = "libvpx-vp9" if suffix == ".webm" else "libx264"
    source = write_movie(tmp_path / ("a" + suffix), ODD_GAPS, Fraction(1, 600), codec=codec)
    expected = [Fraction(round(number * 1000 / 600), 1000) for number in ODD_GAPS]
    assert read(source)[1:] == (expected, list(range(10)))
    for name, codec in (("out.mp4", "libx264"), ("out.mkv", "libx264"), ("out.webm", "libvpx-vp9")):
        assert read(copied(source, tmp_path / name, codec=codec))[1:] == (expected, list(range(10)))


@pytest.mark.parametrize("codec", ("libx264", "libx265", "mpeg4", "libvpx-vp9"))
def test_the_last_frame_is_shown_as_long_as_before(tmp_path, codec):
    path = tmp_path / "a.mp4"
    times = [Fraction(number, 600) for number in ODD_GAPS]
    with VideoSink(path, 64, 48, 30, time_base=Fraction(1, 600), codec=codec) as sink:
        for number, (time, after) in enumerate(zip(times, [*times[1:], Fraction(1000, 600)])):
            sink.write(numbered(number), time, after - time)
    for shown in (path, copied(path, tmp_path / "b.mp4", codec=codec)):
        with Movie(shown) as movie:
            frames = list(movie.frames())
        assert [frame.pts * movie.time_base for frame in frames] == times
        assert frames[-1].duration * movie.time_base == Fraction(900, 600)
        assert movie.duration == pytest.approx(1000 / 600)


def test_times_start_with_the_first_frame(tmp_path):
    for suffix in (".mp4", ".mkv", ".ts"):
        source = write_movie(tmp_path / ("a" + suffix), range(300, 310), Fraction(1, 25), Fraction(25))
        movie, times, _ = read(source)
        assert times == [Fraction(number, 25) for number in range(10)]
        assert movie.origin >= 12


def test_a_span_has_the_frames_and_times_of_the_whole(tmp_path):
    for suffix in (".mp4", ".mkv", ".ts"):
        source = write_movie(tmp_path / ("a" + suffix), range(30), Fraction(1, 10), Fraction(10), options={"g": "10"})
        _, times, numbers = read(source, 1.3, 2.5)
        assert numbers == list(range(13, 25))
        assert times == [Fraction(number, 10) for number in numbers]
    with Movie(source) as movie:
        assert [frame.duration * movie.time_base for frame in movie.frames(2.8)] == [Fraction(1, 10)] * 2
        assert list(movie.frames(50.0)) == []
        assert next(movie.frames(0.5)).time == 0.5


@pytest.mark.parametrize(
    ("matrix", "code"),
    (
        ((1, 0, 0, 1), None),
        ((0, 1, -1, 0), cv2.ROTATE_90_CLOCKWISE),
        ((-1, 0, 0, -1), cv2.ROTATE_180),
        ((0, -1, 1, 0), cv2.ROTATE_90_COUNTERCLOCKWISE),
    ),
)
def test_frames_are_turned_upright(tmp_path, matrix, code):
    source = turn(write_movie(tmp_path / "a.mp4", range(2), aspect=Fraction(4, 3)), *matrix)
    upright = numbered(1) if code is None else cv2.rotate(numbered(1), code)
    with Movie(source) as movie:
        assert (movie.width, movie.height) == upright.shape[1::-1]
        shown = list(movie.frames())[1].image
        assert movie.aspect == (Fraction(4, 3) if movie.width == 64 else Fraction(3, 4))
    assert np.abs(shown.astype(int) - upright).mean() < 6
    output, _, _ = read(copied(source, tmp_path / "out.mp4"))
    assert (output.width, output.height, output.aspect) == (movie.width, movie.height, movie.aspect)


def test_a_mirrored_display_matrix(tmp_path):
    source = turn(write_movie(tmp_path / "a.mp4", range(1)), -1, 0, 0, 1)
    with Movie(source) as movie:
        assert np.abs(next(movie.frames()).image.astype(int) - numbered(0)[:, ::-1]).mean() < 6


def colours(number, width, height):
    """Nine patches of strong colours."""
    image = np.random.RandomState(4).randint(0, 256, (3, 3, 3)).astype(np.uint8)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_NEAREST)


def patches(image):
    """The colours of ``colours`` in an image."""
    height, width = image.shape[:2]
    return np.array([[image[height * y // 6, width * x // 6] for x in (1, 3, 5)] for y in (1, 3, 5)]).astype(float)


@pytest.mark.parametrize("look", ((1, 1), (1, 2), (6, 1), (6, 2)))
def test_colours_are_right_whatever_the_matrix_and_range(tmp_path, look):
    lossless = {"qp": "0"}
    source = write_movie(tmp_path / "a.mp4", [0], look=look, size=(96, 96), picture=colours, options=lossless)
    wanted = patches(colours(0, 96, 96))
    with Movie(source) as movie:
        got = patches(next(movie.frames()).image)
        quick = patches(next(movie.frames(exact=False)).image)
    assert np.abs((quick - wanted).mean(axis=(0, 1))).max() < 3
    assert np.abs(got - wanted).max() <= 3
    assert np.abs((got - wanted).mean(axis=(0, 1))).max() < 1.5
    with Movie(copied(source, tmp_path / "b.mp4", quality=1)) as movie:
        again = patches(next(movie.frames()).image)
    assert np.abs(again - wanted).max() <= 6
    assert np.abs((again - wanted).mean(axis=(0, 1))).max() < 2


@pytest.mark.parametrize(
    ("name", "codec", "form", "tolerance"),
    (
        ("a.mkv", "libx265", "yuv420p10le", 4),
        ("a.mp4", "libx264", "yuv420p10le", 4),
        ("a.mp4", "libx264", "yuv444p", 4),
        ("a.mkv", "ffv1", "bgr0", 0),
        ("a.mkv", "ffv1", "yuv422p", 3),
        ("a.mkv", "rawvideo", "uyvy422", 3),
    ),
)
def test_other_depths_and_samplings(tmp_path, name, codec, form, tolerance):
    best = {} if codec in ("ffv1", "rawvideo") else {"crf": "1"}
    source = write_movie(tmp_path / name, [0, 1], codec=codec, form=form, size=(96, 96), picture=colours, options=best)
    with Movie(source) as movie:
        shown = list(movie.frames())[0].image
    assert np.abs(patches(shown) - patches(colours(0, 96, 96))).max() <= tolerance


@pytest.mark.parametrize(
    ("codec", "value_range", "shown"),
    (("libx264", 2, 200), ("libx264", 1, 214), ("libx265", 2, 200), ("libx265", 1, 214), ("ffv1", 2, 200)),
)
def test_grey(tmp_path, codec, value_range, shown):
    """The samples are 200; of the limited range's 219 levels above 16 that is 214 of 255."""

    def grey(number, width, height):
        return np.full((height, width, 3), 200, np.uint8)

    look = (6, value_range)
    source = write_movie(tmp_path / "a.mkv", [0, 1], codec=codec, form="gray", picture=grey, look=look)
    with Movie(source) as movie:
        assert np.abs(next(movie.frames()).image.astype(int) - shown).max() <= 2


def test_transparent_pixels_are_black(tmp_path):
    path = tmp_path / "a.mov"
    image = np.full((32, 32, 4), 255, np.uint8)
    image[:16, :, 3] = 0
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "rgba"
        for number in range(2):
            frame = av.VideoFrame.from_ndarray(image, "rgba")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with Movie(path) as movie:
        shown = next(movie.frames()).image
    assert (shown[:16] == 0).all() and (shown[16:] == 255).all()


def test_vp9_with_transparency(tmp_path):
    """FFmpeg's own VP9 decoder passes over the alpha channel: what it hides would be seen."""
    path = tmp_path / "a.webm"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx-vp9", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuva420p"
        stream.options = {"auto-alt-ref": "0"}
        stream.metadata["alpha_mode"] = "1"
        for number in range(3):
            frame = av.VideoFrame(64, 48, "yuva420p")
            for plane, value in zip(frame.planes, (180, 128, 128, 255)):
                rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
                rows[:] = value
            rows[:24] = 0
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with Movie(path) as movie:
        frames = list(movie.frames())
    assert len(frames) == 3
    assert frames[1].image[:20].max() < 10
    assert frames[1].image[28:].min() > 150


def test_interlaced_frames_stay_woven(tmp_path):
    def comb(number, width, height):
        image = np.full((height, width, 3), 60, np.uint8)
        image[1::2] = 180
        return image

    options = {"flags": "+ildct+ilme", "qmin": "1", "qmax": "1", "top": "1"}
    source = write_movie(tmp_path / "a.ts", range(5), codec="mpeg2video", options=options, picture=comb)
    with Movie(source) as movie:
        frames = list(movie.frames())
    assert len(frames) == 5
    assert np.abs(frames[2].image.astype(int) - comb(2, 64, 48)).mean() < 6


@pytest.mark.parametrize("size", ((65, 48), (64, 49), (33, 31)))
def test_odd_sizes_stay_where_the_codec_knows_them(tmp_path, size):
    source = write_movie(tmp_path / "a.mkv", range(3), codec="ffv1", form="bgr0", size=size, picture=numbered)
    for name, codec in (("b.mp4", "libvpx-vp9"), ("b.mkv", "ffv1"), ("b.avi", "mpeg4"), ("b.mp4", "libx264")):
        movie, times, numbers = read(copied(source, tmp_path / name, codec=codec))
        grown = codec == "libx264"
        assert (movie.width, movie.height) == ((size[0] + size[0] % 2, size[1] + size[1] % 2) if grown else size)
        assert numbers == [0, 1, 2]


def test_avi_without_time_stamps(tmp_path):
    source = write_clip_as(tmp_path / "a.avi", 24, 12)
    expected = [Fraction(number, 12) for number in range(24)]
    assert read(source)[1:] == (expected, list(range(24)))
    assert read(copied(source, tmp_path / "b.avi", codec="mpeg4"))[1:] == (expected, list(range(24)))
    assert read(copied(source, tmp_path / "c.avi"))[1:] == (expected, list(range(24)))


def test_time_stamps_that_do_not_grow_are_repaired():
    clock = _Clock(first=100, step=40, leap=1000)
    given = [100, 140, None, 220, 220, 210, 300, None, 380]
    assert [clock.next(pts) for pts in given] == [0, 40, 80, 120, 121, 122, 200, 240, 280]
    # A recording that was restarted: its clock begins at 0 again.
    clock = _Clock(first=5000, step=40, leap=1000)
    assert [clock.next(pts) for pts in (5000, 5040, 0, 40, 80)] == [0, 40, 80, 120, 160]
    clock = _Clock(first=0, step=40, leap=1000)
    assert [clock.next(pts) for pts in (None, None, 80)] == [0, 40, 80]


def test_the_largest_video_is_taken_and_cover_art_is_not(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        streams = []
        for width in (32, 64):
            stream = container.add_stream("libx264", rate=10)
            stream.width, stream.height, stream.pix_fmt = width, 48, "yuv420p"
            streams.append(stream)
        for number in range(5):
            for stream in streams:
                frame = av.VideoFrame.from_ndarray(numbered(number, stream.width, 48), "bgr24")
                frame.pts = number
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode())
    movie, times, numbers = read(path)
    assert (movie.width, len(times), numbers) == (64, 5, [0, 1, 2, 3, 4])


def music_with_cover(path):
    """An MP3 file with a picture of its album in an ID3 tag."""
    _, picture = cv2.imencode(".png", numbered(3))
    content = b"\0image/png\0\3\0" + picture.tobytes()

    def synchsafe(size):
        return bytes(size >> shift & 127 for shift in (21, 14, 7, 0))

    frame = b"APIC" + synchsafe(len(content)) + b"\0\0" + content
    with av.open(str(path), "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=44100)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), format="fltp", layout="mono")
        sound.sample_rate, sound.pts = 44100, 0
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    music = path.read_bytes()
    path.write_bytes(b"ID3\4\0\0" + synchsafe(len(frame)) + frame + music)
    return path


def test_a_change_of_size_is_one_error(tmp_path):
    path = tmp_path / "a.h264"
    parts = []
    for number, size in enumerate(((64, 48), (96, 64))):
        part = write_movie(tmp_path / ("%d.h264" % number), range(5), Fraction(1, 25), Fraction(25), size=size)
        parts.append(part.read_bytes())
    path.write_bytes(b"".join(parts))
    with Movie(path) as movie:
        seen = []
        with pytest.raises(SourceError, match="from 64x48 to 96x64 at 0.2 s"):
            for frame in movie.frames():
                seen.append(frame)
    assert 4 <= len(seen) <= 5


@pytest.mark.parametrize(("suffix", "share"), ((".mkv", 0.5), (".avi", 0.5), (".mp4", 0.6)))
def test_a_truncated_file_gives_its_frames_and_then_says_so(tmp_path, suffix, share):
    path = write_clip_as(tmp_path / ("a" + suffix))
    if suffix == ".mp4":
        path = with_index_in_front(path)
    cut(path, share)
    seen = []
    with Movie(path) as movie:
        with pytest.raises(SourceError, match=r"incomplete: it can be read up to [0-9.]+ s"):
            for frame in movie.frames():
                seen.append(number_of(frame.image))
    assert seen == list(range(len(seen)))
    assert 8 < len(seen) < 30


def with_index_in_front(path):
    """The same MP4 with its index before the pictures, as web servers like it."""
    moved = path.with_name("front.mp4")
    with av.open(str(path)) as given, av.open(str(moved), "w", options={"movflags": "faststart"}) as made:
        stream = given.streams.video[0]
        if hasattr(made, "add_stream_from_template"):
            copy = made.add_stream_from_template(stream)
        else:
            copy = made.add_stream(template=stream)
        for packet in given.demux(stream):
            if packet.size:
                packet.stream = copy
                made.mux(packet)
    return moved


def test_damage_in_the_middle_is_said_at_the_end(tmp_path):
    path = write_clip_as(tmp_path / "a.avi")
    data = bytearray(path.read_bytes())
    place = data.index(b"00dc", len(data) // 2) + 8
    data[place : place + 400] = bytes(400)
    path.write_bytes(bytes(data))
    seen = []
    with Movie(path) as movie:
        try:
            for frame in movie.frames():
                seen.append(frame.time)
        except SourceError as error:
            assert "damaged" in str(error)
    assert len(seen) >= 35
    assert seen == sorted(set(seen))


def test_what_is_no_video_is_one_line(tmp_path):
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("This is a text, not a video.\n" * 20)
    (tmp_path / "noise.mp4").write_bytes(np.random.RandomState(0).bytes(5000))
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n")
    cut(write_clip(tmp_path / "half.mp4"), 0.5)
    samples = np.zeros(24000, np.float32)
    with av.open(str(tmp_path / "sound.m4a"), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    music_with_cover(tmp_path / "music.mp3")
    for name, said in (
        ("empty.mp4", "is empty"),
        ("text.mp4", "is not a video|nothing to see|holds no"),
        ("noise.mp4", "is not a video|holds no"),
        ("list.mp4", "is not a video|cannot be read|holds no"),
        ("half.mp4", "is not a video that can be read"),
        ("sound.m4a", "only sound"),
        ("music.mp3", "only sound"),
        ("missing.mp4", "no file or folder"),
        (".", "is not a video file"),
    ):
        with pytest.raises(SourceError, match=said) as raised:
            Movie(tmp_path / name)
        assert "\n" not in str(raised.value)


def test_no_permission_is_said(tmp_path):
    path = write_clip(tmp_path / "a.mp4", 3)
    path.chmod(0)
    user = os.geteuid()
    if user == 0:  # who may read everything
        for folder in (tmp_path, *list(tmp_path.parents)[:2]):
            folder.chmod(0o755)
        os.seteuid(65534)
    try:
        with pytest.raises(SourceError, match="permission denied|Permission denied"):
            Movie(path)
    finally:
        os.seteuid(user)


def test_names_that_look_like_something_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a:b.mp4", "-x.mp4", "100%d.mp4", "new\nline.mp4"):
        write_clip(tmp_path / name, 3)
        assert read(name)[2] == [0, 1, 2]


QUIET = """
import sys
from emomask.errors import SourceError
from emomask.media.movie import Movie
from emomask.media.video import VideoSink
for path in sys.argv[2:]:
    try:
        with Movie(path) as movie, VideoSink(sys.argv[1], 64, 48, 10, codec="libx265") as sink:
            for frame in movie.frames():
                sink.write(frame.image)
    except SourceError:
        pass
"""


def test_the_libraries_say_nothing_on_the_terminal(tmp_path):
    paths = [cut(write_clip_as(tmp_path / name), 0.7) for name in ("a.mkv", "a.avi", "a.mp4", "a.ts")]
    command = [sys.executable, "-c", QUIET, str(tmp_path / "out.mp4")] + [str(path) for path in paths]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert (done.stdout, done.stderr) == ("", "")
