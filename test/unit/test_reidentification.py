"""The attacker: alignment, networks from files, and whether it knows people again."""

import csv
import json
import zipfile

import cv2
import numpy as np
import pytest

from emomask.cli import main
from emomask.errors import DataError, ModelError, SettingsError
from emomask.evaluation.labelled_pictures import Portrait
from emomask.evaluation.privacy import evaluate_privacy
from emomask.evaluation.recogniser import MOUTH_CORNERS, NOSE_TIP, TEMPLATE, Recogniser
from emomask.evaluation.reidentification import ATTACKERS, Identities, _replaced_around
from emomask.landmark_index import LEFT_EYE, RIGHT_EYE
from emomask.masker import Masker
from emomask.perception.geometry import rotation
from emomask.settings import Settings

torch = pytest.importorskip("torch")

from emomask.training.mobilefacenet import MobileFaceNet  # noqa: E402


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """MobileFaceNet as it is before any training, in a file."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "net.ckpt"
    torch.save({"epoch": 0, "net_state_dict": MobileFaceNet().state_dict()}, str(path))
    return path


@pytest.fixture(scope="module")
def recogniser(weights):
    return Recogniser(weights, Settings())


@pytest.mark.parametrize("degrees, scale, shift", [(0, 1.0, (0, 0)), (30, 2.5, (40, 10)), (-100, 0.4, (-7, 90))])
def test_a_face_is_turned_scaled_and_moved_onto_the_template(recogniser, degrees, scale, shift):
    target = TEMPLATE - (8, 0)
    given = (target @ rotation(np.radians(degrees)).T) * scale + shift
    landmarks = np.zeros((68, 2), np.float32)
    landmarks[LEFT_EYE], landmarks[RIGHT_EYE], landmarks[NOSE_TIP] = given[:3]
    landmarks[list(MOUTH_CORNERS)] = given[3:]
    matrix = recogniser.alignment(landmarks)
    assert np.allclose(given @ matrix[:, :2].T + matrix[:, 2], target, atol=1e-3)


def test_descriptions_have_length_one_and_do_not_depend_on_the_batch(recogniser):
    crops = np.random.default_rng(0).integers(0, 256, (70, 112, 96, 3), dtype=np.uint8)
    found = recogniser.descriptions(list(crops))
    assert found.shape == (70, 128) and np.allclose(np.linalg.norm(found, axis=1), 1)
    assert np.allclose(recogniser.descriptions([crops[69]])[0], found[69], atol=1e-4)


def test_an_onnx_file_serves_as_well(tmp_path, weights, recogniser):
    network = MobileFaceNet().eval()
    network.load_state_dict(torch.load(str(weights), weights_only=True)["net_state_dict"])
    path = tmp_path / "net.onnx"
    torch.onnx.export(
        network,
        (torch.zeros(1, 3, 112, 96),),
        str(path),
        dynamic_axes={"image": {0: "batch"}},
        input_names=["image"],
        dynamo=False,
    )
    crop = np.random.default_rng(1).integers(0, 256, (112, 96, 3), dtype=np.uint8)
    same = Recogniser(path, Settings())
    assert same.width == 96 and np.allclose(same.descriptions([crop]), recogniser.descriptions([crop]), atol=1e-3)


def test_a_file_that_is_no_recogniser_is_refused(tmp_path):
    with pytest.raises(ModelError, match="missing"):
        Recogniser(tmp_path / "none.ckpt", Settings())
    (tmp_path / "broken.ckpt").write_bytes(b"not a checkpoint")
    with pytest.raises(ModelError, match="holds no MobileFaceNet"):
        Recogniser(tmp_path / "broken.ckpt", Settings())
    torch.save({"other": torch.zeros(3)}, str(tmp_path / "other.ckpt"))
    with pytest.raises(ModelError, match="holds no MobileFaceNet"):
        Recogniser(tmp_path / "other.ckpt", Settings())
    torch.onnx.export(
        torch.nn.Flatten(), (torch.zeros(1, 1, 42, 42),), str(tmp_path / "small.onnx"), dynamo=False
    )
    with pytest.raises(ModelError, match="112"):
        Recogniser(tmp_path / "small.onnx", Settings())


def test_the_box_around_what_was_replaced():
    replaced = np.zeros((50, 60), bool)
    replaced[10:30, 20:40] = True
    replaced[15, 25] = False  # a pixel that kept its value
    replaced[40:45, 50:55] = True
    assert _replaced_around(np.array([25.0, 15.0]), replaced) == (slice(10, 30), slice(20, 40))
    assert _replaced_around(np.array([5.0, 5.0]), replaced) is None


def test_one_person_is_too_few(recogniser, astronaut):
    with pytest.raises(DataError, match="two people"):
        Identities([Portrait(astronaut, "a", "happy")] * 2, recogniser, Settings())


def test_people_with_emotions_of_their_own_are_told_by_these(recogniser, astronaut):
    habits = [Portrait(astronaut, "a", "happy"), Portrait(astronaut, "b", "sad")] * 3
    known = Identities(habits, recogniser, Settings())
    assert known.emotion_alone(known.emotions) == (1.0, 1.0)
    assert known.emotion_alone([None, "sad"] * 3) == (1.0, 1.0)
    # All are shown as happy, as the astronaut is: that tells nobody from anybody.
    shown = known.shown(Masker(Settings()))
    assert shown == ["happy"] * 6 and known.agreement(shown) == 0.5
    assert known.emotion_alone(shown) == (0.5, 0.5)


def test_pictures_are_exchanged_among_those_that_show_the_same_emotion(recogniser, astronaut):
    other, noise = np.ascontiguousarray(astronaut[:, ::-1] // 2), np.random.default_rng(0)
    people = [(astronaut, "a"), (other, "b")] * 3
    spoilt = [(np.clip(picture + noise.normal(0, 6, picture.shape), 0, 255), name) for picture, name in people]
    known = Identities([Portrait(one.astype(np.uint8), name, "happy") for one, name in spoilt], recogniser, Settings())
    originals = known.crops()
    evidence = known.evidence(originals, originals)
    assert known.attack(evidence)["trained_on_pixels"] == (1.0, 1.0)
    # If each has an emotion of their own all exchanges leave each their own pictures; if both show the same, few do.
    assert known.shuffled(evidence, ["happy", "sad"] * 3, 3).tolist() == [[1.0, 1.0]] * 3
    assert known.shuffled(evidence, ["happy"] * 6, 20)[:, 0].mean() < 0.9


@pytest.fixture(scope="module")
def two_people(tmp_path_factory, astronaut):
    """Six pictures of the astronaut, three of them mirrored, dark and under another name, with a table."""
    folder = tmp_path_factory.mktemp("people")
    astronaut = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
    other = np.ascontiguousarray(astronaut[:, ::-1] // 2)
    rows, noise = [], np.random.default_rng(0)
    for index in range(3):
        for person, picture in (("a", astronaut), ("b", other)):
            name = "%s%d.png" % (person, index)
            # No two photos are alike: without noise there would be nothing to learn what varies from.
            spoilt = np.roll(picture, 2 * index, 1) + noise.normal(0, 6, picture.shape)
            cv2.imwrite(str(folder / name), np.clip(spoilt, 0, 255).astype(np.uint8))
            rows.append((name, person, "happiness"))
    with open(str(folder / "identities.csv"), "w") as file:
        csv.writer(file).writerows([("image", "person", "emotion"), *rows])
    with zipfile.ZipFile(str(folder / "people.zip"), "w") as packed:
        for path in folder.glob("*.*g"):
            packed.write(str(path), path.name)
        packed.write(str(folder / "identities.csv"), "identities.csv")
    return folder


def test_the_command_reports_leaks_and_recognition(tmp_path, capsys, two_people, weights, astronaut_face):
    left, top, right, bottom = (value // 2 for value in astronaut_face)
    (two_people / "faces.csv").write_text(
        "image,left,top,right,bottom\n%s\n" % ",".join(map(str, ("a0.png", left, top, right, bottom)))
    )
    arguments = ["--data", str(two_people), "--labels", str(two_people / "faces.csv"), "--motions", "shake"]
    arguments += ["--identities", str(two_people / "people.zip"), "--recogniser", str(weights)]
    report = tmp_path / "report"
    assert main(["evaluate", "privacy", *arguments, "--output", str(report), "--json", str(tmp_path / "out.json")]) == 0
    text = capsys.readouterr().out
    assert "| live |" in text and "Re-identification of 2 people in 6 pictures" in text
    figures = json.loads((tmp_path / "out.json").read_text())
    assert (tmp_path / "out.json").read_text() == (report / "privacy.json").read_text()
    assert figures["face_frames"] == 45 and figures["leak_rate"] == figures["leak_rate_24px"] < 0.05
    assert figures["reid_chance"] == 0.5 and figures["emotion_agreement"] == 1
    # All are happy: that tells nobody from anybody.
    assert figures["reid_emotion_alone_rank1"] == figures["reid_emoji_alone_rank1"] == 0.5
    assert "The labelled emotion alone tells 50.00 % (0.50) of them, the emotion shown 50.00 % (0.50)." in text
    assert 0 < figures["reid_shuffled_p"] <= 1 and 0 <= figures["reid_shuffled_rank1"] <= 1
    assert "when pictures that show the same emotion are exchanged (20 times)" in text
    # Whoever looks at the originals knows them apart by their light; nothing of it is left under a grey mask.
    assert figures["reid_original_trained_on_pixels_rank1"] == 1
    for attacker in ATTACKERS:
        assert 0 <= figures["reid_solid_%s_rank1" % attacker] <= 1
    for name in ("leaks.png", "recognition.png"):
        assert cv2.imread(str(report / name)) is not None and name in (report / "privacy.md").read_text()


def test_half_a_question_is_refused(two_people, weights, capsys):
    with pytest.raises(SettingsError, match="both"):
        evaluate_privacy(two_people, identities=two_people)
    with pytest.raises(SettingsError, match="Unknown motion"):
        evaluate_privacy(two_people, motions=["dance"])
    for extra in (["--motions", "dance"], ["--against", "nobody"], ["--recogniser", str(weights)]):
        labels = two_people / "table.csv"
        labels.write_text("image,left,top,right,bottom\na0.png,1,1,20,20\n")
        assert main(["evaluate", "privacy", "--data", str(two_people), "--labels", str(labels), *extra]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_masked_people_of_the_news_are_not_known_again(data):
    from emomask.evaluation.labelled_pictures import portraits
    from emomask.evaluation.reidentification import maskers

    settings = Settings()
    attacker = Recogniser(data("weights/mobilefacenet-arcface.ckpt"), settings)
    chosen = [portrait for index, portrait in zip(range(24), portraits(data("identities/identities.zip")))]
    known = Identities(chosen, attacker, settings)
    originals = known.crops()
    before = known.attack(known.evidence(originals, originals))
    after = known.attack(known.evidence(originals, known.crops(maskers(settings, deface=False)["emoji"])))
    assert before["known_pictures"][0] > 0.9
    assert after["known_pictures"][0] < 0.5 and after["known_pictures"][1] < 0.65  # four people; chance: 0.25 and 0.5
