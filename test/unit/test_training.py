"""The training commands for real, on small data made here."""

import json
import lzma

import cv2
import numpy as np
import pytest
from test_evaluation import write_fer

torch = pytest.importorskip("torch")

from emomask import Settings  # noqa: E402
from emomask.cli import main  # noqa: E402
from emomask.errors import DataError  # noqa: E402
from emomask.perception.emotion import EmotionClassifier  # noqa: E402
from emomask.training import fer2013  # noqa: E402
from emomask.training.emotion import split_rows  # noqa: E402
from emomask.training.networks import Cnn42, count_parameters  # noqa: E402


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
