import json
import math

import cv2
import numpy as np
import pytest
from conftest import placed
from test_geometry import turned_face
from test_landmark_sets import write_pts

from emomask import Settings
from emomask.cli import main
from emomask.evaluation.landmark_conditions import CANVAS, CONDITIONS, altered
from emomask.evaluation.landmarks import (
    Errors,
    area_under_curve,
    conditions_table,
    evaluate_landmarks,
    failure_rate,
    mean_error,
    normaliser,
)
from emomask.evaluation.plots import draw_error_curves
from emomask.perception.detection import create_detector
from emomask.perception.landmarks import create_landmarker


def test_figures_by_hand():
    errors = np.array([0.0, 0.04, 0.08, 0.12])
    assert mean_error(errors) == pytest.approx(0.06)
    assert area_under_curve(errors, 0.08) == pytest.approx((1 + 0.5) / 4)
    assert failure_rate(errors) == 0.25


def test_a_missed_face_is_a_failure_outside_of_the_mean():
    errors = np.array([0.04, np.nan])
    assert mean_error(errors) == pytest.approx(0.04)
    assert area_under_curve(errors, 0.08) == pytest.approx(0.25)
    assert failure_rate(errors) == 0.5
    assert mean_error(np.array([np.nan])) is None


def test_the_area_is_that_under_the_drawn_curve():
    errors = np.abs(np.random.default_rng(0).normal(0.04, 0.02, 200))
    steps = np.linspace(0, 0.07, 7001)
    curve = (errors[:, None] <= steps).mean(axis=0)
    assert area_under_curve(errors, 0.07) == pytest.approx(curve.mean(), abs=1e-3)


def test_normalisers_by_hand():
    points = np.zeros((68, 2), np.float32)
    points[36:42] = [[10, 20], [12, 18], [14, 18], [16, 20], [14, 22], [12, 22]]
    points[42:48] = points[36:42] + (20, 0)
    points[45] = 36, 20
    points[8] = 10, 90
    assert normaliser("interocular", points) == 26
    assert normaliser("interpupil", points) == pytest.approx(20)
    assert normaliser("box", points) == pytest.approx(math.sqrt(36 * 90))


def test_errors_are_mean_distances():
    errors, points = Errors(), turned_face(50, 50, 40, 0)
    errors.add(points + (3, 4), points)
    errors.add(None, points)
    assert errors.of("box")[0] == pytest.approx(5 / normaliser("box", points))
    assert np.isnan(errors.of("interpupil")[1])


@pytest.fixture(scope="module")
def photo(astronaut):
    """A photo with a small and a larger face, and the landmarks that the shipped network finds in the smaller one."""
    frame = placed(astronaut, 480, 900, -60, 0, 0.9)
    frame[:, 450:] = placed(astronaut, 480, 450, 40, 150, 0.55)
    settings = Settings()
    detector = create_detector(settings)
    found = detector.detect(frame, settings.detection_threshold, 900)
    right = [detection for detection in found if detection.box.left > 450]
    assert len(right) == 1 and len(found) == 2
    return frame, create_landmarker(settings, detector).locate(frame, right)[0]


@pytest.fixture
def folder(photo, tmp_path):
    """A folder with that photo and those landmarks."""
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos" / "two.png"), photo[0])
    write_pts(tmp_path / "photos" / "two.pts", photo[1])
    return tmp_path / "photos"


def test_the_annotated_face_of_several_is_measured(folder, tmp_path):
    report = tmp_path / "figures.json"
    assert main(["evaluate", "landmarks", "--data", str(folder), "--json", str(report)]) == 0
    figures = json.loads(report.read_text())
    assert figures["faces"] == 1 and figures["missed"] == 0
    # The network agrees with itself when the points are read as they were written; half a pixel would be 1 %.
    assert figures["nme_interocular"] < 0.002 and figures["failure_rate_8"] == 0 and figures["auc_7"] > 0.97
    assert figures["nme_interocular"] < figures["nme_interpupil"] and figures["ms_per_face"] < figures["ms_new_face"]


def test_a_face_that_is_not_found_fails(tmp_path, photo):
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((300, 300, 3), 99, np.uint8))
    write_pts(tmp_path / "grey.pts", turned_face(150, 150, 100, 0))
    figures = evaluate_landmarks(tmp_path)
    assert (figures["faces"], figures["missed"], figures["failure_rate_8"], figures["auc_7"]) == (1, 1, 1.0, 0.0)
    assert figures["nme_interocular"] is None and figures["ms_per_face"] is None
    assert evaluate_landmarks(tmp_path, boxes="ideal")["missed"] == 0
    # A face elsewhere in the photo is not the annotated one.
    cv2.imwrite(str(tmp_path / "grey.png"), photo[0])
    write_pts(tmp_path / "grey.pts", turned_face(790, 60, 80, 0))
    assert evaluate_landmarks(tmp_path)["missed"] == 1


def test_the_normaliser_is_the_one_asked_for(folder, tmp_path, photo):
    write_pts(folder / "two.pts", photo[1] + (0.05 * normaliser("interocular", photo[1]), 0))
    usual = evaluate_landmarks(folder)
    assert usual["nme_interocular"] == pytest.approx(0.05, abs=0.002)
    assert usual["auc_7"] == pytest.approx(1 - usual["nme_box"] / 0.07)
    assert usual["auc_8"] == pytest.approx(1 - usual["nme_interocular"] / 0.08)
    pupils = evaluate_landmarks(folder, measure="interpupil")
    assert pupils["auc_7"] == pytest.approx(max(0, 1 - pupils["nme_interpupil"] / 0.07))
    box = evaluate_landmarks(folder, measure="box")
    assert box["auc_8"] == pytest.approx(1 - box["nme_box"] / 0.08)


def write_onnx(path, channels, side, outputs):
    """A network that answers with the same points whatever it sees."""
    torch = pytest.importorskip("torch")

    class Fixed(torch.nn.Module):
        def forward(self, image):
            return image.mean(dim=(1, 2, 3))[:, None] * 0 + torch.full((1, outputs), 0.5)

    example = torch.zeros(1, channels, side, side)
    axes = {"image": {0: "batch"}, "points": {0: "batch"}}
    torch.onnx.export(
        Fixed(),
        (example,),
        str(path),
        input_names=["image"],
        output_names=["points"],
        dynamic_axes=axes,
        opset_version=13,
        dynamo=False,
    )
    return str(path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_backends_are_compared_in_one_run_and_drawn(folder, tmp_path, capsys):
    middle, curves, report = write_onnx(tmp_path / "middle.onnx", 3, 32, 136), tmp_path / "c.png", tmp_path / "f.json"
    arguments = ["evaluate", "landmarks", "--data", str(folder), "--backends", "fast", middle, "--conditions"]
    assert main(arguments + ["--plot", str(curves), "--json", str(report)]) == 0
    figures = json.loads(report.read_text())
    assert figures["nme_interocular"] < 0.002 < 0.2 < figures["middle_nme_interocular"]
    assert figures["middle_failure_rate_8"] == 1 and figures["middle_model"] != figures["model"]
    assert cv2.imread(str(curves)) is not None
    table = capsys.readouterr().out
    assert all(condition in table for condition in CONDITIONS) and "middle nme" in table


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_files_that_are_no_landmark_network_are_named(folder, tmp_path, capsys):
    def complaint(path):
        assert main(["evaluate", "landmarks", "--data", str(folder), "--backends", path]) == 1
        error = capsys.readouterr().err
        assert path in error or path.split("/")[-1] in error
        return error

    assert "cannot be read" in complaint(str(tmp_path / "none.onnx"))
    (tmp_path / "text.onnx").write_text("no model")
    assert "not a usable ONNX model" in complaint(str(tmp_path / "text.onnx"))
    assert "takes an input of shape" in complaint(write_onnx(tmp_path / "planes.onnx", 2, 32, 136))
    assert "136 values are needed" in complaint(write_onnx(tmp_path / "five.onnx", 1, 32, 10))
    same = write_onnx(tmp_path / "fast.onnx", 1, 32, 136)
    assert main(["evaluate", "landmarks", "--data", str(folder), "--backends", "fast", same]) == 1
    assert "Two backends are called fast" in capsys.readouterr().err


MOVING = [name for name in CONDITIONS if name not in ("turned", "mask", "glasses", "dark")]


@pytest.mark.parametrize("condition", MOVING)
@pytest.mark.parametrize("number, landmark", [(0, 0), (1, 16)])  # by turns the right and the left half is hidden
def test_points_move_along_with_the_picture(condition, number, landmark):
    points = turned_face(200, 150, 120, 10)
    image = np.full((300, 400, 3), 40, np.uint8)
    cv2.circle(image, tuple(int(round(v)) for v in points[landmark]), 14, (255, 255, 255), -1)
    found, moved = altered(condition, image, points, number)
    grey = found[..., 0].astype(np.float64)
    grey[grey == 128] = 0  # what hides the other half
    bright = np.argwhere(grey > 0.5 * (grey.max() + 40))[:, ::-1]
    assert np.linalg.norm(bright.mean(axis=0) - moved[landmark]) < 0.05 * np.ptp(moved, axis=0).max()


def test_small_faces_have_the_size_they_are_said_to_have():
    image = np.zeros((300, 400, 3), np.uint8)
    for condition, pixels in (("48px", 48), ("24px", 24)):
        frame, points = altered(condition, image, turned_face(200, 150, 120, 0), 0)
        assert frame.shape == CANVAS + (3,) and np.ptp(points, axis=0).max() == pytest.approx(pixels, rel=0.03)


def test_only_turned_heads_count_as_turned():
    image, points = np.zeros((300, 400, 3), np.uint8), turned_face(200, 150, 120, 20)
    assert altered("turned", image, points, 0) is None
    points[30] = points[36] + 0.2 * (points[45] - points[36])
    assert altered("turned", image, points, 0) is not None


def test_darkness_and_covers_change_the_picture_and_not_the_points(astronaut):
    points = turned_face(224, 130, 90, 0)
    plain, _ = altered("rotated_30", astronaut, points, 0)
    dark, moved = altered("dark", astronaut, points, 0)
    assert dark.mean() < 0.15 * plain.mean() + 3 and dark.std() > 1
    for condition in ("mask", "glasses"):
        covered, same = altered(condition, astronaut, points, 0)
        assert np.array_equal(same, moved) and covered.shape == dark.shape
    again, _ = altered("dark", astronaut, points, 0)
    assert np.array_equal(dark, again)


def test_the_table_has_a_row_for_each_condition():
    figures = {"faces": 2, "missed": 0, "nme_interocular": 0.03, "failure_rate_8": 0.0}
    for condition in CONDITIONS:
        for key, value in (("faces", 2), ("missed", 2), ("nme_interocular", None), ("failure_rate_8", 1.0)):
            figures["condition_%s_%s" % (condition, key)] = value
    lines = conditions_table(figures, ["fast"])
    assert len(lines) == 2 + len(CONDITIONS)
    assert "3.00 %, 0.00 %" in lines[1] and "-, 100.00 %" in lines[2]


def test_curves_that_cannot_be_written_are_named(tmp_path):
    pytest.importorskip("matplotlib")
    from emomask.errors import SinkError

    with pytest.raises(SinkError, match="there is no folder"):
        draw_error_curves({"fast": np.array([0.01])}, 0.1, "error", tmp_path / "none" / "curve.png")
