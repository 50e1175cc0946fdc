"""The landmark network, its losses and the variation of its crops; its training for real, on small data made here."""

import csv
import io
import json
import math
import zipfile

import cv2
import numpy as np
import pytest
from test_geometry import turned_face

torch = pytest.importorskip("torch")

from emomask import Settings  # noqa: E402
from emomask.cli import main  # noqa: E402
from emomask.errors import DataError  # noqa: E402
from emomask.landmark_index import MIRRORED  # noqa: E402
from emomask.perception.geometry import SquareCrop, crop_around  # noqa: E402
from emomask.perception.onnx_network import OnnxNetwork  # noqa: E402
from emomask.training import landmarks68  # noqa: E402
from emomask.training.disturbances import COVERS, cover_shape, motion_kernel  # noqa: E402
from emomask.training.landmark_network import LandmarkNet, cell_middles, centres_of  # noqa: E402
from emomask.training.landmark_variation import FaceVariation, projected, sample_projective  # noqa: E402
from emomask.training.landmarks import STAGES, heat_loss, ideal_maps, targets_in, wing_loss  # noqa: E402

STILL = FaceVariation((0, 0), (1, 1), 0, 0, (0, 0), 0, (0, 0.1), (0, 1), (0, 0.1), 0)


@pytest.mark.parametrize("side", [64, 96, 112])
def test_the_landmark_network_gives_68_points_in_two_ways(side):
    network = LandmarkNet().eval()
    images = torch.rand(2, 1, side, side) * 255
    logits, centres, regressed = network.heads(images)
    assert logits.shape == (2, 68, (side // 4) ** 2) and centres.shape == regressed.shape == (2, 136)
    assert torch.allclose(network(images), 0.75 * centres + 0.25 * regressed, atol=1e-5)


def test_the_centre_of_a_heat_map_is_where_it_is_warm():
    heat = torch.full((1, 68, 24, 24), -50.0)
    heat[:, :, 6, 17:19] = 50.0  # row 6, columns 17 and 18
    centres = centres_of(heat.flatten(2), 24).view(68, 2)
    assert torch.allclose(centres, torch.tensor([18 / 24, 6.5 / 24]).expand(68, 2), atol=1e-5)


def test_wing_loss_is_continuous_and_even():
    values = wing_loss(torch.tensor([10.0 - 1e-4])), wing_loss(torch.tensor([10.0 + 1e-4]))
    assert values[0].item() == pytest.approx(values[1].item(), abs=1e-3)
    assert wing_loss(torch.tensor([-3.0])) == wing_loss(torch.tensor([3.0])) and wing_loss(torch.zeros(3)) == 0


def test_heat_loss_is_least_where_the_point_is():
    cells, target = cell_middles(24), torch.full((1, 136), 0.4)

    def loss(x, y):
        heat = -((cells - torch.tensor([x, y])) ** 2).sum(dim=1) / (2 * (1 / 24) ** 2)
        return heat_loss(heat.expand(1, 68, -1), target, cells, 1 / 24).item()

    best = loss(0.4, 0.4)
    assert best < min(loss(0.42, 0.4), loss(0.38, 0.4), loss(0.4, 0.43), loss(0.4, 0.37))
    assert best == pytest.approx(math.log(2 * math.pi * math.e), abs=0.01)  # the entropy of the wanted distribution


def test_points_outside_of_the_crop_do_not_count_for_the_heat_maps():
    target = torch.full((1, 136), 0.5)
    target[0, 0] = 1.3
    logits = torch.zeros(1, 68, 576, requires_grad=True)
    heat_loss(logits, target, cell_middles(24), 1 / 24).backward()
    assert logits.grad[0, 0].abs().sum() == 0 < logits.grad[0, 1].abs().sum()


def crops_of(points):
    """A set of crops with a bright spot at landmark 8 (the chin) and nothing else."""
    images = np.zeros((len(points), landmarks68.SIDE, landmarks68.SIDE), np.uint8)
    for image, chin in zip(images, points[:, 8]):
        cv2.circle(image, tuple(int(round(v * 16)) for v in chin), 5 * 16, 255, -1, cv2.LINE_AA, 4)
    return landmarks68.LandmarkCrops(np.array(["helen_1"] * len(points)), images, points)


def test_points_stay_on_what_they_mark_however_crops_are_varied():
    torch.manual_seed(1)
    crops = crops_of(np.stack([turned_face(96 + index % 3, 90, 80, index) for index in range(32)]))
    strong = STAGES[0].variation
    variation, mirrored = strong.maps(32)
    maps = ideal_maps(crops) @ variation
    points = targets_in(crops, maps, mirrored)
    pictures = sample_projective(torch.from_numpy(crops.images)[:, None].float(), maps, 96)
    assert 0 < mirrored.sum() < 32
    seen = 0
    for picture, found in zip(pictures[:, 0].numpy(), points.numpy() * 96 - 0.5):
        bright = np.argwhere(picture > 128)[:, ::-1]
        if 6 < found[8].min() and found[8].max() < 89:
            assert np.linalg.norm(bright.mean(axis=0) - found[8]) < 1.0
            seen += 1
    assert seen > 10


def test_the_ideal_crop_is_the_one_that_the_chain_makes():
    points = turned_face(96, 90, 80, 0)
    crops = crops_of(points[None])
    fractions = targets_in(crops, ideal_maps(crops), torch.tensor([False]))[0].numpy()
    assert np.allclose(crop_around(points).to_frame(fractions), points, atol=1e-3)
    picture = sample_projective(torch.from_numpy(crops.images)[:, None].float(), ideal_maps(crops), 96)
    chain = crop_around(points)
    chain = SquareCrop(chain.center_x, chain.center_y, chain.side, 0.0).cut(crops.images[0], 96)
    assert np.abs(picture[0, 0].numpy() - chain).mean() < 2


def test_mirrored_faces_keep_their_left_on_the_left():
    crops = crops_of(turned_face(96, 90, 80, 0)[None])
    mirror = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))[None]
    plain = targets_in(crops, ideal_maps(crops), torch.tensor([False]))[0]
    flipped = targets_in(crops, ideal_maps(crops) @ mirror, torch.tensor([True]))[0]
    assert flipped[36, 0] < flipped[45, 0] and flipped[0, 0] < flipped[16, 0]
    assert torch.allclose(flipped[:, 0], 1 - plain[list(MIRRORED), 0], atol=1e-5)


def test_projective_maps_by_hand():
    slant = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.0, 1.0]]])
    moved = projected(slant, torch.tensor([[[1.0, 1.0], [0.0, 0.5]]]))
    assert torch.allclose(moved, torch.tensor([[[1 / 1.5, 1 / 1.5], [0.0, 0.5]]]))


def test_no_variation_changes_nothing():
    images = torch.rand(4, 1, 64, 64) * 255
    same = STILL.spoilt(images.clone(), torch.full((4, 68, 2), 0.5))
    assert torch.allclose(same, images, atol=0.1)
    maps, _ = STILL.maps(8)
    assert torch.allclose(maps.abs(), torch.eye(3).expand(8, 3, 3), atol=1e-6)


def test_spoilt_pictures_stay_pictures():
    torch.manual_seed(0)
    images = torch.rand(64, 1, 64, 64) * 255
    points = torch.from_numpy(np.stack([turned_face(0.5, 0.5, 0.6, 0)] * 64))
    spoilt = STAGES[0].variation.spoilt(images.clone(), points)
    assert spoilt.shape == images.shape and spoilt.min() >= 0 and spoilt.max() <= 255
    assert (spoilt - images).abs().mean() > 5


def test_motion_averages_along_a_line():
    kernel = motion_kernel(8, 0)
    assert kernel.sum() == pytest.approx(1) and (kernel.sum(axis=1) > 0).sum() == 1
    assert (kernel.sum(axis=0) > 0).sum() == pytest.approx(9, abs=1)
    upright = motion_kernel(8, math.pi / 2)
    assert np.allclose(upright, kernel.T)
    assert np.allclose(motion_kernel(0, 1), 1)


@pytest.mark.parametrize("kind, hidden, seen", [("mask", 57, 27), ("glasses", 37, 57), ("half", 16, 0)])
def test_covers_hide_what_they_are_meant_to(kind, hidden, seen):
    points = turned_face(100, 90, 90, 0)
    picture = np.zeros((200, 200), np.uint8)
    for polygon in cover_shape(kind, points, 0.0):
        cv2.fillPoly(picture, [np.round(polygon).astype(np.int32)], 255)
    at = np.round(points).astype(int)
    assert kind in COVERS
    assert picture[at[hidden][1], at[hidden][0]] == 255 and picture[at[seen][1], at[seen][0]] == 0


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


def train(data, folder, epochs):
    arguments = ["train", "landmarks", "--data", str(data), "--output", str(folder), "--threads", "1"]
    return main(arguments + ["--epochs", str(epochs)])


def test_training_landmarks_learns_the_mean_face_and_resumes(tmp_path, capsys):
    data, folder = write_landmarks(tmp_path / "crops.zip"), tmp_path / "out"
    assert train(data, folder, 8) == 0
    histories = [json.loads((folder / stage.name / "history.json").read_text()) for stage in STAGES]
    assert list(map(len, histories)) == [3, 3, 1, 1]
    assert histories[-1][-1]["loss"] < 0.7 * histories[0][0]["loss"]
    assert json.loads((folder / "summary.json").read_text())["validation"] > 0
    network = OnnxNetwork((folder / "landmarks68.onnx").read_bytes(), "landmarks68.onnx", Settings())
    (points,) = network.run(np.zeros((2, 1, 112, 112), np.float32))
    assert points.shape == (2, 136)
    assert cv2.imread(str(folder / STAGES[-1].name / "learning_curve.png")) is not None

    # A second call has nothing left to do; other settings do not go on from this checkpoint.
    history = (folder / STAGES[-1].name / "history.json").read_text()
    assert train(data, folder, 8) == 0 and (folder / STAGES[-1].name / "history.json").read_text() == history
    capsys.readouterr()
    assert train(data, folder, 16) == 1
    assert "made with other settings" in capsys.readouterr().err


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
