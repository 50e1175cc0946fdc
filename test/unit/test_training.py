"""The training commands for real, on small data made here."""

import dataclasses
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
from emomask.training import fer2013, ferplus  # noqa: E402
from emomask.training.calibration import fit_temperature  # noqa: E402
from emomask.training.emotion import RECIPES, split_rows  # noqa: E402
from emomask.training.emotion_networks import Cnn42, ResNet42  # noqa: E402
from emomask.training.networks import count_parameters  # noqa: E402


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


def train(subject, data, folder, epochs, *more):
    options = ["--data", str(data), "--output", str(folder), "--epochs", str(epochs), "--threads", "1"]
    return main(["train", subject] + options + list(more))


def write_votes(path, labels):
    """A table of FER+ whose voters saw what the labels say, but for one in ten."""
    columns = {3: ferplus.COLUMNS.index("happiness"), 4: ferplus.COLUMNS.index("sadness")}
    with open(str(path), "w") as file:
        file.write("Usage,Image name,%s\n" % ",".join(ferplus.COLUMNS))
        for label in labels:
            votes = [0] * len(ferplus.COLUMNS)
            votes[columns[label]], votes[0] = 9, 1
            file.write("Training,,%s\n" % ",".join(map(str, votes)))
    return path


@pytest.mark.parametrize("name, kind, epochs", [("cnn42", Cnn42, 8), ("resnet42", ResNet42, 20)])
def test_training_emotion_learns_resumes_and_exports(tmp_path, capsys, name, kind, epochs):
    # Two kinds of pictures that anything can tell apart: bright above or bright below.
    path, noise = tmp_path / "fer.csv", np.random.default_rng(0)
    with open(str(path), "w") as file:
        file.write("emotion,pixels,Usage\n")
        for index in range(420):
            picture = noise.integers(0, 60, (48, 48))
            picture[slice(0, 24) if index % 2 else slice(24, 48)] += 150
            usage = "PublicTest" if index % 5 == 0 else "Training"
            file.write("%d,%s,%s\n" % (3 if index % 2 else 4, " ".join(map(str, picture.ravel())), usage))
    votes = write_votes(tmp_path / "fer2013new.csv", [3 if index % 2 else 4 for index in range(420)])
    folder, options = tmp_path / "out", ("--network", name, "--votes", str(votes), "--bfloat16")
    assert train("emotion", path, folder, epochs, *options) == 0
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["validation_accuracy"] > 0.95 and summary["rows"] == 336
    stages = [stage.name for stage in RECIPES[name].stages]
    last = stages[-1]
    assert cv2.imread(str(folder / last / "learning_curve.png")) is not None
    histories = [json.loads((folder / stage / "history.json").read_text()) for stage in stages]
    assert sum(map(len, histories)) == epochs and all(one[-1]["epoch"] == len(one) for one in histories)

    # The ONNX file is the averaged network with its logits scaled, and the chain can use it.
    network = kind()
    state = torch.load(str(folder / last / "checkpoint.pt"), weights_only=True)["averaged"]
    network.load_state_dict({key[7:]: value for key, value in state.items() if key.startswith("module.")})
    crops = noise.integers(0, 256, (3, 1, 42, 42)).astype(np.float32)
    with torch.no_grad():
        logits = network.eval()(torch.from_numpy(crops))[0] / summary["temperature"]
    expected = torch.softmax(logits, dim=1).numpy()
    classifier = EmotionClassifier(Settings(models=str(folder), emotion_network=name))
    # Less exact than before: the weights are stored in half precision.
    assert np.allclose(classifier.label_probabilities(crops), expected, atol=0.01)
    assert (folder / (name + ".onnx")).stat().st_size < 2.2 * summary["parameters"]

    # A second call has nothing left to do; other settings do not go on from this checkpoint.
    history = folder / last / "history.json"
    before = history.read_text()
    assert train("emotion", path, folder, epochs, *options) == 0 and history.read_text() == before
    capsys.readouterr()
    assert train("emotion", path, folder, 2 * epochs, *options) == 1
    assert "made with other settings" in capsys.readouterr().err

    # Trained on from there, it sees pictures of full size only, and begins where the former training ended.
    further = tmp_path / "further"
    assert train("emotion", path, further, 2, *options, "--start", str(folder)) == 0
    small = [stage.name for stage in RECIPES[name].stages if stage.side < 42]
    assert not any((further / stage).exists() for stage in small) and (further / last / "history.json").is_file()
    assert json.loads((further / "summary.json").read_text())["validation_accuracy"] > 0.9
    assert train("emotion", path, tmp_path / "none", 2, *options, "--start", str(tmp_path)) == 1
    assert "no weights to start from" in capsys.readouterr().err


def test_the_temperature_makes_confidences_true():
    noise = np.random.default_rng(0)
    labels = noise.integers(0, 7, 4000)
    logits = noise.normal(0, 1, (4000, 7))
    logits[np.arange(4000), labels] += 1.5
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([noise.choice(7, p=row) for row in chances])
    assert fit_temperature(2.5 * logits[None], truth) == pytest.approx(2.5, rel=0.08)


def test_votes_are_shares_and_tell_the_probable_label(tmp_path):
    table = fer2013.read_fer2013(write_fer(tmp_path / "fer.csv", 60))
    table = dataclasses.replace(table, labels=np.array([3, 4, 4] * 20))
    told = ferplus.with_votes(table, write_votes(tmp_path / "votes.csv", table.labels))
    assert told.votes.shape == (60, 10) and np.allclose(told.votes.sum(axis=1), 1)
    assert told.votes.max() == np.float32(0.9)
    assert np.array_equal(told.select(np.arange(5, 9)).votes, told.votes[5:9])
    probabilities = ferplus.label_probabilities(told)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5) and not probabilities[:, :3].any()
    assert (probabilities.argmax(axis=1) == table.labels).all()


@pytest.mark.parametrize(
    "content, complaint",
    [
        (b"a,b\n1,2\n", "not FER.: it has no column neutral"),
        (b"", "not FER.: it has no column neutral"),
        (",".join(ferplus.COLUMNS).encode() + b"\n" + b"1," * 9 + b"1\n", "1 rows, not one for each of the 9"),
        (",".join(ferplus.COLUMNS).encode() + b"\n" + b"1," * 9 + b"x\n", "cannot be read as FER"),
        (",".join(ferplus.COLUMNS).encode() + b"\n1,2\n", "cannot be read as FER"),
    ],
)
def test_damaged_votes_are_named(tmp_path, content, complaint):
    table = fer2013.read_fer2013(write_fer(tmp_path / "fer.csv", 9))
    (tmp_path / "votes.csv").write_bytes(content)
    with pytest.raises(DataError, match=complaint):
        ferplus.with_votes(table, tmp_path / "votes.csv")
    with pytest.raises(DataError, match="No such file"):
        ferplus.with_votes(table, tmp_path / "none.csv")


def test_the_residual_network_takes_smaller_pictures_too():
    network = ResNet42().eval()
    for side in (42, 30):
        assert [tuple(output.shape) for output in network(torch.zeros(2, 1, side, side))] == [(2, 7), (2, 7)]
    assert count_parameters(network) < 1.6e6
