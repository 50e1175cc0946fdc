"""Makes a voice unrecognisable while its words stay understandable."""

import random
from typing import Optional, Tuple

import numpy as np

RATE = 16000  # samples/s; what lies above 8 kHz says more about the speaker than about the words
_HOP = RATE // 100
_FRAME = 2 * _HOP
_ORDER = 20  # poles of the vocal tract's filter
# Powers of the poles' angles. 1 is the identity; the published baseline draws from 0.5 to 0.9, the upper end of which
# leaves a voice nearly as it was.
_POWERS = (0.55, 0.8)
# Factors of the pitch, one of the two ranges for a file.
_PITCHES = ((0.72, 0.86), (1.18, 1.4))
# The pitch is changed by reading faster or slower and leaping back or ahead by whole periods.
_SHORTEST_LEAP, _LONGEST_LEAP = int(0.0025 * RATE), int(0.0175 * RATE)
_DRIFT = RATE // 100  # how far the reading may be off before it leaps
_REACH = _DRIFT + _LONGEST_LEAP + 2 * _FRAME  # samples that must be known on both sides of the place that is read
_LARGEST_GAIN = 4.0
_BATCH = 100  # frames


class VoiceDistorter:
    """Speaker anonymisation by the McAdams coefficient, after Patino et al., "Speaker anonymisation using the McAdams
    coefficient" (Interspeech 2021, the second baseline of the VoicePrivacy challenge), with the pitch changed as well.

    For each 20 ms a linear prediction finds the poles of the vocal tract's filter; the angle of each complex pole (its
    formant's frequency) is raised to a power, and the excitation goes through the filter with the moved poles. That
    method leaves the pitch alone; here the excitation is taken from a copy of the sound that is read at another speed
    (with leaps by whole periods, so that its length stays). The power and the pitch's factor come from the operating
    system's secure random source and wander all the time, differently for each file, so that no one inverse undoes
    them.

    It protects against people who know the voice by ear and against speaker recognition made for plain voices. It does
    not protect against an attacker who trains a recogniser on voices distorted in this way (in the VoicePrivacy
    challenges such attackers recognised many speakers), nor does it hide words, accent, dialect, rhythm, breaks,
    laughter or the sounds of a place. Where that matters, drop the sound.

    Works on a stream: ``process`` takes samples as they come and ``flush`` gives the rest, together as many as were
    put in, each in its place. Memory does not grow with the length.
    """

    def __init__(self, source: Optional[random.Random] = None):
        source = source or random.SystemRandom()
        self._power = _Wander(source, _POWERS, (0.3, 1.5))
        self._pitch = _Wander(source, source.choice(_PITCHES), (0.8, 3.0))
        # Samples before the start, so that the first frame, half before it, and every search have something to read.
        self._known = np.zeros(_REACH + _HOP)
        self._at = _REACH  # in _known: where the next hop to be shifted lies
        self._offset = 0.0  # of the reading from there
        self._plain, self._shifted = np.zeros(_HOP), np.zeros(_HOP)  # the hop before
        self._overlap = np.zeros(_HOP)
        self._taken = self._given = 0
        self._skip = 2 * _HOP  # what comes out before the first sample: the hop of silence and the overlap's delay

    def process(self, samples: np.ndarray) -> np.ndarray:
        """Distorted samples, float32 ``(M,)``, for ``samples``, float ``(N,)`` in -1..1 at ``RATE``; M varies."""
        self._taken += len(samples)
        return self._made(np.asarray(samples, np.float64))

    def flush(self) -> np.ndarray:
        """The distorted samples that are still missing, float32 ``(M,)``."""
        return self._made(np.zeros(_REACH + 3 * _HOP))

    def _made(self, samples: np.ndarray) -> np.ndarray:
        self._known = np.concatenate([self._known, samples])
        parts = []
        while True:
            count = min(_BATCH, (len(self._known) - self._at - _REACH) // _HOP)
            if count < 1:
                break
            parts.append(self._batch(count))
        made = np.concatenate(parts) if parts else np.zeros(0)
        skipped = min(self._skip, len(made))
        self._skip -= skipped
        made = made[skipped : skipped + self._taken - self._given]
        self._given += len(made)
        return made.astype(np.float32)

    def _batch(self, count: int) -> np.ndarray:
        """The next ``count`` hops, float64 ``(count * _HOP,)``."""
        plain = self._known[self._at : self._at + count * _HOP]
        shifted = np.concatenate([self._shifted_hop() for _ in range(count)])
        self._known = self._known[self._at - _REACH :]
        self._at = _REACH
        frames = _frames(np.concatenate([self._plain, plain]))
        excited = _frames(np.concatenate([self._shifted, shifted]))
        self._plain, self._shifted = plain[-_HOP:], shifted[-_HOP:]
        powers = np.array([self._power.next() for _ in range(count)])
        filters = _with_moved_poles(_prediction(frames), powers)
        whitening = _prediction(excited)
        made = np.zeros((count + 1) * _HOP)
        made[:_HOP] = self._overlap
        voiced = _synthesised(filters, _residual(whitening, excited))
        loudness, had = np.sqrt(np.mean(voiced**2, axis=1)), np.sqrt(np.mean(frames**2, axis=1))
        gains = np.where(loudness > 1e-9, np.minimum(_LARGEST_GAIN, had / np.maximum(loudness, 1e-9)), 0.0)
        voiced *= gains[:, None] * _WINDOW
        for index in range(count):
            made[index * _HOP : index * _HOP + _FRAME] += voiced[index]
        self._overlap = made[-_HOP:].copy()
        return made[:-_HOP].clip(-1.0, 1.0)

    def _shifted_hop(self) -> np.ndarray:
        """The next hop read at another speed, float64 ``(_HOP,)``."""
        speed = self._pitch.next()
        place = self._at + self._offset
        hop = self._read(place, speed)
        if abs(self._offset) > _DRIFT:
            # The leap back towards the right place after which the sound continues most alike.
            sign = -1 if self._offset > 0 else 1
            # Never so short that the reading would be as far off again after one more hop.
            shortest = max(_SHORTEST_LEAP, int(abs(self._offset)) - _DRIFT // 2)
            leaps = sign * np.arange(shortest, _LONGEST_LEAP)
            base = int(place)
            now = self._known[base : base + _HOP]
            candidates = np.lib.stride_tricks.sliding_window_view(self._known, _HOP)[base + leaps]
            likeness = candidates @ now / (np.linalg.norm(candidates, axis=1) + 1e-6)
            leap = int(leaps[np.argmax(likeness)])
            fade = np.linspace(0, 1, _HOP)
            hop = (1 - fade) * hop + fade * self._read(place + leap, speed)
            self._offset += leap
        self._offset += (speed - 1) * _HOP
        self._at += _HOP
        return hop

    def _read(self, place: float, speed: float) -> np.ndarray:
        places = place + speed * np.arange(_HOP)
        low = places.astype(int)
        rest = places - low
        return (1 - rest) * self._known[low] + rest * self._known[low + 1]


# Applied before and after, it adds up to 1 over frames that overlap by half.
_WINDOW = np.sin(np.pi * (np.arange(_FRAME) + 0.5) / _FRAME)


class _Wander:
    """A value that goes from one random target to the next, one step for each hop."""

    def __init__(self, source: random.Random, bounds: Tuple[float, float], seconds: Tuple[float, float]):
        self._source, self._bounds, self._seconds = source, bounds, seconds
        self._value = source.uniform(*bounds)
        self._step, self._left = 0.0, 0

    def next(self) -> float:
        if not self._left:
            self._left = max(1, round(self._source.uniform(*self._seconds) * RATE / _HOP))
            self._step = (self._source.uniform(*self._bounds) - self._value) / self._left
        self._left -= 1
        self._value += self._step
        return self._value


def _frames(samples: np.ndarray) -> np.ndarray:
    """Windowed frames ``(N, _FRAME)`` of ``samples`` of N + 1 hops."""
    return np.lib.stride_tricks.sliding_window_view(samples, _FRAME)[::_HOP] * _WINDOW


def _prediction(frames: np.ndarray) -> np.ndarray:
    """The prediction error filters ``(N, _ORDER + 1)`` of ``frames`` by Levinson and Durbin's recursion."""
    spectrum = np.abs(np.fft.rfft(frames, 2 * _FRAME)) ** 2
    correlation = np.fft.irfft(spectrum)[:, : _ORDER + 1]
    # A little white noise keeps the recursion stable where a frame is silent or a pure tone.
    correlation[:, 0] = correlation[:, 0] * (1 + 1e-5) + 1e-9
    filters = np.zeros((len(frames), _ORDER + 1))
    filters[:, 0] = 1
    error = correlation[:, 0].copy()
    for order in range(1, _ORDER + 1):
        reflection = -np.einsum("ni,ni->n", filters[:, :order], correlation[:, order:0:-1]) / error
        filters[:, : order + 1] += reflection[:, None] * filters[:, order::-1]
        error *= 1 - reflection**2
    return filters


def _residual(filters: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """What the prediction leaves of ``frames`` ``(N, _FRAME)``, each by its own filter."""
    result = np.zeros(frames.shape)
    for delay in range(_ORDER + 1):
        result[:, delay:] += filters[:, delay, None] * frames[:, : _FRAME - delay]
    return result


def _synthesised(filters: np.ndarray, residuals: np.ndarray) -> np.ndarray:
    """The inverse: ``residuals`` ``(N, _FRAME)`` through the filters' poles."""
    backwards = filters[:, :0:-1]
    result = np.zeros((len(residuals), _ORDER + _FRAME))
    for index in range(_FRAME):
        fed_back = np.einsum("nk,nk->n", backwards, result[:, index : index + _ORDER])
        result[:, _ORDER + index] = residuals[:, index] - fed_back
    return result[:, _ORDER:]


def _with_moved_poles(filters: np.ndarray, powers: np.ndarray) -> np.ndarray:
    """``filters`` ``(N, _ORDER + 1)`` with the angle of each complex pole raised to its frame's power."""
    companions = np.zeros((len(filters), _ORDER, _ORDER))
    companions[:, 0] = -filters[:, 1:]
    companions[:, np.arange(1, _ORDER), np.arange(_ORDER - 1)] = 1
    poles = np.linalg.eigvals(companions).astype(complex)
    angles = np.angle(poles)
    moved = np.sign(angles) * np.abs(angles) ** powers[:, None]
    poles = np.where(poles.imag == 0, poles, np.abs(poles) * np.exp(1j * moved))
    result = np.zeros(filters.shape, complex)
    result[:, 0] = 1
    for index in range(_ORDER):
        result[:, 1 : index + 2] -= poles[:, index, None] * result[:, : index + 1]
    return result.real
