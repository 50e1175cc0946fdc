import json

import numpy as np
import pytest

from emomask.cli import main
from emomask.evaluation.emotion import calibration_error, evaluate_emotion, macro_f1


def test_macro_f1_by_hand():
    # Class 0: precision 2/3, recall 1; class 1: precision 1, recall 1/2.
    assert macro_f1(np.array([[2, 0], [1, 1]])) == pytest.approx((0.8 + 2 / 3) / 2)
    assert macro_f1(np.array([[3, 0, 0], [0, 0, 0], [0, 0, 1]])) == 1.0


def test_calibration_error_by_hand():
    sure = np.array([[0.9, 0.1]] * 10)
    assert calibration_error(sure, np.array([0] * 9 + [1])) == pytest.approx(0.0, abs=1e-9)
    assert calibration_error(sure, np.array([0] * 5 + [1] * 5)) == pytest.approx(0.4)


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
    table, report = write_fer(tmp_path / "fer.csv", 42), tmp_path / "figures.json"
    assert main(["evaluate", "emotion", "--data", str(table), "--json", str(report)]) == 0
    figures = json.loads(report.read_text())
    assert figures["split"] == "PrivateTest" and figures["rows"] == 14
    for key in ("accuracy", "accuracy_views", "macro_f1", "ece"):
        assert 0 <= figures[key] <= 1
    assert np.sum(figures["confusion"]) == 14


def test_a_table_without_splits_is_taken_whole(tmp_path):
    figures = evaluate_emotion(write_fer(tmp_path / "fer.csv", 14, usage=False))
    assert figures["split"] == "all" and figures["rows"] == 14


def test_the_shipped_emotion_network_does_what_its_card_says(data):
    figures = evaluate_emotion(data("fer2013/fer2013.csv.xz"))
    assert figures["rows"] == 3589
    assert figures["accuracy_views"] >= 0.66 and figures["accuracy"] >= 0.64


def test_the_shipped_landmark_network_does_what_its_card_says(data, tmp_path):
    report = tmp_path / "figures.json"
    arguments = ["evaluate", "landmarks", "--data", str(data("landmarks68/landmarks68.zip")), "--json", str(report)]
    assert main(arguments) == 0
    figures = json.loads(report.read_text())
    assert figures["nme_interocular"] <= 0.040 and figures["failure_rate_8"] <= 0.02 and figures["auc_7"] > 0.64
    assert figures["ms_per_face"] > 0 and figures["nme_box"] < figures["nme_interocular"]
