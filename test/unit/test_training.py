"""The training commands for real, on small data made here."""

import csv
import io
import json
import lzma
import zipfile

import cv2
import numpy as np
import pytest
from test_evaluation import write_fer
from test_geometry import turned_face

torch = pytest.importorskip("torch")

from emomask import Settings  # noqa: E402
from emomask.cli import main  # noqa: E402
from emomask.errors import DataError  # noqa: E402
from emomask.perception.emotion import EmotionClassifier  # noqa: E402
from emomask.perception.onnx_network import OnnxNetwork  # noqa: E402
from emomask.training import fer2013, landmarks68  # noqa: E402
from emomask.training.emotion import split_rows  # noqa: E402
from emomask.training.landmarks import wing_loss  # noqa: E402
from emomask.training.networks import Cnn42, LandmarkNet, count_parameters  # noqa: E402


def test_the_papers_network_has_the_papers_shape():
    network = Cnn42().eval()
    sizes = [
        tuple(module.weight.shape)
        for module in network.modules()
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear))
    ]
    assert sizes == [(32, 1, 5, 5), (32, 32, 4, 4), (64, 32, 5, 5), (2048, 1600), (1024, 2048), (7, 1024)]
    assert network.features(torch.zeros(1, 1, 42, 42)).shape == (1, 64, 5, 5)
    assert count_parameters(network) == pytest.approx(5.5e6, rel=0.01)


def test_the_landmark_network_gives_68_points():
    assert LandmarkNet().eval()(torch.zeros(2, 1, 112, 112)).shape == (2, 136)


def test_wing_loss_is_continuous_and_even():
    values = wing_loss(torch.tensor([10.0 - 1e-4])), wing_loss(torch.tensor([10.0 + 1e-4]))
    assert values[0].item() == pytest.approx(values[1].item(), abs=1e-3)
    assert wing_loss(torch.tensor([-3.0])) == wing_loss(torch.tensor([3.0])) and wing_loss(torch.zeros(3)) == 0


def test_fer2013_is_read_packed_and_plain(tmp_path):
    plain = write_fer(tmp_path / "fer.csv", 9)
    packed = tmp_path / "fer.csv.xz"
    packed.write_bytes(lzma.compress(plain.read_bytes()))
    first, second = fer2013.read_fer2013(plain), fer2013.read_fer2013(packed)
    assert np.array_equal(first.images, second.images) and first.labels.tolist() == [0, 1, 2, 3, 4, 5, 6, 0, 1]
    assert len(first.split("PublicTest")) == 3


@pytest.mark.parametrize(
    "content, complaint",
    [
        (b"", "empty"),
        (b"emotion,pixels,Usage\n", "no rows"),
        (b"a,b\n1,2\n", "not FER2013"),
        (b"emotion,pixels,Usage\n3,1 2 3,Training\n", "row 0 is damaged"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_damaged_tables_are_named(tmp_path, content, complaint):
    path = tmp_path / "fer.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=complaint):
        fer2013.read_fer2013(path)
    with pytest.raises(DataError, match="No such file"):
        fer2013.read_fer2013(tmp_path / "none.csv")


def test_a_cut_archive_is_named(tmp_path):
    path = tmp_path / "fer.csv.xz"
    whole = lzma.compress(write_fer(tmp_path / "fer.csv", 30).read_bytes())
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="cannot be read as FER2013"):
        fer2013.read_fer2013(path)


def test_rows_that_stand_in_a_test_split_and_blank_rows_are_not_trained_on(tmp_path):
    table = fer2013.read_fer2013(write_fer(tmp_path / "fer.csv", 30))
    images = table.images.copy()
    images[0] = images[1]  # row 0 is Training, row 1 PublicTest
    images[3] = images[5]  # row 3 is Training, row 5 PrivateTest
    images[6] = 17  # row 6 is Training and blank
    table = fer2013.Fer2013(images, table.labels, table.usage)
    assert len(split_rows(table, keep_duplicates=False, seed=0)[0]) == 7
    assert len(split_rows(table, keep_duplicates=True, seed=0)[0]) == 9
    assert len(split_rows(table, keep_duplicates=False, seed=0)[1]) == 10


def test_a_table_without_splits_gets_a_stratified_one(tmp_path):
    pytest.importorskip("sklearn")
    table = fer2013.read_fer2013(write_fer(tmp_path / "fer.csv", 140, usage=False))
    training, validation = split_rows(table, keep_duplicates=False, seed=0)
    assert len(training) == 126 and np.bincount(validation.labels, minlength=7).tolist() == [2] * 7


def train(network, data, folder, epochs):
    return main(
        ["train", network, "--data", str(data), "--output", str(folder), "--epochs", str(epochs), "--threads", "2"]
    )


def test_training_emotion_learns_resumes_and_exports(tmp_path, capsys):
    # Two kinds of pictures that anything can tell apart: bright above or bright below.
    path, noise = tmp_path / "fer.csv", np.random.default_rng(0)
    with open(str(path), "w") as file:
        file.write("emotion,pixels,Usage\n")
        for index in range(420):
            picture = noise.integers(0, 60, (48, 48))
            picture[slice(0, 24) if index % 2 else slice(24, 48)] += 150
            usage = "PublicTest" if index % 5 == 0 else "Training"
            file.write("%d,%s,%s\n" % (3 if index % 2 else 4, " ".join(map(str, picture.ravel())), usage))
    folder = tmp_path / "out"
    assert train("emotion", path, folder, 8) == 0
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["validation_accuracy"] > 0.95 and summary["rows"] == 336
    assert cv2.imread(str(folder / "second" / "learning_curve.png")) is not None
    first, second = (json.loads((folder / name / "history.json").read_text()) for name in ("first", "second"))
    assert [entry["epoch"] for entry in first + second] == [1, 2, 3, 4, 5, 6, 1, 2]

    # The ONNX file is the averaged network, and the chain can use it.
    network = Cnn42()
    state = torch.load(str(folder / "second" / "checkpoint.pt"), weights_only=True)["averaged"]
    network.load_state_dict({key[7:]: value for key, value in state.items() if key.startswith("module.")})
    crops = noise.integers(0, 256, (3, 1, 42, 42)).astype(np.float32)
    with torch.no_grad():
        expected = torch.softmax(network.eval()(torch.from_numpy(crops)), dim=1).numpy()
    assert np.allclose(EmotionClassifier(Settings(models=str(folder))).probabilities(crops), expected, atol=1e-4)

    # A second call has nothing left to do; other settings do not go on from this checkpoint.
    history = folder / "second" / "history.json"
    before = history.read_text()
    assert train("emotion", path, folder, 8) == 0 and history.read_text() == before
    capsys.readouterr()
    assert train("emotion", path, folder, 16) == 1
    assert "made with other settings" in capsys.readouterr().err


def write_landmarks(path):
    noise = np.random.default_rng(0)
    with zipfile.ZipFile(str(path), "w") as archive:
        table = io.StringIO()
        writer = csv.writer(table)
        writer.writerow(["image", "side"] + ["%s%d" % (axis, index) for index in range(68) for axis in "xy"])
        for index in range(70):
            picture = noise.integers(0, 255, (160, 160, 3), dtype=np.uint8)
            name = "%s_%d_1.jpg" % ("helen" if index < 60 else "ytf", index)
            archive.writestr(name, cv2.imencode(".jpg", picture)[1].tobytes())
            points = turned_face(80, 80, 70, 0) + noise.normal(0, 1, 2)
            writer.writerow([name, 160] + ["%.2f" % value for value in points.ravel()])
        archive.writestr("landmarks.csv", table.getvalue())
    return path


def test_training_landmarks_learns_the_mean_face(tmp_path):
    data, folder = write_landmarks(tmp_path / "crops.zip"), tmp_path / "out"
    assert train("landmarks", data, folder, 8) == 0
    first, second = (json.loads((folder / name / "history.json").read_text()) for name in ("first", "second"))
    assert (len(first), len(second)) == (5, 3)
    assert second[-1]["loss"] < 0.7 * first[0]["loss"]
    assert json.loads((folder / "summary.json").read_text())["validation"] > 0
    network = OnnxNetwork((folder / "landmarks68.onnx").read_bytes(), "landmarks68.onnx", Settings())
    (points,) = network.run(np.zeros((2, 1, 112, 112), np.float32))
    assert points.shape == (2, 136)


def test_validation_photos_are_set_aside_by_photo_and_only_hand_made_ones():
    names = ["helen_%d_%d.jpg" % (photo, face) for photo in range(4000, 4200) for face in (1, 2)]
    chosen = [name for name in names if landmarks68.is_validation(name)]
    assert 0.06 < len(chosen) / len(names) < 0.2
    assert all(landmarks68.is_validation(name.replace("_1.", "_2.")) for name in chosen)
    assert not any(landmarks68.is_validation(name.replace("helen", "ytf")) for name in names)


def test_damaged_landmark_sets_are_named(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        landmarks68.read_landmarks68(tmp_path / "none.zip")
    (tmp_path / "bad.zip").write_bytes(b"no zip")
    with pytest.raises(DataError, match="not a zip file"):
        landmarks68.read_landmarks68(tmp_path / "bad.zip")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="not a set of 68-point crops"):
        landmarks68.read_landmarks68(tmp_path / "empty")
    (tmp_path / "landmarks.csv").write_text("image,side\nmissing.jpg,100,1,2\n")
    with pytest.raises(DataError, match="not a set of 68-point crops"):
        landmarks68.read_landmarks68(tmp_path)
