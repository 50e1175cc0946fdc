"""Calibration files: what is read, and one line for what cannot be used."""

import pytest

pytest.importorskip("sensor_msgs", reason="needs ROS")

from emomask.errors import SettingsError
from emomask.nodes.camera_info import load_camera_info, matching

CALIBRATION = """
image_width: 640
image_height: 480
camera_name: front
camera_matrix: {rows: 3, cols: 3, data: [500, 0, 320, 0, 501, 240, 0, 0, 1]}
distortion_model: rational_polynomial
distortion_coefficients: {rows: 1, cols: 8, data: [1, 2, 3, 4, 5, 6, 7, 8]}
rectification_matrix: {rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}
projection_matrix: {rows: 3, cols: 4, data: [500, 0, 320, 0, 0, 501, 240, 0, 0, 0, 1, 0]}
"""


def written(tmp_path, text):
    path = tmp_path / "my camera.yaml"
    path.write_text(text)
    return path


def test_a_calibration_is_read_from_a_path_or_url(tmp_path):
    path = written(tmp_path, CALIBRATION)
    for url in (str(path), "file://%s" % path, "file://%s" % str(path).replace(" ", "%20")):
        info, name = load_camera_info(url)
        assert name == "front"
        assert (info.width, info.height, info.distortion_model) == (640, 480, "rational_polynomial")
        assert info.K[4] == 501 and info.P[5] == 501 and list(info.D) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_frames_of_another_size_are_uncalibrated(tmp_path):
    calibration, _ = load_camera_info(str(written(tmp_path, CALIBRATION)))
    fits = matching(calibration, 640, 480)
    assert fits.K[0] == 500 and fits is not calibration
    for info in (matching(calibration, 320, 240), matching(None, 320, 240)):
        assert (info.width, info.height) == (320, 240)
        assert not any(info.K) and not any(info.R) and not any(info.P) and not info.D


@pytest.mark.parametrize(
    ("change", "said"),
    (
        (("camera_matrix", "matrix"), "'camera_matrix' is missing"),
        (("0, 1]}\ndistortion_model", "0]}\ndistortion_model"), "camera_matrix has 8 numbers, not 9"),
        (("640", "wide"), "wide"),
        (("[500", "[{"), "cannot be used"),
        ((CALIBRATION, "just a text"), "cannot be used"),
    ),
)
def test_a_calibration_that_cannot_be_used_is_one_line(tmp_path, change, said):
    with pytest.raises(SettingsError, match=said) as caught:
        load_camera_info(str(written(tmp_path, CALIBRATION.replace(*change))))
    assert "\n" not in str(caught.value) and "my camera.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("url", "said"),
    (
        ("/no/such/file.yaml", "No such file"),
        ("package://no_such_package/a.yaml", "no ROS package no_such_package"),
        ("http://host/a.yaml", "must be file:///"),
    ),
)
def test_a_url_that_leads_nowhere_is_one_line(url, said):
    with pytest.raises(SettingsError, match=said):
        load_camera_info(url)
