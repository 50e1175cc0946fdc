"""The whole graph on this machine, in processes of its own: master, talker, listener, and who looks on.

No ROS is imported here; the nodes are.
"""

import collections
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

import numpy as np

from emomask.errors import EmomaskError
from emomask.evaluation.speed_scenes import source_frames
from emomask.media import address
from emomask.media.video import VideoSink
from emomask.settings import Settings

NODES = ("talker", "listener", "onlooker")
START_TIMEOUT = 60.0  # seconds for a process to do what it is waited for
SETTLED = 2.0  # seconds after the first masked frame that do not count
CLIP = 300  # frames of the source that are played again and again
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Sample:
    """What was seen in a while: seconds since the start, frames/s, ages in seconds, MB and cores used by each node."""

    time: float
    rate: float
    ages: np.ndarray
    memory: Dict[str, float]
    cores: Dict[str, float]


@dataclass
class Graph:
    """What a subscriber to the masked topic saw of one run.

    ``first``: seconds from the listener's start to its first masked frame. ``late``: seconds that a frame waits for
    those after it, by the settings.
    """

    size: Tuple[int, int]
    fps: float
    first: float
    late: float
    samples: List[Sample] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Frames/s, over all samples."""
        return float(np.mean([sample.rate for sample in self.samples]))

    def age(self, percentile: float) -> float:
        """Milliseconds from the grab to the arrival at the subscriber."""
        return float(np.percentile(np.concatenate([sample.ages for sample in self.samples]), percentile)) * 1000

    def beyond(self, percentile: float) -> float:
        """``age`` beyond the time that the lookahead takes by itself."""
        return self.age(percentile) - self.late * 1000

    def memory(self, node: str) -> float:
        """The most MB that a node had in a sample."""
        return max(sample.memory[node] for sample in self.samples)

    def cores(self, node: str) -> float:
        """Processor cores that a node kept busy, mean."""
        return float(np.mean([sample.cores[node] for sample in self.samples]))


def measure_graph(
    settings: Settings,
    size: Tuple[int, int],
    fps: float,
    seconds: float,
    source: str = address.DEMO,
    period: float = 5.0,
) -> Graph:
    """Play the first ``CLIP`` frames of ``source`` in ``size`` at ``fps`` through real nodes for ``seconds``.

    There is a sample each ``period``. The talker plays a video file of these frames, again and again, and so decodes
    it, as it would the pictures of a camera. Raises EmomaskError where ROS is not at hand, the source cannot be played
    or a node does not do its part.
    """
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        clip = Path(folder, "clip.mp4")
        _write_clip(clip, source, size, fps)
        processes = _Processes(Path(folder), stack)
        processes.start_master()
        width, height = size
        processes.start("onlooker", "image:=/camera/image_masked")
        # It plays once somebody listens, so that nothing is decoded before.
        processes.start("talker", "__ns:=camera", "_source:=%s" % clip, "_loop:=true", "_wait_for_subscriber:=true")
        given = ["_%s:=%s" % (name, value) for name, value in settings.as_dict().items() if value != ""]
        given += ["_warm_up_width:=%d" % width, "_warm_up_height:=%d" % height]
        started = time.monotonic()
        processes.start("listener", "__ns:=camera", "image:=image_raw", *given)
        seen = _Seen(processes)
        seen.take(1, START_TIMEOUT)
        graph = Graph(size, fps, time.monotonic() - started, settings.lookahead / fps)
        time.sleep(SETTLED)
        begin = time.monotonic()
        seen.clear()
        usage = {node: processes.processor_seconds(node) for node in NODES}
        while time.monotonic() - begin < seconds:
            before = time.monotonic()
            time.sleep(period)
            frames = seen.clear()
            elapsed = time.monotonic() - before
            if not frames:
                raise EmomaskError("No masked frame came for %g s: %s" % (period, processes.said("listener")))
            now = {node: processes.processor_seconds(node) for node in NODES}
            graph.samples.append(
                Sample(
                    time.monotonic() - begin,
                    len(frames) / elapsed,
                    np.array([age for _, age in frames]),
                    {node: processes.resident(node) for node in NODES},
                    {node: (now[node] - usage[node]) / elapsed for node in NODES},
                )
            )
            usage = now
        return graph


def graph_table(graphs: Sequence[Graph]) -> str:
    """``graphs`` for people."""
    head = ("size", "in", "frames/s", "age ms", "p95", "beyond", "p95", "MB", "first s", *NODES)
    lines = ["%-10s %5s %8s %7s %7s %7s %7s %6s %8s %8s %8s %8s" % head]
    for graph in graphs:
        lines.append(
            "%-10s %5.0f %8.1f %7.0f %7.0f %7.0f %7.0f %6.0f %8.1f %8.2f %8.2f %8.2f"
            % (
                "%dx%d" % graph.size, graph.fps, graph.rate, graph.age(50), graph.age(95), graph.beyond(50),
                graph.beyond(95), graph.memory("listener"), graph.first, *(graph.cores(node) for node in NODES),
            )
        )  # fmt: skip
    lines += [
        "",
        "age: median, from the grab to the arrival at a subscriber; beyond: without the %.0f ms that the lookahead "
        "takes; MB: the listener's" % (graphs[0].late * 1000),
        "most resident memory; first: from its start to its first masked frame; then the cores that each node used.",
    ]
    return "\n".join(lines)


def graph_figures(graphs: Sequence[Graph]) -> Dict[str, float]:
    """``graphs`` as one flat object: ``WIDTHxHEIGHT_ros_fps`` and so on."""
    figures: Dict[str, float] = {}
    for graph in graphs:
        start = "%dx%d_ros_" % graph.size
        figures[start + "input_fps"] = graph.fps
        figures[start + "fps"] = graph.rate
        figures[start + "age_median_ms"] = graph.age(50)
        figures[start + "age_p95_ms"] = graph.age(95)
        figures[start + "beyond_lookahead_median_ms"] = graph.beyond(50)
        figures[start + "beyond_lookahead_p95_ms"] = graph.beyond(95)
        figures[start + "first_frame_s"] = graph.first
        figures[start + "listener_mb_first"] = graph.samples[0].memory["listener"]
        figures[start + "listener_mb_last"] = graph.samples[-1].memory["listener"]
        for node in NODES:
            figures[start + node + "_mb"] = graph.memory(node)
            figures[start + node + "_cores"] = graph.cores(node)
    return figures


def _write_clip(path: Path, source: str, size: Tuple[int, int], fps: float) -> None:
    with VideoSink(path, *size, fps, preset="ultrafast") as sink:
        for frame in source_frames(source, *size, CLIP):
            sink.write(frame)


class _Processes:
    """Processes with a master of their own; all are ended with ``stack``."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack):
        self._folder = folder
        self._stack = stack
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._environment = {
            **os.environ,
            "ROS_MASTER_URI": "http://localhost:%d" % self._port,
            "ROS_HOSTNAME": "localhost",
            "ROS_HOME": str(folder),
            "PYTHONUNBUFFERED": "1",
        }
        self._running: Dict[str, subprocess.Popen] = {}

    def start_master(self) -> None:
        """Start the master and wait until it answers."""
        self._run("rosmaster", "from rosmaster.main import rosmaster_main as main", "--core", "-p", str(self._port))
        end = time.monotonic() + START_TIMEOUT
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("localhost", self._port), 1):
                return
            if time.monotonic() > end or self._running["rosmaster"].poll() is not None:
                raise EmomaskError(
                    "No ROS master could be started (%s): source tools/environment.bash or ROS's setup.bash before."
                    % self.said("rosmaster")
                )
            time.sleep(0.05)

    def start(self, node: str, *arguments: str) -> None:
        """Start a node of the package."""
        self._run(node, "from emomask.nodes.%s import main" % node, *arguments)

    def _run(self, name: str, program: str, *arguments: str) -> None:
        log = self._stack.enter_context(open(str(self._folder / (name + ".log")), "wb"))
        process = subprocess.Popen(
            [sys.executable, "-c", program + "; main()", *arguments],
            stdout=subprocess.PIPE if name == "onlooker" else log,
            stderr=log,
            env=self._environment,
        )
        self._running[name] = process
        self._stack.callback(_ended, process)

    def output(self, name: str):
        """The standard output of a process."""
        return self._running[name].stdout

    def said(self, name: str) -> str:
        """The last line that a process has written."""
        text = (self._folder / (name + ".log")).read_text(errors="replace").strip()
        return text.splitlines()[-1] if text else "it said nothing"

    def dead(self) -> Sequence[str]:
        """The processes that have ended."""
        return [name for name, process in self._running.items() if process.poll() is not None]

    def resident(self, name: str) -> float:
        """MB of memory that a process has now."""
        return int(self._proc(name, "statm").split()[1]) * _PAGE / 1e6

    def processor_seconds(self, name: str) -> float:
        """Seconds of processor time that a process has used so far."""
        fields = self._proc(name, "stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def _proc(self, name: str, file: str) -> str:
        try:
            return Path("/proc", str(self._running[name].pid), file).read_text()
        except OSError as error:
            raise EmomaskError("The %s has ended: %s" % (name, self.said(name))) from error


def _ended(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class _Seen:
    """Collects what the onlooker tells: seconds of arrival and of age of each frame."""

    def __init__(self, processes: _Processes):
        self._processes = processes
        self._frames = collections.deque()
        self._thread = threading.Thread(target=self._collect, args=(processes.output("onlooker"),), daemon=True)
        self._thread.start()

    def _collect(self, lines) -> None:
        for line in lines:
            arrived, age = line.split()
            self._frames.append((float(arrived), float(age)))

    def take(self, count: int, timeout: float) -> None:
        """Wait for so many frames. Raises EmomaskError when they do not come."""
        end = time.monotonic() + timeout
        while len(self._frames) < count:
            dead = self._processes.dead()
            if dead or time.monotonic() > end:
                name = dead[0] if dead else "listener"
                raise EmomaskError("No masked frame came; the %s: %s" % (name, self._processes.said(name)))
            time.sleep(0.01)

    def clear(self) -> List[Tuple[float, float]]:
        """What came since the last call."""
        return [self._frames.popleft() for _ in range(len(self._frames))]
