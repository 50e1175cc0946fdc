"""The command ``emomask``: masks files, trains and evaluates the networks."""

import argparse
import contextlib
import dataclasses
import logging
import signal
import sys
import threading
from pathlib import Path

from emomask.commands.cameras import add_cameras
from emomask.commands.evaluate import add_evaluate
from emomask.commands.options import add_settings, positive, settings_of, write_json
from emomask.errors import EmomaskError, SettingsError
from emomask.media.address import one_line, without_secrets
from emomask.offline.file_settings import FileSettings
from emomask.offline.inputs import STANDARD
from emomask.settings import EMOTION_NETWORKS, Settings
from emomask.web.settings import WebSettings


def main(arguments=None) -> int:
    """Run one command and return its exit status.

    0: done; 1: failed, a line says why; 2: usage; 130 and 143: interrupted by SIGINT or SIGTERM.
    """
    logging.basicConfig(format="emomask: %(levelname)s: %(message)s", level=logging.WARNING)
    options = _parser().parse_args(arguments)
    try:
        with _ending_on_sigterm():
            return options.run(options)
    except SettingsError as error:
        _print_error(str(error))
        return 2
    except EmomaskError as error:
        _print_error(str(error))
        return 1
    except KeyboardInterrupt as signalled:
        hint = ": the same command with --resume goes on" if options.command == "mask" else ""
        print("emomask: interrupted" + hint, file=sys.stderr)
        return 143 if signalled.args == (signal.SIGTERM,) else 130


@contextlib.contextmanager
def _ending_on_sigterm():
    """Ends the block on SIGTERM as on SIGINT, so that what is half done is removed and workers are ended."""

    def end(number, _):
        raise KeyboardInterrupt(number)

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread can be told of signals
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="emomask", description="Covers faces with the emoji of their emotion.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    _add_mask(commands.add_parser("mask", help="mask pictures, videos and folders of them"))

    bag = commands.add_parser(
        "bag",
        help="mask the images in a rosbag (needs ROS)",
        description="Masks every sensor_msgs/Image and CompressedImage of a rosbag; all else stays as it is. Left out "
        "are images that cannot be masked (depth, damaged) and other messages with pictures (coloured point clouds, "
        "video packets). Exit code: 0 all masked, 1 something withheld or failed, 2 usage.",
    )
    bag.add_argument("input", type=Path, metavar="IN.bag", help="an indexed bag")
    bag.add_argument("output", type=Path, metavar="OUT.bag", help="an older one is replaced when the new one is whole")
    bag.add_argument(
        "--topics", nargs="+", action="extend", default=[], metavar="TOPIC", help="mask these; withhold other images"
    )
    bag.add_argument(
        "--copy", nargs="+", action="extend", default=[], metavar="TOPIC", help="copy these, whatever they show"
    )
    bag.add_argument("--jobs", type=positive, default=1, help="topics that are masked at a time (default: 1)")
    bag.add_argument(
        "--jpeg-quality", type=_percentage, default=95, metavar="1..100", help="of masked JPEG images (default: 95)"
    )
    bag.add_argument("--json", type=Path, help="write the report there, an object for each topic")
    # A file is in no hurry, and a third of a second at 30 frames/s is what a face that enters needs to be found.
    add_settings(bag, Settings, lookahead=10)
    bag.set_defaults(run=_bag)

    serve = commands.add_parser(
        "serve",
        help="the website (needs emomask[web])",
        description="Serves a page and an HTTP interface that mask demo pictures, uploads, URLs, videos and cameras.",
    )
    add_settings(serve, WebSettings, Settings)
    serve.set_defaults(run=_serve)

    add_cameras(commands)

    train = commands.add_parser("train", help="train a network")
    networks = train.add_subparsers(dest="network", metavar="NETWORK", required=True)
    emotion = networks.add_parser("emotion", help="a 42x42 emotion network, on FER2013")
    emotion.add_argument("--network", default=EMOTION_NETWORKS[0], choices=EMOTION_NETWORKS)
    emotion.add_argument("--votes", type=Path, metavar="CSV", help="FER+'s fer2013new.csv: learn from its votes, too")
    emotion.add_argument("--epochs", type=positive, default=50)
    emotion.add_argument(
        "--keep-duplicates", action="store_true", help="train also on pictures that stand in a test split (customary)"
    )
    emotion.add_argument(
        "--bfloat16", action="store_true", help="multiply in bfloat16: half of the time on AVX512-BF16 or AMX"
    )
    emotion.add_argument(
        "--start", type=Path, metavar="FOLDER", help="train on the weights of a finished training of the same network"
    )
    emotion.set_defaults(run=_train_emotion)
    landmarks = networks.add_parser("landmarks", help="the 68-point network, on landmark crops")
    landmarks.add_argument("--epochs", type=positive, default=288)
    landmarks.set_defaults(run=_train_landmarks)
    for network in (emotion, landmarks):
        network.add_argument("--data", required=True, help="fer2013.csv[.xz]; zip or folder with landmarks.csv")
        network.add_argument("--output", required=True, type=Path, help="folder; a training found there is resumed")
        network.add_argument("--seed", type=int, default=0)
        network.add_argument("--threads", type=int, default=0, help="processor threads; 0: one for each core")

    add_evaluate(commands)
    return parser


def _add_mask(mask: argparse.ArgumentParser) -> None:
    mask.add_argument(
        "input", nargs="+", help="picture, video, folder, 'pattern*', URL, camera index, demo, or - for a picture"
    )
    mask.add_argument(
        "-o", "--output", required=True, help="file, or folder for several inputs; - writes a picture as PNG"
    )
    mask.add_argument("--report", default="", help="what was covered, as .json or .csv; a folder for several inputs")
    mask.add_argument("--from-report", default="", metavar="JSON", help="cover what this report, edited perhaps, says")
    mask.add_argument("--resume", action="store_true", help="leave results that are there already")
    mask.add_argument("--jobs", type=positive, default=1, metavar="N", help="files masked at the same time")
    mask.add_argument("--cluster", default="", metavar="ADDRESS", help="spread the files over this Ray cluster")
    mask.add_argument("--preview", action="store_true", help="show the masked frames in a window")
    mask.add_argument("--quiet", action="store_true", help="print errors only")
    add_settings(mask, Settings, FileSettings)
    mask.set_defaults(run=_mask)


def _percentage(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 100:
        raise argparse.ArgumentTypeError("must be 1 to 100")
    return value


def _mask(options) -> int:
    from emomask.offline.batch import mask_all
    from emomask.offline.inputs import find_jobs
    from emomask.offline.plan import Plan
    from emomask.offline.progress import Progress

    if options.from_report and len(options.input) > 1:
        raise SettingsError("A report is about one input; name just that one.")
    jobs, failed = find_jobs(options.input, options.output, options.report)
    plan = Plan(
        settings_of(options),
        settings_of(options, FileSettings),
        options.from_report,
        options.resume,
    )
    done = faces = 0
    with _preview(options) as preview, Progress(options.quiet) as progress:
        plan = plan._replace(preview=preview)
        for source, reason in failed:
            _print_error("%s: %s" % (without_secrets(source), reason))
        crew, jobs, watch = _crew(options, plan, jobs, progress)
        for outcome in mask_all(plan, jobs, crew, watch):
            with progress.aside():
                if outcome.error is not None:
                    source, error = one_line(without_secrets(outcome.job.source)), one_line(outcome.error)
                    _print_error(error if source in error else "%s: %s" % (source, error))
                    failed.append((source, outcome.error))
                    continue
                counts = outcome.counts
                done += 1
                if counts is not None:
                    faces += counts.faces
                    if counts.failed:
                        failed.append((outcome.job.source, "frames withheld"))
                if not options.quiet and outcome.job.output != STANDARD:
                    print("%s: %s" % (one_line(outcome.job.output), _told(counts)))
    if not options.quiet and len(jobs) > 1:
        print("%d of %d files done, %d faces covered." % (done, len(jobs), faces))
    return 1 if failed else 0


def _preview(options):
    """A context manager that gives what shows the frames, None when nothing is to be shown."""
    if not options.preview:
        return contextlib.nullcontext()
    from emomask.offline.preview import Preview

    if options.jobs > 1 or options.cluster:
        raise SettingsError("--preview shows one file at a time; leave --jobs and --cluster away.")
    return Preview()


def _crew(options, plan, jobs, progress):
    """Who masks; the jobs as they are given to them; and what is told of each task that is done."""
    uses_standard = any(STANDARD in (job.source, job.output) for job in jobs)
    if options.cluster:
        from emomask.offline.cluster import Cluster, absolute

        if uses_standard:
            raise SettingsError("Standard input and output are not there on a cluster; name files.")
        return Cluster(plan, options.cluster), [absolute(job) for job in jobs], progress.done
    from emomask.offline.crews import Alone, Processes

    if options.jobs == 1 or uses_standard:
        return Alone(plan, progress.half_frame), jobs, progress.begun
    return Processes(plan, options.jobs), jobs, progress.done


def _told(counts) -> str:
    if counts is None:
        return "was there already"
    return "%d frames, %d faces, %d frames withheld" % (counts.frames, counts.faces, counts.failed)


def _print_error(text: str) -> None:
    print("emomask: error: %s" % one_line(text), file=sys.stderr)


def _bag(options) -> int:
    try:
        from emomask.bag import mask_bag
    except ImportError as error:
        raise EmomaskError(
            "Masking bags needs ROS's Python packages (%s): source ROS's setup.bash, or on Debian 'apt-get install "
            "python3-cv-bridge python3-sensor-msgs', and use a Python that sees the system's packages." % error
        ) from error
    reports = mask_bag(
        options.input,
        options.output,
        settings_of(options),
        options.topics,
        options.copy,
        options.jobs,
        options.jpeg_quality,
    )
    for topic, report in sorted(reports.items()):
        line = "%s (%s): %d messages" % (topic, report.type, report.messages)
        if report.action == "masked":
            line += ", %d masked, %d faces" % (report.masked, report.faces)
        elif report.action == "copied":
            line += ", copied"
        for what, count in (("withheld", report.withheld), ("pixelated", report.pixelated)):
            if count:
                line += ", %d %s" % (count, what)
        print(line + (": %s" % report.reason if report.reason else ""))
    if any(report.withheld for report in reports.values()):
        print(
            "emomask: what was withheld is not in %s; --copy TOPIC keeps it as it is" % options.output, file=sys.stderr
        )
    if options.json:
        write_json({topic: dataclasses.asdict(report) for topic, report in reports.items()}, options.json)
    return 1 if any(report.withheld or report.pixelated for report in reports.values()) else 0


def _serve(options) -> int:
    try:
        from emomask.web.serve import serve
    except ImportError as error:
        raise EmomaskError("The website needs a missing package (%s): pip install 'emomask[web]'" % error) from error
    serve(settings_of(options, WebSettings), settings_of(options))
    return 0


def _train_emotion(options) -> int:
    _prepare_torch(options.threads)
    from emomask.training.emotion import train_emotion

    path = train_emotion(
        options.data,
        options.output,
        options.network,
        options.votes,
        options.epochs,
        options.keep_duplicates,
        options.seed,
        bfloat16=options.bfloat16,
        start=options.start,
    )
    print(path)
    return 0


def _train_landmarks(options) -> int:
    _prepare_torch(options.threads)
    from emomask.training.landmarks import train_landmarks

    print(train_landmarks(options.data, options.output, options.epochs, options.seed))
    return 0


def _prepare_torch(threads: int) -> None:
    try:
        import matplotlib  # noqa: F401
        import torch
    except ImportError as error:
        raise EmomaskError("Training needs a missing package (%s): pip install 'emomask[train]'" % error) from error
    if threads > 0:
        torch.set_num_threads(threads)
