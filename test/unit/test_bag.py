"""The command ``emomask bag``: what is masked, what stays to the byte, what is withheld, and what is refused."""

import collections
import json
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("cv_bridge", reason="needs the ROS package cv_bridge")
pytest.importorskip("rosbag", reason="needs the ROS package rosbag")
pytest.importorskip("stereo_msgs", reason="needs the ROS package stereo_msgs")

import rosbag
import rospy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2, PointField
from std_msgs.msg import Header, String
from stereo_msgs.msg import DisparityImage

from emomask import Masked, Settings, cli
from emomask.bag import masking, streams
from emomask.bag.format import BagReader
from emomask.errors import EmomaskError, SinkError, SourceError
from emomask.nodes.messages import compressed_to_array, image_to_array

FRAMES = 4
START = 1500000000
SETTINGS = Settings(lookahead=2, style="solid")
PICTURES = ("/front/image_raw", "/front/image_raw/compressed", "/left/image_mono", "/right/image_bayer")


def stamp(index):
    return rospy.Time(START, index * 40000000)


def header(index):
    return Header(seq=70 + index, stamp=stamp(index), frame_id="camera_optical_frame")


def image_of(pixels, encoding, index, padding=0, big=False):
    rows = np.frombuffer(pixels.astype(pixels.dtype.newbyteorder(">" if big else "<")).tobytes(), np.uint8)
    rows = np.pad(rows.reshape(len(pixels), -1), ((0, 0), (0, padding)), constant_values=7)
    return Image(header(index), *pixels.shape[:2], encoding, big, rows.shape[1], rows.tobytes())


def bayer(picture):
    seen = picture[:, :, 1].copy()
    seen[0::2, 0::2], seen[1::2, 1::2] = picture[0::2, 0::2, 2], picture[1::2, 1::2, 0]
    return seen


def frames_of(astronaut, index):
    """The image messages of one moment, by topic; the face moves to the right."""
    frame = np.roll(astronaut[:300], 4 * index, axis=1)
    grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
    jpeg = cv2.imencode(".jpg", frame, (cv2.IMWRITE_JPEG_QUALITY, 95))[1].tobytes()
    return {
        "/front/image_raw": image_of(frame, "bgr8", index, padding=12),
        "/front/image_raw/compressed": CompressedImage(header(index), "bgr8; jpeg compressed bgr8", jpeg),
        "/left/image_mono": image_of(grey.astype(np.uint16) * 16, "mono16", index, big=True),
        "/right/image_bayer": image_of(bayer(frame), "bayer_rggb8", index),
    }


def cloud(index, fields):
    fields = [PointField(name, 4 * number, PointField.FLOAT32, 1) for number, name in enumerate(fields)]
    return PointCloud2(header(index), 1, 1, fields, False, 4 * len(fields), 4 * len(fields), bytes(16), True)


def others_of(index):
    """The messages of one moment that hold no picture to mask, by topic."""
    depth = np.full((20, 30), 1000 + index, np.uint16)
    return {
        "/front/camera_info": CameraInfo(header=header(index), height=300, width=512),
        "/chat": String("message %d" % index),
        "/depth": image_of(depth, "16UC1", index),
        "/disparity": DisparityImage(header=header(index), image=image_of(depth.astype("f4"), "32FC1", index)),
        "/lidar": cloud(index, ["x", "y", "z", "intensity"]),
        "/points": cloud(index, ["x", "y", "z", "rgb"]),
    }


def write(bag, topic, message, recorded, caller="/recorder"):
    """Write a message of a publisher of its own, which ``Bag.write`` alone would merge with the topic's others."""
    fields = (("topic", topic), ("callerid", caller), ("md5sum", message._md5sum), ("type", message._type))
    connection = collections.OrderedDict(fields, latching="1", message_definition=message._full_text)
    known = {c.header["callerid"]: c for c in bag._connections.values() if c.topic == topic}
    bag._topic_connections.pop(topic, None)
    if caller in known:
        bag._topic_connections[topic] = known[caller]
    bag.write(topic, message, recorded, connection_header=connection)


@pytest.fixture(scope="module")
def rich(astronaut, tmp_path_factory):
    """A bag with every kind of topic, bz2, several chunks, two publishers of a topic, and stamps out of order."""
    path = tmp_path_factory.mktemp("bag") / "in.bag"
    with rosbag.Bag(str(path), "w", compression="bz2", chunk_threshold=300000) as bag:
        write(bag, "/chat", String("latched"), stamp(0), "/first")
        for index in range(FRAMES):
            for topic, message in {**others_of(index), **frames_of(astronaut, index)}.items():
                write(bag, topic, message, stamp(index))
            write(bag, "/chat", String("late"), stamp(max(0, index - 2)), "/second")
        truncated = frames_of(astronaut, FRAMES)["/front/image_raw"]
        truncated.data = truncated.data[:1000]
        write(bag, "/front/image_raw", truncated, stamp(FRAMES))
    return path


@pytest.fixture(scope="module")
def masked(rich):
    """The rich bag masked in two jobs, and the report."""
    path = rich.with_name("out.bag")
    return path, masking.mask_bag(rich, path, SETTINGS, jobs=2)


def content(path):
    """Everything in the bag as rosbag reads it: topic, type, bytes, checksum, time and connection header."""
    with rosbag.Bag(str(path)) as bag:
        return [
            (topic, raw[0], raw[1], raw[2], recorded, connection)
            for topic, raw, recorded, connection in bag.read_messages(raw=True, return_connection_header=True)
        ]


def chunks_of(path):
    """The compression of each chunk and, in the order of the file, its messages without their data."""
    with BagReader(path) as reader:
        return [
            (chunk.compression, [record.fields for record in reader.records(chunk) if record.is_message])
            for chunk in reader.chunks()
        ]


def messages_of(path, topic):
    with rosbag.Bag(str(path)) as bag:
        return [message for _, message, _ in bag.read_messages(topic)]


def covered(after, astronaut_face, index):
    """The fraction of the pixels in the face that became the grey of the style."""
    left, top, right, bottom = astronaut_face
    part = after[top:bottom, left + 4 * index : right + 4 * index].astype(int)
    return float((np.abs(part - 128).max(axis=2) < 10).mean())


def test_every_face_is_covered_in_its_own_encoding(rich, masked, astronaut_face):
    for topic in PICTURES:
        to_array = compressed_to_array if topic.endswith("compressed") else image_to_array
        pairs = list(zip(messages_of(rich, topic), messages_of(masked[0], topic)))
        assert len(pairs) == FRAMES
        for index, (before, after) in enumerate(pairs):
            for name in set(before.__slots__) - {"data"}:
                assert getattr(before, name) == getattr(after, name)
            assert covered(to_array(after), astronaut_face, index) > 0.95, (topic, index)


def test_pixels_beside_the_face_keep_all_their_bits(rich, masked):
    before, after = (messages_of(path, "/left/image_mono")[0].data for path in (rich, masked[0]))
    before, after = (np.frombuffer(data, ">u2").reshape(300, 512) for data in (before, after))
    np.testing.assert_array_equal(before[:, 350:], after[:, 350:])
    assert np.mean(before != after) < 0.3


def test_all_other_messages_are_the_same_to_the_byte(rich, masked):
    left_out = set(PICTURES) | {"/depth", "/disparity", "/points"}
    expected = [item for item in content(rich) if item[0] not in left_out]
    assert [item for item in content(masked[0]) if item[0] not in PICTURES] == expected
    assert {item[0] for item in expected} == {"/chat", "/front/camera_info", "/lidar"}
    assert {item[5]["callerid"] for item in expected} == {b"/recorder", b"/first", b"/second"}


def test_connections_times_order_and_chunks_stay(rich, masked):
    with BagReader(rich) as before, BagReader(masked[0]) as after:
        numbers = {connection.topic: connection.number for connection in before.connections.values()}
        assert [c.record for c in before.connections.values()] == [c.record for c in after.connections.values()]
    out = {numbers[topic] for topic in ("/depth", "/disparity", "/points")}
    expected = [
        (compression, [fields for fields in messages if int.from_bytes(fields["conn"], "little") not in out])
        for compression, messages in chunks_of(rich)
    ]
    expected[-1][1].pop()  # the truncated image
    assert len(expected) > 3
    assert chunks_of(masked[0]) == expected


def test_report(masked):
    reports = masked[1]
    for topic in PICTURES:
        report = reports[topic]
        assert (report.action, report.masked, report.faces, report.pixelated) == ("masked", FRAMES, FRAMES, 0)
    assert reports["/front/image_raw"].messages == FRAMES + 1
    assert reports["/front/image_raw"].withheld == 1 and "truncated" in reports["/front/image_raw"].reason
    for topic, reason in (("/depth", "--topics"), ("/disparity", "sensor_msgs/Image"), ("/points", "colours")):
        assert (reports[topic].withheld, reports[topic].masked) == (FRAMES, 0)
        assert reason in reports[topic].reason
    assert reports["/chat"] == masking.TopicReport("std_msgs/String", "copied", 2 * FRAMES + 1)


def test_the_number_of_jobs_changes_nothing(rich, masked):
    path = rich.with_name("again.bag")
    assert masking.mask_bag(rich, path, SETTINGS) == masked[1]
    assert path.read_bytes() == masked[0].read_bytes()


def test_with_little_memory_the_lookahead_is_cut(rich, masked, monkeypatch, tmp_path):
    monkeypatch.setattr(masking, "MEMORY", 1)
    topic = "/front/image_raw"
    reports = masking.mask_bag(rich, tmp_path / "out.bag", SETTINGS, [topic.lstrip("/"), "/depth"])
    assert reports[topic] == masked[1][topic]
    assert messages_of(tmp_path / "out.bag", topic) == messages_of(masked[0], topic)
    assert (reports["/depth"].masked, reports["/depth"].withheld) == (FRAMES, 0)
    assert messages_of(tmp_path / "out.bag", "/depth") == messages_of(rich, "/depth")
    assert reports["/left/image_mono"].withheld == FRAMES and "--topics" in reports["/left/image_mono"].reason


def test_copied_topics_stay_whatever_they_show(rich, tmp_path):
    with rosbag.Bag(str(rich)) as bag:
        topics = sorted(bag.get_type_and_topic_info().topics)
    out = tmp_path / "out.bag"
    assert cli.main(["bag", str(rich), str(out), "--copy"] + topics) == 0
    assert out.read_bytes() == rich.read_bytes()


def test_types_that_may_carry_pictures_are_withheld(tmp_path):
    """By name, by what their definition holds, or because they are images of another version."""
    inside = "Header header\nsensor_msgs/Image[] crops\n%s\nMSG: sensor_msgs/Image\nuint8[] data" % ("=" * 80)
    withheld = [
        ("theora_image_transport/Packet", ""),
        ("ffmpeg_image_transport_msgs/FFMPEGPacket", ""),
        ("foxglove_msgs/CompressedVideo", ""),
        ("some_driver/ThermalImage", ""),
        ("people_msgs/Crops", inside),
        ("sensor_msgs/Image", "uint8[] data"),
        ("sensor_msgs/PointCloud2", "uint8[] data"),
    ]
    kept = [
        ("velodyne_msgs/VelodynePacket", ""),
        ("visualization_msgs/ImageMarker", ""),
        ("emomask/Faces", "Face[] faces"),
    ]
    with rosbag.Bag(str(tmp_path / "in.bag"), "w") as bag:
        for number, (kind, definition) in enumerate(withheld + kept):
            fields = {
                "topic": "/%d" % number,
                "type": kind,
                "md5sum": "%032d" % number,
                "message_definition": definition,
            }
            raw = (kind, b"bytes", fields["md5sum"], String)
            bag.write(fields["topic"], raw, stamp(0), raw=True, connection_header=fields)
    reports = masking.mask_bag(tmp_path / "in.bag", tmp_path / "out.bag", SETTINGS)
    assert {reports[topic].type: reports[topic].action for topic in reports} == {
        **dict.fromkeys((kind for kind, _ in withheld), "withheld"),
        **dict.fromkeys((kind for kind, _ in kept), "copied"),
    }
    assert all(report.reason for report in reports.values() if report.withheld)
    with BagReader(tmp_path / "out.bag") as reader:
        (chunk,) = reader.chunks()
        assert sum(record.is_message for record in reader.records(chunk)) == len(kept)


def serialised(message):
    buffer = BytesIO()
    message.serialize(buffer)
    return buffer.getvalue()


def test_a_frame_pixelated_as_a_whole_replaces_all(astronaut):
    message = frames_of(astronaut, 0)["/front/image_raw"]
    inbox, sender = multiprocessing.Pipe(duplex=False)
    threading.Thread(target=sender.send, args=((serialised(message), 1.0),)).start()  # more than a pipe holds
    messages = streams._Messages(streams.Job(message._type, False, 95), None, threading.Lock(), inbox)
    frame, _ = next(messages.frames())
    result = messages.result(Masked(np.full_like(frame, 50), [], 1.0, "a network failed"))
    assert (result.faces, result.reason) == (0, "a network failed")
    assert (image_to_array(Image().deserialize(result.data)) == 50).all()


@pytest.mark.parametrize("form", ["16UC1; compressedDepth png", "16UC1; png compressed "])
def test_compressed_depth_is_no_picture(form):
    inbox, sender = multiprocessing.Pipe(duplex=False)
    data = cv2.imencode(".png", np.full((20, 30), 1000, np.uint16))[1].tobytes()
    sender.send((serialised(CompressedImage(header(0), form, data)), 1.0))
    messages = streams._Messages(streams.Job("sensor_msgs/CompressedImage", False, 95), None, threading.Lock(), inbox)
    frame, _ = next(messages.frames())
    assert frame is None
    result = messages.result(Masked(None, [], 1.0, "no frame"))
    assert result.data is None and "distances" in result.reason


@pytest.mark.parametrize("compression", ["none", "bz2", "lz4"])
def test_a_bag_without_pictures_is_copied_to_the_byte(tmp_path, compression, capsys):
    source, out = tmp_path / "in.bag", tmp_path / "out.bag"
    with rosbag.Bag(str(source), "w", compression=compression, chunk_threshold=1000) as bag:
        for index in range(50):
            bag.write("/chat", String("text " * index), stamp(index))
    out.write_bytes(b"an older file")
    assert cli.main(["bag", str(source), str(out), "--json", str(tmp_path / "report.json")]) == 0
    assert out.read_bytes() == source.read_bytes()
    assert "/chat (std_msgs/String): 50 messages, copied" in capsys.readouterr().out
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["/chat"]["messages"] == 50 and report["/chat"]["withheld"] == 0


def test_an_empty_bag(tmp_path):
    rosbag.Bag(str(tmp_path / "in.bag"), "w").close()
    assert masking.mask_bag(tmp_path / "in.bag", tmp_path / "out.bag", SETTINGS) == {}
    assert (tmp_path / "out.bag").read_bytes() == (tmp_path / "in.bag").read_bytes()


def test_time_that_goes_back_and_frames_without_a_stamp(astronaut, astronaut_face, tmp_path):
    frame, times = frames_of(astronaut, 0)["/front/image_raw"], [100, 100.5, 100.25, 50, 50.5, 0, 0]
    with rosbag.Bag(str(tmp_path / "in.bag"), "w", compression="lz4") as bag:
        for index, seconds in enumerate(times):
            frame.header.stamp = rospy.Time.from_sec(seconds)
            bag.write("/image", frame, stamp(index))
    report = masking.mask_bag(tmp_path / "in.bag", tmp_path / "out.bag", SETTINGS)["/image"]
    assert (report.masked, report.faces, report.withheld) == (7, 7, 0)
    after = messages_of(tmp_path / "out.bag", "/image")
    assert [message.header.stamp.to_sec() for message in after] == times
    assert all(covered(image_to_array(message), astronaut_face, 0) > 0.95 for message in after)


def test_a_frame_too_small_is_withheld(tmp_path):
    with rosbag.Bag(str(tmp_path / "in.bag"), "w") as bag:
        bag.write("/image", image_of(np.zeros((8, 8, 3), np.uint8), "bgr8", 0), stamp(0))
        bag.write("/image", image_of(np.zeros((32, 32, 3), np.uint8), "bgr8", 1), stamp(1))
    assert cli.main(["bag", str(tmp_path / "in.bag"), str(tmp_path / "out.bag")]) == 1
    assert [message.height for message in messages_of(tmp_path / "out.bag", "/image")] == [32]


def unindexed(path, good):
    with rosbag.Bag(str(path), "w") as bag:
        bag.write("/chat", String("text"), stamp(0))
        bag.flush()
        bag._file.flush()
        shutil.copy(str(path), str(path) + ".active")
    os.replace(str(path) + ".active", str(path))


def cut(path, good):
    path.write_bytes(good[: len(good) // 2])


def without_its_end(path, good):
    path.write_bytes(good[:-10])


def flipped(path, good):
    data = bytearray(good)
    for position in range(4200, 6000, 7):
        data[position] ^= 0x55
    path.write_bytes(bytes(data))


def encrypted(path, good):
    length = int.from_bytes(good[13:17], "little")
    field = b"encryptor=rosbag/AesCbcEncryptor"
    field = len(field).to_bytes(4, "little") + field
    size = (length + len(field)).to_bytes(4, "little")
    path.write_bytes(good[:13] + size + good[17 : 17 + length] + field + good[17 + length :])


@pytest.mark.parametrize(
    "damage, text",
    [
        (lambda path, good: None, "cannot be read: No such file"),
        (lambda path, good: path.mkdir(), "cannot be read: Is a directory"),
        (lambda path, good: path.write_bytes(b""), "is empty"),
        (lambda path, good: path.write_bytes(b"some text\n" * 100), "is not a bag"),
        (lambda path, good: path.write_bytes(b"#ROSBAG V1.2\n" + bytes(100)), "old bag format 1.2"),
        (lambda path, good: path.write_bytes(good[:13]), "damaged"),
        (cut, "damaged .*truncated.*rosbag reindex"),
        (without_its_end, "damaged"),
        (flipped, "damaged"),
        (unindexed, "not indexed.*rosbag reindex"),
        (encrypted, "encrypted.*rosbag decrypt"),
    ],
)
def test_bad_bags_are_refused_in_one_line(rich, tmp_path, capsys, damage, text):
    source, out = tmp_path / "in.bag", tmp_path / "out.bag"
    damage(source, rich.read_bytes())
    out.write_bytes(b"an older file")
    before = source.read_bytes() if source.is_file() else None
    with pytest.raises(SourceError, match=text) as raised:
        masking.mask_bag(source, out, SETTINGS)
    assert "\n" not in str(raised.value)
    assert cli.main(["bag", str(source), str(out)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert out.read_bytes() == b"an older file"
    assert (source.read_bytes() if source.is_file() else None) == before
    assert {path.name for path in tmp_path.iterdir()} <= {"in.bag", "out.bag"}


def test_damage_anywhere_is_an_error_or_harmless(tmp_path):
    """Whatever eight bytes of a bag become: no other exception, and no message is lost without an error."""
    source, out = tmp_path / "in.bag", tmp_path / "out.bag"
    with rosbag.Bag(str(source), "w", compression="bz2", chunk_threshold=500) as bag:
        for index in range(60):
            bag.write("/chat", String("text %d" % index), stamp(index))
    good, rng = source.read_bytes(), np.random.default_rng(1)
    refused = 0
    for _ in range(200):
        data = bytearray(good)
        # Not in the empty space after the file's header.
        for position in rng.integers(4117, len(good), 8):
            data[position] = rng.integers(0, 256)
        source.write_bytes(bytes(data))
        try:
            report = masking.mask_bag(source, out, SETTINGS)
        except EmomaskError as error:
            assert "\n" not in str(error)
            refused += 1
        else:
            assert sum(topic.messages for topic in report.values()) == 60
    assert refused > 150


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["--topics", "/nothing"], "has no topic /nothing. It has: /chat, /depth"),
        (["--copy", "/nothing"], "has no topic"),
        (["--topics", "/chat"], "only images can be masked"),
        (["--topics", "/depth", "--copy", "/depth"], "both masked and copied"),
    ],
)
def test_bad_requests(rich, tmp_path, capsys, arguments, text):
    assert cli.main(["bag", str(rich), str(tmp_path / "out.bag")] + arguments) == 1
    assert text in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_setting_out_of_its_range_is_a_usage_error(rich, tmp_path, capsys):
    assert cli.main(["bag", str(rich), str(tmp_path / "out.bag"), "--hold", "-1"]) == 2
    assert "hold must lie between" in capsys.readouterr().err and not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [["--jobs", "0"], ["--jpeg-quality", "101"], ["--no-such-option"]])
def test_usage_errors(rich, tmp_path, arguments):
    with pytest.raises(SystemExit) as raised:
        cli.main(["bag", str(rich), str(tmp_path / "out.bag")] + arguments)
    assert raised.value.code == 2


def test_outputs_that_cannot_be(rich, tmp_path):
    before = rich.read_bytes()
    link = tmp_path / "link.bag"
    link.symlink_to(rich)
    for output, text in (
        (rich, "input itself"),
        (link, "input itself"),
        (tmp_path, "is a folder"),
        (tmp_path / "missing" / "out.bag", "no folder .*missing; create it"),
    ):
        with pytest.raises(SinkError, match=text):
            masking.mask_bag(rich, output, SETTINGS)
    assert rich.read_bytes() == before
    assert list(tmp_path.iterdir()) == [link]


def test_a_full_disk(rich, tmp_path):
    """A limit on the size of files gives the same kind of error as a disk without space."""
    out = tmp_path / "out.bag"
    out.write_bytes(b"an older file")
    with rosbag.Bag(str(rich)) as bag:
        topics = list(bag.get_type_and_topic_info().topics)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100000, hard))
    try:
        with pytest.raises(SinkError, match="out.bag cannot be written: File too large"):
            masking.mask_bag(rich, out, SETTINGS, copy=topics)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"an older file"]


def test_a_worker_that_dies_is_an_error(rich, tmp_path, monkeypatch):
    opened = masking.Streams.open

    def killed(self, *arguments):
        stream = opened(self, *arguments)
        multiprocessing.active_children()[0].kill()
        return stream

    monkeypatch.setattr(masking.Streams, "open", killed)
    with pytest.raises(EmomaskError, match="process that masks images died"):
        masking.mask_bag(rich, tmp_path / "out.bag", SETTINGS, ["/front/image_raw"])
    assert not list(tmp_path.iterdir()) and not multiprocessing.active_children()


def test_a_missing_model_is_an_error(rich, tmp_path):
    settings = SETTINGS.replace(models=str(tmp_path))
    with pytest.raises(EmomaskError, match="cannot be read"):
        masking.mask_bag(rich, tmp_path / "out.bag", settings, ["/front/image_raw"])
    assert not list(tmp_path.iterdir()) and not multiprocessing.active_children()


def children_of(process):
    """The numbers of the processes that a running command has started."""
    return [int(number) for number in Path("/proc/%d/task/%d/children" % ((process.pid,) * 2)).read_text().split()]


def runs(number):
    try:
        return Path("/proc/%d/stat" % number).read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def started(rich, folder):
    """The command as a process whose workers are about to begin, writing into ``folder``."""
    program = "import sys; from emomask.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "bag", str(rich), str(folder / "out.bag")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)
    while len(children_of(process)) <= len(PICTURES):  # one of them keeps track of semaphores
        assert process.poll() is None
        time.sleep(0.02)
    time.sleep(0.5)
    assert [path.suffix for path in folder.iterdir()] == [".part"]
    return process


def test_no_worker_outlives_a_command_that_is_killed(rich, tmp_path):
    process = started(rich, tmp_path)
    workers = children_of(process)
    process.kill()
    process.communicate()
    end = time.monotonic() + 20
    while any(map(runs, workers)):
        assert time.monotonic() < end
        time.sleep(0.1)


def test_ctrl_c_leaves_nothing(rich, tmp_path):
    process = started(rich, tmp_path)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    assert process.communicate(timeout=30)[1] == b"emomask: interrupted\n"
    assert process.returncode == 130
    assert not list(tmp_path.iterdir())


def test_without_ros_one_line_says_what_to_install(rich, tmp_path):
    program = (
        "import sys; sys.modules.update(dict.fromkeys(['cv_bridge', 'sensor_msgs']))\n"
        "from emomask.cli import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", program, "bag", str(rich), str(tmp_path / "out.bag")]
    done = subprocess.run(command, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert b"python3-cv-bridge" in done.stderr and done.stderr.count(b"\n") == 1
