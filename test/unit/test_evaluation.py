import json
import zipfile

import cv2
import numpy as np
import pytest

from emomask import Settings
from emomask.cli import main
from emomask.errors import DataError
from emomask.evaluation.classification import calibration_error, class_figures, macro_f1, macro_recall, top_accuracy
from emomask.evaluation.emotion import evaluate_emotion
from emomask.evaluation.emotion_pictures import evaluate_emotion_pictures
from emomask.evaluation.labelled_pictures import labelled_pictures


def test_macro_f1_by_hand():
    # Class 0: precision 2/3, recall 1; class 1: precision 1, recall 1/2.
    assert macro_f1(np.array([[2, 0], [1, 1]])) == pytest.approx((0.8 + 2 / 3) / 2)
    assert macro_f1(np.array([[3, 0, 0], [0, 0, 0], [0, 0, 1]])) == 1.0


def test_calibration_error_by_hand():
    sure = np.array([[0.9, 0.1]] * 10)
    assert calibration_error(sure, np.array([0] * 9 + [1])) == pytest.approx(0.0, abs=1e-9)
    assert calibration_error(sure, np.array([0] * 5 + [1] * 5)) == pytest.approx(0.4)


def test_class_figures_by_hand():
    labels, answers = np.array([0, 0, 3, 3, 3, 6]), np.array([0, 1, 3, 3, -1, 6])
    figures = class_figures(answers, labels)
    assert figures["accuracy"] == pytest.approx(4 / 6) and figures["recall_fear"] == 0.0
    assert figures["recall_angry"] == 0.5 and figures["recall_happy"] == pytest.approx(2 / 3)
    assert np.sum(figures["confusion"]) == 5  # the picture without an answer is in no column
    assert macro_recall(answers, labels, [0, 6]) == 0.75


def test_the_label_among_the_best_two():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.4, 0.35, 0.25]])
    assert top_accuracy(probabilities, np.array([1, 1, 2]), 2) == pytest.approx(2 / 3)
    assert top_accuracy(probabilities, np.array([1, 1, 2]), 3) == 1.0


def write_fer(path, rows, usage=True):
    noise = np.random.default_rng(0)
    with open(str(path), "w") as file:
        file.write("emotion,pixels,Usage\n" if usage else "emotion,pixels\n")
        for index in range(rows):
            pixels = " ".join(map(str, noise.integers(0, 256, 48 * 48)))
            split = ("Training", "PublicTest", "PrivateTest")[index % 3]
            file.write("%d,%s%s\n" % (index % 7, pixels, "," + split if usage else ""))
    return path


def test_every_figure_of_the_contract_is_there(tmp_path):
    table, report, plot = write_fer(tmp_path / "fer.csv", 42), tmp_path / "figures.json", tmp_path / "plot.png"
    arguments = ["evaluate", "emotion", "--data", str(table), "--json", str(report), "--plot", str(plot)]
    assert main(arguments) == 0 and cv2.imread(str(plot)) is not None
    figures = json.loads(report.read_text())
    assert figures["split"] == "PrivateTest" and figures["rows"] == 14
    for key in ("accuracy", "accuracy_views", "macro_f1", "ece", "top2", "unsure", "accuracy_sure", "ece_listener"):
        assert 0 <= figures[key] <= 1
    assert np.sum(figures["confusion"]) == 14


def test_rows_that_may_have_been_learnt_by_heart_are_left_out_once(tmp_path):
    table = write_fer(tmp_path / "fer.csv", 42)
    lines = table.read_text().splitlines()
    assert lines[1].endswith("Training")
    lines[3] = lines[1].replace("Training", "PrivateTest")
    table.write_text("\n".join(lines) + "\n")
    figures = evaluate_emotion(table)
    assert (figures["rows"], figures["rows_unique"]) == (14, 13)
    right = round(14 * figures["accuracy"]) - round(13 * figures["accuracy_unique"])
    assert right in (0, 1) and 0 <= figures["accuracy_views_unique"] <= 1


def test_a_plot_that_cannot_be_written_is_an_error(tmp_path, capsys):
    plot = tmp_path / "none" / "plot.png"
    assert main(["evaluate", "emotion", "--data", str(write_fer(tmp_path / "f.csv", 42)), "--plot", str(plot)]) == 1
    assert "plot.png" in capsys.readouterr().err


def test_a_table_without_splits_is_taken_whole(tmp_path):
    figures = evaluate_emotion(write_fer(tmp_path / "fer.csv", 14, usage=False))
    assert figures["split"] == "all" and figures["rows"] == 14


def write_pictures(folder, pictures, rows):
    """A folder with PNG files by name, and ``emotions.csv`` of pairs of name and emotion."""
    folder.mkdir()
    for name, picture in pictures.items():
        cv2.imwrite(str(folder / name), picture)
    (folder / "emotions.csv").write_text("image,emotion\n" + "".join("%s,%s\n" % row for row in rows))
    return folder


@pytest.fixture
def portrait(astronaut):
    return cv2.resize(astronaut[20:220, 120:320], (160, 160))


def test_the_chain_is_measured_on_whole_pictures(tmp_path, portrait):
    pictures = {"face.png": portrait, "none.png": np.zeros((64, 64, 3), np.uint8)}
    folder = write_pictures(tmp_path / "set", pictures, [("face.png", "happy")] * 30 + [("none.png", "sad")])
    report = tmp_path / "figures.json"
    assert main(["evaluate", "emotion", "--images", str(folder), "--steps", "--json", str(report)]) == 0
    figures = json.loads(report.read_text())
    assert (figures["rows"], figures["missed"], figures["classes"]) == (31, 1, ["happy"])
    assert figures["macro_recall"] == figures["recall_happy"] == 1.0
    assert figures["accuracy"] == pytest.approx(30 / 31) and figures["recall_sad"] == 0.0
    assert figures["macro_recall_picture"] == figures["macro_recall"]
    assert all("macro_recall_" + step in figures for step in ("box", "framed", "upright", "mirrored"))


def test_pictures_are_read_from_a_zip_with_a_table_elsewhere(tmp_path, portrait):
    packed, table = tmp_path / "set.zip", tmp_path / "labels.csv"
    with zipfile.ZipFile(str(packed), "w") as archive:
        archive.writestr("some/face.png", cv2.imencode(".png", portrait)[1].tobytes())
    table.write_text("emotion,image\nsurprise,some/face.png\n")
    ((name, picture, label),) = labelled_pictures(packed, table)
    assert (name, label) == ("some/face.png", 5) and np.array_equal(picture, portrait)


def test_damaged_sets_of_pictures_are_named(tmp_path, portrait):
    cases = (
        ([("face.png", "bored")], "line 2: 'bored' is not one of angry"),
        ([("face.png", "sad"), ("gone.png", "sad")], "gone.png in .* cannot be read"),
        ([("empty.png", "sad")], "empty.png in .* is not a picture, or is damaged"),
        ([], "must have the columns image and emotion, and rows"),
    )
    for number, (rows, complaint) in enumerate(cases):
        folder = write_pictures(tmp_path / str(number), {"face.png": portrait}, rows)
        (folder / "empty.png").write_bytes(b"")
        with pytest.raises(DataError, match=complaint):
            list(labelled_pictures(folder))
    with pytest.raises(DataError, match="No such file or folder"):
        list(labelled_pictures(tmp_path / "none"))
    with pytest.raises(DataError, match="neither a folder nor a zip file"):
        list(labelled_pictures(folder / "face.png"))
    with pytest.raises(DataError, match="table of emotions .* cannot be read"):
        list(labelled_pictures(folder, tmp_path / "none.csv"))
    with pytest.raises(DataError, match="no CSV file"):
        list(labelled_pictures(folder, folder / "face.png"))


def test_too_few_pictures_are_refused(tmp_path, portrait):
    folder = write_pictures(tmp_path / "few", {"face.png": portrait}, [("face.png", "happy")] * 3)
    with pytest.raises(DataError, match="No emotion has 30 pictures"):
        evaluate_emotion_pictures(folder)
    blank = write_pictures(tmp_path / "blank", {"a.png": np.zeros((64, 64, 3), np.uint8)}, [("a.png", "happy")])
    with pytest.raises(DataError, match="No face was found"):
        evaluate_emotion_pictures(blank)


@pytest.mark.parametrize("network, views, one", [("resnet42", 0.69, 0.68), ("cnn42", 0.69, 0.67)])
def test_the_shipped_emotion_networks_do_what_their_cards_say(data, network, views, one):
    figures = evaluate_emotion(data("fer2013/fer2013.csv.xz"), settings=Settings(emotion_network=network))
    assert figures["rows"] == 3589
    assert figures["accuracy_views"] >= views and figures["accuracy"] >= one


def test_the_chain_reads_whole_pictures_as_its_card_says(data):
    figures = evaluate_emotion_pictures(data("identities/emotions_wild.zip"))
    assert figures["rows"] == 621 and len(figures["classes"]) == 6
    assert figures["macro_recall"] >= 0.52
    assert min(figures["recall_" + emotion] for emotion in figures["classes"]) >= 0.19


def test_the_shipped_landmark_network_does_what_its_card_says(data, tmp_path):
    report = tmp_path / "figures.json"
    arguments = ["evaluate", "landmarks", "--data", str(data("landmarks68/landmarks68.zip")), "--json", str(report)]
    assert main(arguments) == 0
    figures = json.loads(report.read_text())
    assert figures["nme_interocular"] <= 0.036 and figures["failure_rate_8"] <= 0.01 and figures["auc_7"] > 0.68
    assert figures["ms_per_face"] > 0 and figures["nme_box"] < figures["nme_interocular"]
