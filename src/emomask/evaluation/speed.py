"""How long a frame takes: the chain and its stages, beside other tools and the physical limit, in one run."""

import time
from dataclasses import dataclass
from typing import Collection, Dict, List, Mapping, Sequence, Tuple

import cv2
import numpy as np

from emomask.errors import EmomaskError
from emomask.evaluation.speed_peers import Work, create_peers
from emomask.evaluation.speed_scenes import FACES, SIZES, Scene, crowd_scene, demo_scene
from emomask.masker import Masker
from emomask.masks.cover import Cover
from emomask.perception.perceiver import Perceiver
from emomask.settings import Settings

OWN = "emomask"
LIMIT = "limit"  # copying a frame and converting its colours once: no tool can do with less
STAGES = ("detect", "landmarks", "emotion", "cover", "track")
# What of the chain is timed: the methods of the perceiver and of the cover by the stage that they belong to. The rest,
# which is tracking, scene cuts and hindsight, is the stage track.
PERCEIVER_STAGES = {"detect": "detect", "faces": "landmarks", "emotions": "emotion"}
COVER_STAGES = {"region": "cover", "paint": "cover"}

FRAMES = 60  # of a scene
BLOCK = 10  # frames that a tool gets in a row before it is the next one's turn
SLOW = 0.5  # seconds a frame from which a tool gets but one frame in a round, and none of a crowd


@dataclass
class Times:
    """Seconds for each frame of a scene, by tool: on the clock, and of all processor cores together.

    ``stages``: those of the own chain on the clock, by stage. ``true``, ``found``: faces in a frame, mean.
    """

    tools: Dict[str, List[float]]
    processor: Dict[str, List[float]]
    stages: Dict[str, List[float]]
    found: float = 0.0
    true: float = 0.0

    def median(self, tool: str) -> float:
        """Milliseconds a frame, of the means of ``BLOCK`` in a row: a stream's frames are not all looked at closely."""
        return _median_of_blocks(self.tools[tool]) * 1000

    def p95(self, tool: str) -> float:
        """Milliseconds in which 95 of 100 frames are done."""
        return float(np.percentile(self.tools[tool], 95)) * 1000

    def busy(self, tool: str) -> float:
        """Milliseconds of processor time a frame, as ``median``; other programs hardly change it."""
        return _median_of_blocks(self.processor[tool]) * 1000

    def ratio(self, tool: str) -> float:
        """How many times as long as the own chain ``tool`` takes, by the medians."""
        return self.median(tool) / self.median(OWN)


def _median_of_blocks(values: Sequence[float]) -> float:
    return float(np.median([np.mean(values[start : start + BLOCK]) for start in range(0, len(values), BLOCK)]))


class _Timed:
    """Passes every call on to ``inner`` and adds up in ``spent`` what the methods named in ``stages`` take."""

    def __init__(self, inner, stages: Mapping[str, str], spent: Dict[str, float]):
        self._inner, self._stages, self._spent = inner, stages, spent

    def __getattr__(self, name):
        method = getattr(self._inner, name)
        stage = self._stages.get(name)
        if stage is None:
            return method

        def timed(*values, **named):
            start = time.perf_counter()
            try:
                return method(*values, **named)
            finally:
                self._spent[stage] += time.perf_counter() - start

        return timed


class _Own:
    """The chain on a stream; ``work`` hands in the next frame and takes what is ready, ``lookahead`` frames later."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self.spent = dict.fromkeys(STAGES, 0.0)
        self._perceiver = _Timed(Perceiver(settings), PERCEIVER_STAGES, self.spent)
        self._cover = _Timed(Cover(settings), COVER_STAGES, self.spent)

    def begin(self, scene: Scene) -> None:
        """Start a new stream, with all networks warm."""
        masker = Masker(self._settings, self._perceiver, self._cover)
        masker.warm_up(*scene.frames[0].shape[:2])
        self._index = 0
        self._queue: List[Tuple[np.ndarray, float]] = []
        self._results = masker.stream(iter(self._next_frame, None))
        for index in range(self._settings.lookahead):
            self._queue.append((scene.frames[(index + 1) % len(scene.frames)], self._time()))
        self.faces: List[int] = []

    def _time(self) -> float:
        self._index += 1
        return self._index / 30

    def _next_frame(self):
        return self._queue.pop(0)

    def work(self, frame: np.ndarray, _) -> None:
        """Mask the next frame. Raises EmomaskError when it fails: a time of a failure says nothing."""
        self._queue.append((frame, self._time()))
        masked = next(self._results)
        if masked.image is None:
            raise EmomaskError("A frame could not be masked: %s" % masked.error)
        self.faces.append(len(masked.faces))


def evaluate_speed(
    settings: Settings,
    peers: Sequence[str] = (),
    sizes: Sequence[Tuple[int, int]] = SIZES,
    crowds: Sequence[int] = FACES,
    frames: int = FRAMES,
    rounds: int = 2,
) -> Dict[str, Times]:
    """The times of the chain on each scene, by its name; and of the tools in ``peers`` (see ``create_peers``).

    All tools get the same ``frames`` frames, ``rounds`` times over, and take turns after every ``BLOCK`` of them, so
    that whatever else loads the machine loads them alike. A tool that needs more than ``SLOW`` seconds for a frame gets
    but one frame in a round, and no scene of ``crowds``. Raises SettingsError for an unknown peer, ModelError for one
    that is missing.
    """
    others: Dict[str, Work] = {**create_peers(peers, settings), LIMIT: _limit}
    own = _Own(settings)
    result = {}
    slow = set()
    for width, height in sizes:
        scene = demo_scene(width, height, frames)
        slow |= {name for name, work in others.items() if name in slow or _spent(work, scene, 0)[0] > SLOW}
        result[scene.name] = _measured(scene, own, others, slow, rounds)
    others = {name: work for name, work in others.items() if name not in slow}
    for people in crowds:
        scene = crowd_scene(people, frames)
        result[scene.name] = _measured(scene, own, others, (), rounds)
    return result


def _measured(scene: Scene, own: _Own, others: Mapping[str, Work], slow: Collection[str], rounds: int) -> Times:
    own.begin(scene)
    names = (OWN, *others)
    times = Times({name: [] for name in names}, {name: [] for name in names}, {stage: [] for stage in STAGES})
    own.work(scene.frames[0], None)
    own.faces.clear()
    for number in range(rounds):
        # To and fro, so that the stream has no cut.
        order = range(len(scene.frames))[:: -1 if number % 2 else 1]
        for start in range(0, len(order), BLOCK):
            block = order[start : start + BLOCK]
            for index in block:
                before = dict(own.spent)
                seconds = _take(times, OWN, own.work, scene, index)
                spent = {stage: own.spent[stage] - before[stage] for stage in STAGES}
                spent["track"] = seconds - sum(spent.values())
                for stage in STAGES:
                    times.stages[stage].append(spent[stage])
            for name, work in others.items():
                for index in block if name not in slow else block[: start == 0]:
                    _take(times, name, work, scene, index)
    times.found = float(np.mean(own.faces))
    times.true = float(np.mean([len(faces) for faces in scene.faces]))
    return times


def _take(times: Times, name: str, work: Work, scene: Scene, index: int) -> float:
    """Let ``work`` do a frame; notes what it takes, and returns the seconds on the clock."""
    seconds, processor = _spent(work, scene, index)
    times.tools[name].append(seconds)
    times.processor[name].append(processor)
    return seconds


def _spent(work: Work, scene: Scene, index: int) -> Tuple[float, float]:
    """Seconds on the clock and of the processor that ``work`` takes for a frame."""
    clock, processor = time.perf_counter(), time.process_time()
    work(scene.frames[index], scene.faces[index])
    return time.perf_counter() - clock, time.process_time() - processor


def _limit(frame: np.ndarray, _) -> np.ndarray:
    return cv2.cvtColor(frame.copy(), cv2.COLOR_BGR2RGB)


def figures_of(result: Mapping[str, Times]) -> Dict[str, float]:
    """All of ``result`` as one flat object: ``SCENE_TOOL_median_ms``, ``..._p95_ms`` and so on."""
    figures: Dict[str, float] = {}
    for scene, times in result.items():
        start = scene.replace(" ", "_") + "_"
        for tool in times.tools:
            name = start + tool.replace(" (", "_").replace(")", "") + "_"
            figures[name + "median_ms"] = times.median(tool)
            figures[name + "p95_ms"] = times.p95(tool)
            figures[name + "processor_ms"] = times.busy(tool)
            if tool != OWN:
                figures[name + "ratio"] = times.ratio(tool)
        for stage, seconds in times.stages.items():
            figures[start + "stage_%s_ms" % stage] = float(np.mean(seconds)) * 1000
        figures[start + "fps"] = 1000 / times.median(OWN)
        figures[start + "faces"] = times.true
        figures[start + "faces_found"] = times.found
    return figures


def speed_tables(result: Mapping[str, Times]) -> str:
    """``result`` for people."""
    head = ("scene", "tool", "median ms", "p95 ms", "cpu ms", "frames/s", "times")
    lines = ["%-12s %-28s %9s %9s %9s %9s %8s" % head]
    for scene, times in result.items():
        for tool in times.tools:
            median = times.median(tool)
            ratio = "" if tool == OWN else "%.3g" % times.ratio(tool)
            figures = (median, times.p95(tool), times.busy(tool), 1000 / median, ratio)
            lines.append("%-12s %-28s %9.2f %9.2f %9.2f %9.1f %8s" % (scene, tool, *figures))
    lines += ["", "%-12s %6s %6s " % ("scene", "faces", "found") + " ".join("%9s" % stage for stage in STAGES)]
    for scene, times in result.items():
        stages = " ".join("%9.2f" % (np.mean(times.stages[stage]) * 1000) for stage in STAGES)
        lines.append("%-12s %6.1f %6.1f %s" % (scene, times.true, times.found, stages))
    lines += [
        "",
        "median: of the means of %d frames in a row; cpu ms: the same of the processor time of all cores;" % BLOCK,
        "times: how many times as long as emomask by the medians on the clock; limit: copying and converting the",
        "frame. Stages: mean ms a frame on the clock.",
    ]
    return "\n".join(lines)
