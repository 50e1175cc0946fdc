"""AudioTrack and VoiceDistorter: sound is left out, kept in its place, or nobody's voice; never longer or shorter."""

import random
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from scipy.signal import lfilter

from emomask.errors import SourceError
from emomask.media.audio import AudioTrack
from emomask.media.movie import Movie
from emomask.media.voice import RATE, VoiceDistorter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from clips import copied, cut, write_movie

TICK = Fraction(1, 10)
FRAMES = 20  # two seconds


def beeps(seconds=2.0, rate=48000):
    """A loud tone in the second quarter of each second, float32 -1..1."""
    time = np.arange(int(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * 880 * time) * ((time % 1 >= 0.25) & (time % 1 < 0.5))).astype(np.float32)


def clip(path, sound, codec="libx264", samples=None, **arguments):
    samples = beeps() if samples is None else samples
    return write_movie(path, range(FRAMES), TICK, Fraction(10), codec, sound=sound, samples=samples, **arguments)


def heard(path):
    """The codec, mono float32 samples at 48000/s from the video's first frame on, and the seconds that they last."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        first = min(packet.pts for packet in container.demux(video) if packet.pts is not None) * video.time_base
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=48000)
        samples = np.zeros(48000 * 20, np.float32)
        end = 0
        for frame in container.decode(stream):
            for part in resampler.resample(frame):
                begin = round((part.pts * part.time_base - first) * 48000)
                block = part.to_ndarray()[0]
                block, begin = block[max(0, -begin) :], max(0, begin)
                samples[begin : begin + len(block)] = block
                end = max(end, begin + len(block))
        return stream.codec_context.name, samples[:end], end / 48000


def onsets(samples):
    """Seconds at which sound begins after 0.3 s of silence."""
    loud = np.abs(samples).reshape(-1) > 0.1
    loud = np.array([part.any() for part in np.array_split(loud, max(1, len(loud) // 96))])
    begins = np.flatnonzero(loud[1:] & ~loud[:-1]) / 500 + 0.002
    return begins[np.diff(begins, prepend=-1) > 0.3]


def payload(path):
    """All bytes of the sound."""
    with av.open(str(path)) as container:
        return b"".join(bytes(packet) for packet in container.demux(container.streams.audio[0]) if packet.size)


def test_sound_is_dropped_unless_asked_for(tmp_path):
    source = clip(tmp_path / "a.mp4", "aac")
    output = copied(source, tmp_path / "b.mp4", "drop")
    with av.open(str(output)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
    with Movie(output) as movie:
        assert not movie.has_audio
        assert movie.audio("keep") is None
    with pytest.raises(SourceError, match="no sound"):
        AudioTrack(output, "keep")


@pytest.mark.parametrize(
    ("name", "sound", "output", "codec"),
    (
        ("a.mp4", "aac", "b.mp4", "libx264"),
        ("a.mp4", "aac", "b.mkv", "libx264"),
        ("a.ts", "aac", "b.mp4", "libx264"),
        ("a.mkv", "libopus", "b.mp4", "libx264"),
        ("a.mkv", "libopus", "b.webm", "libvpx-vp9"),
        ("a.mkv", "pcm_s16le", "b.mov", "libx264"),
        ("a.mkv", "libmp3lame", "b.mp4", "libx264"),
    ),
)
def test_what_fits_is_copied_as_it_is(tmp_path, name, sound, output, codec):
    source = clip(tmp_path / name, sound)
    result = copied(source, tmp_path / output, "keep", codec=codec)
    was, samples, seconds = heard(result)
    given_codec, given, given_seconds = heard(source)
    assert was == given_codec
    if not name.endswith(".ts"):  # there each packet has a header that MP4 does without
        # Matroska cannot say that a packet is only for the decoder to get going, as the first of AAC is.
        assert payload(source).endswith(payload(result))
        assert len(payload(source)) - len(payload(result)) <= (30 if output == "b.mkv" else 0)
    assert abs(seconds - given_seconds) < 0.05
    assert onsets(samples) == pytest.approx(onsets(given), abs=0.004)


@pytest.mark.parametrize(
    ("name", "sound", "output", "codec", "becomes"),
    (
        ("a.mp4", "aac", "b.webm", "libvpx-vp9", "opus"),
        ("a.mkv", "pcm_s16le", "b.mp4", "libx264", "aac"),
        ("a.mkv", "libopus", "b.mov", "libx264", "aac"),
        ("a.mp4", "aac", "b.avi", "mpeg4", "ac3"),
    ),
)
def test_what_does_not_fit_is_encoded_anew(tmp_path, name, sound, output, codec, becomes):
    source = clip(tmp_path / name, sound)
    was, samples, seconds = heard(copied(source, tmp_path / output, "keep", codec=codec))
    assert was == becomes
    assert abs(seconds - 2) < 0.06
    assert onsets(samples) == pytest.approx([0.25, 1.25], abs=0.012)


@pytest.mark.parametrize("mode", ("keep", "distort"))
@pytest.mark.parametrize(("output", "codec"), (("b.mp4", "libx264"), ("b.mkv", "libx264"), ("b.webm", "libvpx-vp9")))
def test_the_sound_keeps_its_distance_from_the_video(tmp_path, mode, output, codec):
    source = clip(tmp_path / "a.mkv", "libopus", sound_from=0.4)
    _, samples, seconds = heard(copied(source, tmp_path / output, mode, codec=codec))
    assert onsets(samples) == pytest.approx([0.65, 1.65], abs=0.03)
    assert abs(seconds - 2.4) < 0.06


@pytest.mark.parametrize("mode", ("keep", "distort"))
@pytest.mark.parametrize(("output", "codec"), (("b.mp4", "libx264"), ("b.mkv", "libx264"), ("b.webm", "libvpx-vp9")))
def test_the_sound_is_cut_to_the_span(tmp_path, mode, output, codec):
    source = clip(tmp_path / "a.mp4", "aac")
    _, samples, seconds = heard(copied(source, tmp_path / output, mode, 1.0, 1.8, codec=codec))
    assert onsets(samples) == pytest.approx([0.25], abs=0.03)
    assert abs(seconds - 0.8) < 0.06


def test_a_truncated_file_ends_its_sound_without_a_fuss(tmp_path):
    source = cut(clip(tmp_path / "a.mkv", "libopus"), 0.6)
    track = AudioTrack(source, "distort")
    with av.open(str(tmp_path / "b.mkv"), "w") as container:
        track.attach(container, {})
        for packet in track.packets(None):
            container.mux(packet)
    track.close()
    assert 0.2 < heard_alone(tmp_path / "b.mkv") < 2


@pytest.mark.parametrize("mode", ("keep", "distort"))
def test_a_clock_that_is_set_anew_stops_neither_video_nor_sound(tmp_path, mode):
    late = write_movie(
        tmp_path / "a.ts", range(200, 220), TICK, Fraction(10), sound="aac", samples=beeps(), sound_from=20.0
    )
    early = clip(tmp_path / "b.ts", "aac")
    joined = tmp_path / "c.ts"
    joined.write_bytes(late.read_bytes() + early.read_bytes())
    output = copied(joined, tmp_path / "d.mp4", mode)
    with Movie(output) as movie:
        assert [frame.pts * movie.time_base for frame in movie.frames()] == [number * TICK for number in range(40)]
    assert onsets(heard(output)[1]) == pytest.approx([0.25, 1.25, 2.25, 3.25], abs=0.08)


def heard_alone(path):
    with av.open(str(path)) as container:
        return sum(frame.samples / frame.sample_rate for frame in container.decode(container.streams.audio[0]))


def vowels(seconds=3.0, pitch=120, formants=((700, 80), (1220, 90), (2600, 120))):
    """A synthetic voice at ``RATE``: glottal pulses through filters at the formants' frequencies and widths in Hz."""
    count = int(seconds * RATE)
    pulses = np.zeros(count)
    pulses[(np.arange(int(seconds * pitch)) * RATE / pitch).astype(int)] = 1
    voice = lfilter([1], [1, -0.9], pulses)
    for frequency, width in formants:
        radius = np.exp(-np.pi * width / RATE)
        voice = lfilter([1], [1, -2 * radius * np.cos(2 * np.pi * frequency / RATE), radius**2], voice)
    return 0.3 * voice / np.abs(voice).max()


def envelope(samples, order=18):
    """The spectral envelope by linear prediction, dB at 256 frequencies up to 8 kHz, without its mean."""
    samples = np.append(samples[0], samples[1:] - 0.95 * samples[:-1]) * np.hanning(len(samples))
    correlation = np.fft.irfft(np.abs(np.fft.rfft(samples, 2 * len(samples))) ** 2)[: order + 1]
    matrix = correlation[np.abs(np.subtract.outer(range(order), range(order)))] + 1e-6 * correlation[0] * np.eye(order)
    coefficients = np.append(1, -np.linalg.solve(matrix, correlation[1:]))
    level = -20 * np.log10(np.abs(np.fft.rfft(coefficients, 510)) + 1e-9)
    return level - level.mean()


def pitch_of(samples):
    """Hz, by autocorrelation between 60 and 400 Hz: the median over 64 ms frames."""
    found = []
    for begin in range(0, len(samples) - 1024, 512):
        frame = samples[begin : begin + 1024]
        correlation = np.fft.irfft(np.abs(np.fft.rfft(frame, 2048)) ** 2)
        lags = np.arange(RATE // 400, RATE // 60)
        found.append(RATE / lags[np.argmax(correlation[lags])])
    return float(np.median(found))


def distorted(samples, seed=0, parts=7):
    voice = VoiceDistorter(random.Random(seed))
    return np.concatenate([*[voice.process(part) for part in np.array_split(samples, parts)], voice.flush()])


@pytest.mark.parametrize("count", (0, 1, 159, 160, 161, 320, 5000, 16000))
def test_as_many_samples_come_out_as_go_in(count):
    samples = vowels(1.0)[:count]
    made = distorted(samples)
    assert (made.shape, made.dtype) == ((count,), np.float32)


def test_how_the_stream_is_divided_does_not_matter():
    samples = vowels(1.5)
    whole = distorted(samples, parts=1)
    np.testing.assert_allclose(distorted(samples, parts=50), whole, atol=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_formants_and_pitch_are_others(seed):
    for pitch, formants in ((110, ((700, 80), (1220, 90), (2600, 120))), (210, ((310, 60), (2020, 100), (2960, 140)))):
        voice = vowels(3.0, pitch, formants)
        made = distorted(voice, seed).astype(float)
        part = slice(RATE, 2 * RATE)
        # The same voice with another pitch differs by less than 3 dB: that is what this measure finds in the pitch.
        same = vowels(3.0, 1.1 * pitch, formants)
        assert np.abs(envelope(same[part]) - envelope(voice[part])).mean() < 3
        assert np.abs(envelope(made[part]) - envelope(voice[part])).mean() > 4
        ratio = pitch_of(made) / pitch
        assert 0.65 < ratio < 0.92 or 1.1 < ratio < 1.5


def test_the_formant_moves_as_the_power_says():
    """One formant at 1000 Hz, with the power held at 0.7: pi * 1000 / 8000 to the 0.7 is 1325 Hz."""
    voice = vowels(2.0, 100, ((1000, 60),))
    distorter = VoiceDistorter(random.Random(1))
    distorter._power._bounds, distorter._power._value = (0.7, 0.7), 0.7
    made = np.concatenate([distorter.process(voice), distorter.flush()]).astype(float)
    peak = np.argmax(envelope(made[RATE // 2 : 3 * RATE // 2])[20:]) + 20
    assert peak * 8000 / 255 == pytest.approx(1325, rel=0.08)


def test_loudness_and_pauses_stay():
    voice = vowels(2.0)
    voice[RATE // 2 : RATE] = 0
    made = distorted(voice)
    quiet, loud = made[RATE // 2 + 800 : RATE - 800], made[RATE + 800 : 2 * RATE - 800]
    assert np.abs(quiet).max() < 0.01
    assert 0.6 < loud.std() / voice[RATE + 800 : 2 * RATE - 800].std() < 1.4
    assert np.isfinite(made).all() and np.abs(made).max() <= 1


def test_extreme_sounds_stay_finite():
    for samples in (np.zeros(RATE), np.ones(RATE), np.sin(np.arange(RATE)), np.tile([1.0, -1.0], RATE // 2)):
        made = distorted(samples)
        assert np.isfinite(made).all() and np.abs(made).max() <= 1


def test_every_run_differs_and_changes_all_the_time():
    voice = vowels(4.0)
    made = [VoiceDistorter(), VoiceDistorter()]
    first, second = (np.concatenate([distorter.process(voice), distorter.flush()]) for distorter in made)
    assert np.abs(envelope(first[RATE : 2 * RATE]) - envelope(second[RATE : 2 * RATE])).mean() > 0.1
    powers = []
    distorter = VoiceDistorter()
    for _ in range(400):
        powers.append(distorter._power.next())
    assert 0.55 <= min(powers) < max(powers) <= 0.8
    assert len(set(np.round(powers, 6))) > 300


@pytest.mark.parametrize("frequency", (0, 55, 880, 5000))
def test_nothing_grows_with_the_length(frequency):
    noise = np.random.RandomState(0)
    for seed in range(4):
        distorter = VoiceDistorter(random.Random(seed))
        for second in range(8):
            time = second + np.arange(RATE) / RATE
            distorter.process(0.3 * np.sin(2 * np.pi * frequency * time) + noise.uniform(-0.01, 0.01, RATE))
            assert abs(distorter._offset) < 0.015 * RATE
            assert len(distorter._known) < 3 * RATE


def test_distorted_sound_is_mono_and_as_long_as_the_video(tmp_path):
    voice = np.repeat(vowels(2.0), 3).astype(np.float32)
    source = clip(tmp_path / "a.mp4", "aac", samples=voice)
    output = copied(source, tmp_path / "b.mp4", "distort")
    codec, samples, seconds = heard(output)
    _, given, _ = heard(source)
    assert codec == "aac"
    assert abs(seconds - 2) < 0.065  # one AAC frame at 16 kHz
    with av.open(str(output)) as container:
        assert container.streams.audio[0].codec_context.channels == 1
        assert container.streams.audio[0].codec_context.sample_rate == RATE
    part = slice(24000, 72000)
    assert np.abs(envelope(samples[part][::3]) - envelope(given[part][::3])).mean() > 4
