#!/usr/bin/env python3
"""Time emomask mask beside its peer deface on the same clip: the demo clip, repeated.

Whole commands with their start, one after the other, in turns; each line is a median over the runs. The memory is that
of the largest process. Nothing else should run on the machine.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from emomask.media import demo_clip
from emomask.media.video import VideoSink

EMOMASK = [sys.executable, "-c", "import sys; from emomask.cli import main; sys.exit(main())", "mask", "--quiet"]
DEFACE = [sys.executable, "-m", "deface.deface"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=10, help="length of the clip (default: 10)")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1], help="numbers of workers (default: 1)")
    parser.add_argument("--no-peer", action="store_true", help="time emomask alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clip, output = Path(folder, "clip.mp4"), Path(folder, "masked.mp4")
        frames = write_clip(clip, options.seconds)
        commands = {"emomask --jobs %d" % jobs: [*EMOMASK, "--jobs", str(jobs)] for jobs in options.jobs}
        if not options.no_peer:
            for backend in ("onnxrt", "opencv"):
                commands["deface --backend %s" % backend] = [*DEFACE, "--backend", backend]
        figures = {name: [] for name in commands}
        for _ in range(options.runs):
            for name, command in commands.items():
                figures[name].append(timed([*command, str(clip), "-o", str(output)]))
                output.unlink()
    first = next(iter(commands))
    print("%d frames of %dx%d, %d runs each" % (frames, demo_clip.WIDTH, demo_clip.HEIGHT, options.runs))
    print("%-24s %10s %17s %10s %10s" % ("", "median s", "lowest, highest", "frames/s", "MB"))
    for name, values in figures.items():
        seconds = [value[0] for value in values]
        median, memory = statistics.median(seconds), statistics.median(value[1] for value in values)
        spread = "%.1f, %.1f" % (min(seconds), max(seconds))
        print("%-24s %10.1f %17s %10.1f %10.0f" % (name, median, spread, frames / median, memory))
    for name in figures:
        if name.startswith("deface"):
            ratios = [peer[0] / own[0] for peer, own in zip(figures[name], figures[first])]
            print("%s: %.2f times as fast as %s (median of the pairs)" % (first, statistics.median(ratios), name))


def write_clip(path: Path, seconds: int) -> int:
    """The demo clip, repeated; returns the number of frames."""
    frames = round(seconds * demo_clip.RATE)
    with VideoSink(path, demo_clip.WIDTH, demo_clip.HEIGHT, demo_clip.RATE) as sink:
        clip = demo_clip.DemoClip()
        for index in range(frames):
            sink.write(clip.frame(index))
    return frames


def timed(command) -> tuple:
    """Seconds on the clock and the largest process's memory in MB of ``command``."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit("%s failed" % " ".join(command))
    return time.monotonic() - start, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
