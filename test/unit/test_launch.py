"""The launch files: every argument is documented, agrees with the settings in the code, and reaches its node."""

import dataclasses
from pathlib import Path
from xml.etree import ElementTree

import pytest

from emomask.media.sources import SourceSettings
from emomask.settings import Settings

pytest.importorskip("rospy", reason="needs ROS")

pytest.importorskip("emomask.msg", reason="needs the built messages: source devel/setup.bash")

import roslaunch.config
from roslaunch.core import RLException

from emomask.nodes.listener import ListenerSettings
from emomask.nodes.talker import TalkerSettings
from emomask.web.settings import WebSettings

LAUNCH = Path(__file__).resolve().parents[2] / "launch"
FILES = sorted(LAUNCH.glob("*.launch"))
KINDS = {
    "talker": (SourceSettings, TalkerSettings),
    "listener": (Settings, ListenerSettings),
    "web": (WebSettings, Settings),
}
# Texts that must make sense to be taken.
TEXTS = {
    "also_publish": "opencv_apps",
    "base_path": "/faces",
    "emoji_sets": str(LAUNCH.parent / "emojis"),
    "fetch_networks": "10.0.0.0/8",
    "fetch_ports": "8080",
    "fourcc": "MJPG",
    "excepted": "track:3",
    "only": "0,0,99,99; track:1",
    "properties": "zoom=12",
    "tls_certificate": str(LAUNCH.parent / "LICENSE"),
    "tls_key": str(LAUNCH.parent / "LICENSE"),
}


def arguments(path):
    """The ``arg`` elements of a file that a user can set, by name."""
    elements = ElementTree.parse(str(path)).getroot().findall("arg")
    return {element.get("name"): element.attrib for element in elements if "value" not in element.attrib}


def loaded(name, **given):
    """The launch configuration of a file with arguments, as roslaunch would start it."""
    argv = ["%s:=%s" % item for item in given.items()]
    return roslaunch.config.load_config_default([(str(LAUNCH / (name + ".launch")), argv)], 0)


def parameters(config, node):
    start = "/camera/%s/" % node
    return {key[len(start) :]: param.value for key, param in config.params.items() if key.startswith(start)}


def different(field):
    """A valid value that is not the field's default."""
    if field.metadata["choices"]:
        return next(choice for choice in field.metadata["choices"] if choice != field.default)
    if isinstance(field.default, bool):
        return not field.default
    if isinstance(field.default, str):
        return TEXTS.get(field.name, "007")
    special = {"rotate": 90, "stop": 5, "detection_size": 320}
    return special.get(field.name, field.default + 1 if field.metadata["high"] > 1 else 0.5)


def test_there_are_the_launch_files():
    parts = {"demo", "emomask", "listener", "talker", "view", "web"}
    assert {path.stem for path in FILES} == parts | {"file", "remote_listener", "rtsp", "two_cameras", "webcam"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_argument_has_a_default_and_documentation(path):
    for name, attributes in arguments(path).items():
        assert "default" in attributes and attributes.get("doc", "").strip(), name


@pytest.mark.parametrize("node", KINDS)
def test_launch_file_has_every_setting_with_its_default(node):
    given = parameters(loaded(node), node)
    assert set(given) == {field.name for kind in KINDS[node] for field in dataclasses.fields(kind)}
    for kind in KINDS[node]:
        assert kind(**{field.name: given[field.name] for field in dataclasses.fields(kind)}) == kind()


@pytest.mark.parametrize(
    "node, name",
    [("talker", "own"), ("talker", "emomask"), ("listener", "own"), ("listener", "emomask"), ("web", "own")],
)
def test_every_setting_reaches_its_node(node, name, tmp_path):
    """With the same type, too: a source "007" stays a text."""
    changed = {field.name: different(field) for kind in KINDS[node] for field in dataclasses.fields(kind)}
    if node == "web":
        (tmp_path / "token").write_text("sixteen-characters")
        changed["token_file"] = str(tmp_path / "token")
    given = parameters(loaded(node if name == "own" else name, **changed), node)
    for kind in KINDS[node]:
        names = [field.name for field in dataclasses.fields(kind)]
        assert kind(**{key: given[key] for key in names}) == kind(**{key: changed[key] for key in names})


def test_web_launch_says_of_the_masking_what_listener_launch_says():
    web, listener = arguments(LAUNCH / "web.launch"), arguments(LAUNCH / "listener.launch")
    for name in (field.name for field in dataclasses.fields(Settings)):
        assert web[name] == listener[name]


@pytest.mark.parametrize("other", ["talker", "listener", "view"])
def test_emomask_launch_says_the_same_as_the_files_it_includes(other):
    outer, inner = arguments(LAUNCH / "emomask.launch"), arguments(LAUNCH / (other + ".launch"))
    both = set(arguments(LAUNCH / "talker.launch")) & set(arguments(LAUNCH / "listener.launch"))
    shared = set(outer) & set(inner)
    assert len(shared) >= 2
    assert {name: outer[name]["default"] for name in shared} == {name: inner[name]["default"] for name in shared}
    # What two nodes take is worded for both of them in emomask.launch.
    alone = shared - both | {"camera"}
    assert {name: outer[name]["doc"] for name in alone} == {name: inner[name]["doc"] for name in alone}


@pytest.mark.parametrize("view, nodes", [("none", 0), ("image_view", 1), ("rqt_image_view", 1)])
def test_views(view, nodes):
    config = loaded("emomask", view=view)
    assert {node.name for node in config.nodes} == {"talker", "listener"} | ({"view"} if nodes else set())
    viewers = [node for node in config.nodes if node.name == "view"]
    assert [node.package for node in viewers] == [view] * nodes


@pytest.mark.parametrize("given", [{"view": "rviz"}, {"respawn": "maybe"}])
def test_bad_argument_is_an_error(given):
    with pytest.raises(RLException):
        loaded("emomask", **given)


# A file for a use: its arguments, and what the talker and the listener then get, by the namespace.
USES = [
    ("webcam", {}, {"camera": ({"source": "0", "width": 640, "height": 480, "fps": 30.0, "fourcc": "MJPG"}, {})}),
    (
        "webcam",
        {"source": "/dev/v4l/by-id/usb-x", "width": 0, "gain": 3, "style": "blur", "camera": "door", "lazy": "true"},
        {"door": ({"source": "/dev/v4l/by-id/usb-x", "width": 0, "gain": "3", "lazy": True}, {"style": "blur"})},
    ),
    ("file", {}, {"camera": ({"source": "demo", "loop": True, "wait_for_subscriber": True}, {"lookahead": 3})}),
    (
        "file",
        {"source": "/tmp/a.mp4", "loop": "false", "buffer_size": 9, "lookahead": 8},
        {"camera": ({"source": "/tmp/a.mp4", "loop": False, "buffer_size": 9}, {"lookahead": 8})},
    ),
    ("rtsp", {}, {"camera": ({"source": "rtsp://127.0.0.1:8554/stream", "timeout": 5.0}, {})}),
    ("rtsp", {"source": "rtsp://host/x", "timeout": 2}, {"camera": ({"source": "rtsp://host/x", "timeout": 2}, {})}),
    (
        "two_cameras",
        {},
        {
            "front": ({"source": "0", "camera_name": "front", "frame_id": "front_optical_frame"}, {"threads": 1}),
            "rear": ({"source": "2", "camera_name": "rear", "frame_id": "rear_optical_frame"}, {"threads": 1}),
        },
    ),
    (
        "two_cameras",
        {"first": "a", "second": "b", "first_source": "demo", "second_source": "x.mp4", "hue": 7, "style": "solid"},
        {
            "a": ({"source": "demo", "hue": "7", "frame_id": "a_optical_frame"}, {"style": "solid"}),
            "b": ({"source": "x.mp4", "hue": "7", "frame_id": "b_optical_frame"}, {"style": "solid"}),
        },
    ),
    ("remote_listener", {}, {"camera": (None, {"image_transport": "compressed"})}),
    (
        "remote_listener",
        {"camera": "door", "image_transport": "raw", "margin": 0.5},
        {"door": (None, {"image_transport": "raw", "margin": 0.5})},
    ),
]


@pytest.mark.parametrize("name, given, cameras", USES, ids=["%s-%d" % (use[0], len(use[1])) for use in USES])
def test_a_file_for_a_use_starts_its_nodes_with_its_arguments(name, given, cameras):
    config = loaded(name, **given)
    started = {(node.namespace.strip("/"), node.name) for node in config.nodes}
    wanted = {
        (camera, node)
        for camera, settings in cameras.items()
        for node, values in zip(("talker", "listener"), settings)
        if values is not None
    }
    assert started == wanted
    for camera, settings in cameras.items():
        for node, values in zip(("talker", "listener"), settings):
            for key, value in (values or {}).items():
                assert config.params["/%s/%s/%s" % (camera, node, key)].value == value, key


@pytest.mark.parametrize("name, respawn", [("webcam", True), ("rtsp", True), ("two_cameras", True), ("file", False)])
def test_nodes_that_died_are_started_again_after_a_pause(name, respawn):
    for given, expected in (({}, respawn), ({"respawn": "true"}, True), ({"respawn": "false"}, False)):
        for node in loaded(name, **given).nodes:
            assert (node.respawn, node.respawn_delay) == (expected, 5.0)


@pytest.mark.parametrize("name", ["webcam", "file", "rtsp", "two_cameras", "remote_listener"])
def test_a_file_for_a_use_says_of_its_arguments_only_what_is_its_own(name):
    """The other arguments are those of the files that it includes, which are named once."""
    assert len(arguments(LAUNCH / (name + ".launch"))) <= 7


@pytest.mark.parametrize("given, transport", [({}, "tcp"), ({"transport": "udp"}, "udp")])
def test_the_transport_of_rtsp_reaches_ffmpeg(given, transport):
    (talker,) = [node for node in loaded("rtsp", **given).nodes if node.name == "talker"]
    assert ("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;" + transport) in talker.env_args


def test_a_window_is_opened_for_each_of_two_cameras():
    config = loaded("two_cameras", view="image_view")
    assert sorted(node.namespace for node in config.nodes if node.name == "view") == ["/front/", "/rear/"]


def test_topics_are_under_the_camera_namespace():
    nodes = {node.name: node for node in loaded("demo", camera="door").nodes}
    assert {node.namespace for node in nodes.values()} == {"/door/"}
    assert nodes["listener"].remap_args == [["image", "image_raw"]]
    assert nodes["recorder"].remap_args == [["image", "image_masked"]]
    assert nodes["talker"].remap_args == []


def test_demo_ends_with_its_recorder_or_a_failed_listener():
    config = loaded("demo", output="/tmp/x.mp4")
    assert {node.name for node in config.nodes if node.required} == {"listener", "recorder"}
    assert not any(node.respawn for node in config.nodes)
    assert parameters(config, "recorder")["output"] == "/tmp/x.mp4"
    talker = parameters(config, "talker")
    assert (talker["source"], talker["loop"], talker["wait_for_subscriber"]) == ("demo", False, True)
