"""Private parameters of a node as settings."""

from dataclasses import dataclass

import pytest

pytest.importorskip("rospy", reason="needs ROS")

import rospy

from emomask.errors import SettingsError
from emomask.nodes.parameters import read_parameters
from emomask.settings import Settings, Validated, setting


@dataclass(frozen=True)
class CameraSettings(Validated):
    """A node's own settings."""

    source: str = setting("0", "what is opened")
    retries: int = setting(3, "how often", low=0, high=10)


@pytest.fixture
def read(monkeypatch):
    """Calls read_parameters as a node whose private parameters are given; returns the settings and the log lines."""

    def call(parameters, *kinds):
        lines = []
        monkeypatch.setattr(rospy, "get_name", lambda: "/camera/node")
        monkeypatch.setattr(rospy, "get_param", lambda name, default: {"/camera/node": parameters}.get(name, default))
        for level in ("loginfo", "logwarn"):
            monkeypatch.setattr(rospy, level, lambda text, *values: lines.append(text % values))
        return read_parameters(*kinds), lines

    return call


def test_each_kind_gets_its_own_fields(read):
    (camera, settings), lines = read({"source": 2, "margin": 0.5, "style": "blur"}, CameraSettings, Settings)
    assert (camera.source, camera.retries) == ("2", 3)
    assert (settings.margin, settings.style, settings.hold) == (0.5, "blur", Settings().hold)
    assert lines == ["Parameters: source=2, style=blur, margin=0.5."]


def test_nothing_set_is_the_defaults(read):
    (settings,), lines = read({}, Settings)
    assert settings == Settings()
    assert lines == ["Parameters: all at their defaults."]


def test_an_unknown_name_is_warned_about_with_the_nearest_known_one(read):
    (camera,), lines = read({"retry": 1, "zzz": 0}, CameraSettings)
    assert camera == CameraSettings()
    assert lines[0] == "Unknown parameter ~retry is ignored; perhaps ~retries is meant."
    assert lines[1] == "Unknown parameter ~zzz is ignored."


@pytest.mark.parametrize("value", [11, -1, "many", 2.5, True, None, [1]])
def test_a_bad_value_names_the_parameter(read, value):
    with pytest.raises(SettingsError, match="retries"):
        read({"retries": value}, CameraSettings)


def test_passwords_of_addresses_are_not_logged(read):
    (camera,), lines = read({"source": "rtsp://user:secret@camera.local/stream"}, CameraSettings)
    assert camera.source == "rtsp://user:secret@camera.local/stream"
    assert lines == ["Parameters: source=rtsp://***@camera.local/stream."]
