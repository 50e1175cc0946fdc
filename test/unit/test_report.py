import csv
import json

import pytest
from test_follow import a_face

from emomask import EMOTIONS, Box
from emomask.errors import DataError, SinkError
from emomask.masks.region import region_of
from emomask.offline.marks import EDITED, FOUND, REMEMBERED, Mark
from emomask.offline.report import Frame, ReportWriter, Summary, read_report, timecode


def mark(x=100, **values):
    face = a_face(x, **values)
    return Mark.of(face, region_of(face.box, face.landmarks, 0.1))


def written(path, frames, threshold=0.2):
    summary = Summary(threshold, 300, 200)
    with ReportWriter(path, {"file": "clip.mp4", "width": 300, "height": 200}, summary) as report:
        for frame in frames:
            summary.add(frame)
            report.write(frame)
    return path


FRAMES = [
    Frame(0, 0.0, []),
    Frame(1, 0.04, [mark(100, track_id=1)]),
    Frame(2, 0.08, [mark(104, track_id=1, held=True), mark(20, track_id=2)]),
    Frame(3, 0.12, [], "ValueError: broken"),
]


def test_a_report_is_read_as_it_was_written(tmp_path):
    head, frames = read_report(written(tmp_path / "a.json", FRAMES))
    assert head["file"] == "clip.mp4" and head["summary"]["frames"] == 4 and head["summary"]["withheld"] == 1
    assert [frame.error for frame in frames] == [None, None, None, "ValueError: broken"]
    for before, after in zip(FRAMES, frames):
        assert [one.region for one in after.marks] == [one.region for one in before.marks]
        assert [(m.track, m.origin, m.emotion) for m in after.marks] == [
            (m.track, m.origin, m.emotion) for m in before.marks
        ]
    assert frames[2].marks[0].origin == REMEMBERED and frames[2].marks[1].origin == FOUND
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_table_has_a_row_for_each_face(tmp_path):
    with open(str(written(tmp_path / "a.csv", FRAMES)), newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["frame"], row["track"], row["origin"]) for row in rows] == [
        ("1", "1", "found"),
        ("2", "1", "remembered"),
        ("2", "2", "found"),
    ]
    assert float(rows[0]["happy"]) == pytest.approx(1 / 7, abs=1e-3) and set(EMOTIONS) < set(rows[0])


def test_what_to_look_at_is_listed_with_time_codes(tmp_path):
    frames = [Frame(0, 0.0, [])]
    frames += [Frame(n, n / 10, [mark(150, track_id=1, score=0.9)]) for n in range(1, 20)]
    frames += [Frame(n, n / 10, [mark(150, track_id=1, held=True)]) for n in range(20, 26)]
    frames += [Frame(26, 2.6, [mark(60, track_id=2, score=0.21)], None)]
    frames += [Frame(n, n / 10, [mark(100, track_id=3, score=0.25)]) for n in range(27, 33)]
    look_at = read_report(written(tmp_path / "a.json", frames))[0]["summary"]["look_at"]
    kinds = [(doubt["kind"], doubt["track"]) for doubt in look_at]
    assert ("appears", 1) in kinds and ("memory", 1) in kinds and ("brief", 2) in kinds and ("weak", 3) in kinds
    memory = next(doubt for doubt in look_at if doubt["kind"] == "memory")
    assert memory["timecode"] == "0:00:02.000" and memory["end"] == 2.5
    assert look_at == sorted(look_at, key=lambda doubt: doubt["start"])


def test_time_codes():
    assert timecode(0) == "0:00:00.000" and timecode(3725.5) == "1:02:05.500"


def test_a_person_may_give_a_box_only(tmp_path):
    path = written(tmp_path / "a.json", FRAMES)
    report = json.loads(path.read_text())
    report["frames"][0]["faces"].append({"box": [10, 20, 50, 80]})
    path.write_text(json.dumps(report))
    (added,) = read_report(path)[1][0].marks
    assert added.origin == EDITED and added.box == Box(10, 20, 50, 80) and added.emotion == "neutral"
    for corner in ((10, 20), (50, 20), (10, 80), (50, 80)):
        x, y = (corner[0] - added.region.x) / added.region.half_width, (corner[1] - added.region.y)
        assert x**2 + (y / added.region.half_height) ** 2 <= 1 + 1e-9


@pytest.mark.parametrize(
    "edit, words",
    [
        (lambda report: report["frames"].pop(1), "frame 1"),
        (lambda report: report["frames"][1]["faces"][0].update(region={"x": 1}), "frame 1"),
        (lambda report: report["frames"][1]["faces"][0]["region"].update(x="left"), "frame 1"),
        (lambda report: report["frames"][1]["faces"][0]["region"].update(half_width=0), "no size"),
        (lambda report: report["frames"][1]["faces"][0].update(emotion="bored"), "bored"),
        (lambda report: report["frames"][1]["faces"][0].update(bx=1), "'bx'"),
        (lambda report: report["frames"][1]["faces"].append({}), "frame 1"),
        (lambda report: report["frames"][1]["faces"].append({"box": [1, 2, float("nan"), 4]}), "frame 1"),
        (lambda report: report.update(version=9), "not a JSON report"),
        (lambda report: report.pop("frames"), "not a JSON report"),
    ],
)
def test_a_report_that_was_edited_wrongly_is_named(tmp_path, edit, words):
    path = written(tmp_path / "a.json", FRAMES)
    report = json.loads(path.read_text())
    edit(report)
    path.write_text(json.dumps(report))
    with pytest.raises(DataError, match=words):
        read_report(path)


@pytest.mark.parametrize("content", ["", "{", "[]", "no json at all"])
def test_what_is_no_report_is_refused(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DataError, match="a.json"):
        read_report(tmp_path / "a.json")


def test_a_report_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(SinkError, match="cannot be written"):
        written(tmp_path / "no" / "a.json", FRAMES)
    with pytest.raises(SinkError, match=".json or .csv"):
        written(tmp_path / "a.xml", FRAMES)
    with pytest.raises(RuntimeError), ReportWriter(tmp_path / "a.json", {}, Summary(0.2, 9, 9)):
        raise RuntimeError("broken off")
    assert list(tmp_path.iterdir()) == []
