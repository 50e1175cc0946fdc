import json

import cv2
import numpy as np
import pytest

from emomask import Box
from emomask.cli import main
from emomask.errors import DataError, SettingsError
from emomask.evaluation.annotated_faces import AnnotatedPicture, box
from emomask.evaluation.detection import Tally, tally
from emomask.evaluation.finders import Deface, Found, create_finder
from emomask.masks.region import Patch
from emomask.settings import Settings


def found(score, left, top, right, bottom):
    """A face whose box is replaced, all of it."""
    patch = Patch(left, top, np.full((bottom - top, right - left), 255, np.uint8))
    return Found(score, Box(left, top, right, bottom), patch)


def counted(faces, *detections, threshold=0.5):
    result = Tally(threshold)
    result.add(AnnotatedPicture("a", np.zeros((100, 100, 3), np.uint8), faces), detections, 0.01)
    return result


def test_a_face_is_covered_from_nine_tenths_on():
    face = box(0, 0, 19, 19)  # with the pixels on its edges: 20 x 20
    assert counted([face], found(0.7, 0, 0, 20, 18)).recall_coverage(0.5) == 1
    assert counted([face], found(0.7, 0, 0, 20, 17)).recall_coverage(0.5) == 0
    assert counted([face], found(0.7, 0, 0, 20, 18)).recall_coverage(0.71) == 0


def test_two_regions_cover_a_face_together_from_the_weaker_score_on():
    result = counted([box(0, 0, 19, 19)], found(0.9, 0, 0, 10, 20), found(0.4, 10, 0, 20, 20))
    assert result.recall_coverage(0.4) == 1 and result.recall_coverage(0.41) == 0


def test_only_what_lies_in_the_picture_must_be_covered():
    result = counted([box(-30, 0, 9, 19), box(200, 200, 220, 220)], found(0.7, 0, 0, 10, 20))
    assert result.recall_coverage(0.5) == 1 and len(result.sizes) == 1


def test_a_false_region_touches_no_face():
    face = box(0, 0, 19, 19)
    result = counted([face], found(0.8, 19, 0, 40, 20), found(0.6, 20, 30, 40, 50), found(0.7, 60, 60, 70, 70))
    assert result.false_per_image(0.5) == 2 and result.false_per_image(0.65) == 1
    assert result.precision_coverage(0.5) == pytest.approx(1 / 3)


def test_a_box_serves_one_face_and_a_face_has_one_box():
    faces = [box(0, 0, 20, 20), box(50, 0, 70, 20)]
    result = counted(faces, found(0.9, 0, 0, 20, 20), found(0.8, 1, 0, 21, 20), found(0.7, 50, 0, 70, 9))
    assert result.recall_iou(0.5, 0.4) == 1 and result.recall_iou(0.5, 0.5) == 0.5
    assert result.precision_iou(0.5, 0.5) == pytest.approx(1 / 3)
    assert result.recall_iou(0.85, 0.4) == 0.5 and result.precision_iou(0.95, 0.4) == 1


def test_recall_by_size_counts_only_that_size():
    result = counted([box(0, 0, 19, 19), box(30, 30, 90, 90)], found(0.9, 30, 30, 91, 91))
    figures = result.figures()
    assert figures["recall_coverage_under_32px"] == 0 and figures["recall_coverage_32_64px"] == 1
    assert "recall_coverage_from_128px" not in figures and figures["recall_coverage"] == 0.5
    assert figures["replaced_share"] == pytest.approx(61 * 61 / 1e4)


def test_faces_that_lie_nowhere_are_an_error():
    class Blind:
        threshold = 0.5

        def find(self, frame, threshold):
            return []

    picture = AnnotatedPicture("a", np.zeros((50, 50, 3), np.uint8), [box(100, 100, 120, 120)])
    with pytest.raises(DataError, match="columns and units"):
        tally(Blind(), [picture])


def test_deface_is_run_as_it_masks(astronaut, astronaut_face, monkeypatch):
    """The pixels that it replaces itself, with a grey image, are those that are counted."""
    from deface.deface import anonymize_frame

    frame = np.ascontiguousarray(astronaut[40:300, 60:360])
    for is_ellipse in (True, False):
        finder = Deface(is_ellipse)
        (face,) = finder.find(frame, 0.4)
        rows, _ = finder._detector(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), threshold=0.4)
        theirs = frame.copy()
        kind = "blur" if is_ellipse else "img"
        anonymize_frame(rows, theirs, 1.3, kind, True, False, np.zeros((9, 9, 3), np.uint8), 20)
        changed = (theirs != frame).any(axis=2)
        ours = np.zeros_like(changed)
        face.patch.of(ours)[face.patch.mask > 0] = True
        assert not (changed & ~ours).any()
        assert changed.sum() > 0.9 * ours.sum()  # a blurred pixel may keep its value by chance


def test_what_is_compared_can_have_other_settings():
    assert create_finder("centerface:detection_threshold=0.4,thorough=true", Settings()).threshold == 0.4
    assert create_finder("deface", Settings()).threshold == 0.2
    for wrong in ("yolo", "deface:margin=1", "centerface:margins=1", "centerface:look=fast"):
        with pytest.raises(SettingsError):
            create_finder(wrong, Settings())


@pytest.fixture
def folder(tmp_path, astronaut):
    cv2.imwrite(str(tmp_path / "one.png"), astronaut)
    (tmp_path / "faces.csv").write_text("image,left,top,right,bottom\none.png,176,66,272,186\n")
    return tmp_path


def evaluate(*arguments):
    return main(["evaluate", "detection", "--threads", "1", "--data"] + [str(one) for one in arguments])


def test_the_command_writes_every_figure_of_the_contract(folder, tmp_path, capsys):
    report, plot = tmp_path / "figures.json", tmp_path / "curves.png"
    assert evaluate(folder, "--json", report, "--plot", plot, "--conditions", "--against", "deface") == 0
    figures = json.loads(report.read_text())
    assert figures["recall_coverage"] == 1 and figures["recall_iou"] == 1 and figures["faces"] == 1
    assert 0 <= figures["false_per_image"] <= 3 and figures["threshold"] == Settings().detection_threshold
    assert all(not isinstance(value, (dict, list)) for value in figures.values())
    for name in ("deface", "rotated", "blurred", "dark", "small", "cut"):
        assert 0 <= figures[name + "_recall_coverage"] <= 1
    assert figures["rotated_faces"] == 2
    printed = capsys.readouterr().out
    assert "(its own)" in printed and "deface" in printed and "nan" not in printed
    assert cv2.imread(str(plot)).shape[1] > 1000


def test_a_wrong_call_is_one_line(folder, capsys):
    assert evaluate(folder / "none") == 1
    assert evaluate(folder, "--against", "yolo") == 2
    assert evaluate(folder, "--plot", folder / "no" / "curves.png") == 1
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 3 and "no folder" in errors[2]


def test_the_chain_covers_what_the_card_says(data):
    """A twelfth of FDDB's folds 1 to 3, as on a stream; it has more false regions than all of them (0.40)."""
    from emomask.evaluation.detection import evaluate_detection, figures_of

    figures = figures_of(evaluate_detection(data("fddb/fddb.zip"), every=12))
    assert figures["recall_coverage"] >= 0.975 and figures["false_per_image"] <= 1.0
