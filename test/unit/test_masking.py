import cv2
import numpy as np
import pytest

from emomask import Settings
from emomask.cli import main
from emomask.errors import SinkError, SourceError
from emomask.masking import mask_file
from emomask.media.sources import SourceSettings, open_source
from emomask.media.video import VideoSink


@pytest.fixture
def photo(tmp_path, astronaut):
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), astronaut)
    return path


def covered(before, after, face):
    left, top, right, bottom = face
    different = np.abs(before.astype(int) - after.astype(int)).max(axis=2) > 12
    return different[top:bottom, left:right].mean()


def test_a_picture(photo, tmp_path, astronaut, astronaut_face, capsys):
    output = tmp_path / "masked.png"
    assert main(["mask", str(photo), "-o", str(output), "--style", "solid"]) == 0
    assert "1 frames, 1 faces, 0 frames withheld" in capsys.readouterr().out
    masked = cv2.imread(str(output))
    assert masked.shape == astronaut.shape and covered(astronaut, masked, astronaut_face) > 0.9
    assert sorted(path.name for path in tmp_path.iterdir()) == ["masked.png", "photo.png"]


def test_a_video_keeps_its_frames_and_rate(tmp_path, astronaut, astronaut_face):
    clip, output = tmp_path / "clip.mp4", tmp_path / "masked.mp4"
    sink = VideoSink(clip, 512, 512, 12)
    for _ in range(6):
        sink.write(astronaut)
    sink.close()
    counts = mask_file(str(clip), output, Settings())
    assert (counts.frames, counts.faces, counts.failed) == (6, 6, 0)
    with open_source(SourceSettings(source=str(output), realtime=False)) as masked:
        assert masked.rate == pytest.approx(12, abs=0.01)
        frames = []
        captured = masked.read()
        while captured is not None:
            frames.append(captured.image)
            captured = masked.read()
    assert len(frames) == 6
    assert all(covered(astronaut, frame, astronaut_face) > 0.85 for frame in frames)


def test_the_input_is_never_overwritten(photo):
    before = photo.read_bytes()
    with pytest.raises(SinkError, match="the input itself"):
        mask_file(str(photo), photo, Settings())
    assert photo.read_bytes() == before


@pytest.mark.parametrize(
    "name, content, error",
    [
        ("bad.png", b"no picture", "not a picture that can be decoded"),
        ("empty.jpg", b"", "not a picture that can be decoded"),
        ("bad.mp4", b"no video at all", "not a video that can be read"),
    ],
)
def test_damaged_input_is_one_line_and_leaves_nothing(tmp_path, capsys, name, content, error):
    (tmp_path / name).write_bytes(content)
    output = tmp_path / ("out" + name[-4:])
    assert main(["mask", str(tmp_path / name), "-o", str(output)]) == 1
    message = capsys.readouterr().err
    assert error in message and message.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_is_not_there_is_one_line(tmp_path):
    with pytest.raises(SourceError, match="There is no file or folder"):
        mask_file(str(tmp_path / "none.mp4"), tmp_path / "out.mp4", Settings())


def test_an_output_that_cannot_be_written_is_one_line(photo, tmp_path, capsys):
    assert main(["mask", str(photo), "-o", str(tmp_path / "no" / "folder.png")]) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert main(["mask", str(photo), "-o", str(tmp_path / "masked.xyz")]) == 1
    assert main(["mask", "demo", "-o", str(tmp_path / "masked.avi")]) == 1
    assert "written as .mp4" in capsys.readouterr().err


def test_usage_and_bad_values(photo, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["mask", str(photo)])
    assert stop.value.code == 2
    arguments = ["mask", str(photo), "-o", str(tmp_path / "out.png")]
    assert main(arguments + ["--margin", "-3"]) == 1
    assert "margin must lie between" in capsys.readouterr().err
