"""Calibration files: what is read, and one line for what cannot be used."""

from pathlib import Path

import pytest

pytest.importorskip("sensor_msgs", reason="needs ROS")

import rospkg
from sensor_msgs.msg import CameraInfo

from emomask.errors import SettingsError, SinkError
from emomask.nodes.camera_info import check_camera_info, load_camera_info, matching, path_of, save_camera_info

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


def test_another_size_of_the_same_shape_can_be_scaled_to(tmp_path):
    calibration, _ = load_camera_info(str(written(tmp_path, CALIBRATION)))
    calibration.P = [500, 0, 320, -50, 0, 501, 240, 8, 0, 0, 1, 0]  # a right camera: P has pixels in its last column
    info = matching(calibration, 320, 240, rescale=True)
    assert (info.width, info.height) == (320, 240)
    assert list(info.K) == [250, 0, 160, 0, 250.5, 120, 0, 0, 1]
    assert list(info.P) == [250, 0, 160, -25, 0, 250.5, 120, 4, 0, 0, 1, 0]
    assert list(info.D) == list(calibration.D) and list(info.R) == list(calibration.R)
    assert info.distortion_model == "rational_polynomial"
    assert list(calibration.K)[0] == 500
    # Another shape is a cut-out, and nobody says of what.
    assert not any(matching(calibration, 640, 360, rescale=True).K)
    assert not any(matching(None, 320, 240, rescale=True).K)


def test_what_is_saved_is_read_again(tmp_path):
    path = tmp_path / "new" / "folder" / "front.yaml"
    calibration, _ = load_camera_info(str(written(tmp_path, CALIBRATION)))
    save_camera_info(calibration, "front", path)
    again, name = load_camera_info(str(path))
    assert (again, name) == (calibration, "front")
    assert [entry.name for entry in path.parent.iterdir()] == ["front.yaml"]


def test_what_cannot_be_saved_leaves_the_former_file(tmp_path):
    calibration, _ = load_camera_info(str(written(tmp_path, CALIBRATION)))
    (tmp_path / "file").write_text("former")
    with pytest.raises(SinkError, match="cannot be written"):
        save_camera_info(calibration, "front", tmp_path / "file" / "front.yaml")
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(SinkError, match="cannot be written"):
        save_camera_info(calibration, "front", tmp_path / "folder.yaml")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder.yaml", "my camera.yaml"]


@pytest.mark.parametrize(
    ("change", "said"),
    (
        ({"width": 0}, "no image size"),
        ({"K": [0.0] * 9}, "focal lengths"),
        ({"D": [float("nan")]}, "not finite"),
    ),
)
def test_a_message_that_is_no_calibration_is_refused(tmp_path, change, said):
    calibration, _ = load_camera_info(str(written(tmp_path, CALIBRATION)))
    check_camera_info(calibration)
    values = dict({name: getattr(calibration, name) for name in CameraInfo.__slots__}, **change)
    with pytest.raises(SinkError, match=said):
        check_camera_info(CameraInfo(**values))


def test_urls_stand_for_files(monkeypatch, tmp_path):
    monkeypatch.setenv("ROS_HOME", str(tmp_path))
    assert path_of("", "front") == tmp_path / "camera_info" / "front.yaml"
    assert path_of("file://${ROS_HOME}/${NAME}%20x.yaml", "front") == tmp_path / "front x.yaml"
    assert path_of("~/a.yaml") == Path("~/a.yaml").expanduser()
    assert path_of("package://sensor_msgs/a.yaml") == Path(rospkg.RosPack().get_path("sensor_msgs")) / "a.yaml"


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
