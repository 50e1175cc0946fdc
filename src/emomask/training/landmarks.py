"""Trains the 68-point network."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from emomask.errors import DataError
from emomask.landmark_index import MIRRORED, OUTER_EYE_CORNERS
from emomask.perception.geometry import LANDMARK_CROP_SCALE
from emomask.training import augment
from emomask.training.augment import Variation
from emomask.training.landmarks68 import HAND_MADE, SIDE, LandmarkCrops, is_validation, read_landmarks68
from emomask.training.loop import Stage, batch_starts, seed_everything, train_in_stages
from emomask.training.networks import LandmarkNet, export_onnx

BATCH = 64
WEIGHT_DECAY = 0.01
VIEW = LandmarkNet.input_size


def wing_loss(difference, width=10.0, curvature=2.0):
    """Wing loss (Feng et al., CVPR 2018) of differences in pixels, averaged."""
    size = difference.abs()
    constant = width - width * math.log(1 + width / curvature)
    return torch.where(size < width, width * torch.log(1 + size / curvature), size - constant).mean()


def _centred(crops: LandmarkCrops):
    """Centre and side of the boxes around the points, as the live chain makes its crops from landmarks."""
    low, high = crops.points.min(axis=1), crops.points.max(axis=1)
    return (low + high) / 2, (high - low).max(axis=1) * LANDMARK_CROP_SCALE


def _maps_around(crops: LandmarkCrops, jitter):
    """Compose ``jitter`` (maps in -1..1 of the ideal crop) with the ideal crop of each picture."""
    centre, side = _centred(crops)
    scale = torch.from_numpy(side / SIDE).float()[:, None, None]
    offset = torch.from_numpy((centre + 0.5) / SIDE * 2 - 1).float()
    maps = jitter * scale
    maps[:, :, 2] += offset
    return maps


def _targets(crops: LandmarkCrops, maps, mirrored):
    """Points as fractions 0..1 of the crops that ``maps`` cut; mirrored crops get their points renumbered."""
    points = torch.from_numpy((crops.points + 0.5) / SIDE * 2 - 1).float()
    inverse = torch.linalg.inv(maps[:, :, :2])
    moved = torch.einsum("nij,nkj->nki", inverse, points - maps[:, None, :, 2]) / 2 + 0.5
    renumbered = moved[:, list(MIRRORED)]
    return torch.where(mirrored[:, None, None], renumbered, moved).flatten(1)


@dataclass(frozen=True)
class LandmarkStage(Stage):
    """A stage with the share of the machine-made crops that an epoch shows; it shows the hand-made ones twice."""

    machine_made: float


# First everything that a camera may show; then what the chain really gives the network: crops turned upright by the
# eyes and centred by a first pass.
STAGES = (
    LandmarkStage(
        "first",
        5 / 8,
        0.002,
        Variation(45, (0.82, 1.22), 0.07, (0.4, 0.15), (0.25, 0.15), (0.3, 0.45)),
        machine_made=0.5,
    ),
    LandmarkStage(
        "second",
        3 / 8,
        0.001,
        Variation(18, (0.9, 1.12), 0.04, (0.3, 0.1), (0.2, 0.2), (0.15, 0.35)),
        machine_made=0.25,
    ),
)


def _batches(stage: LandmarkStage, hand_made: LandmarkCrops, machine_made: LandmarkCrops):
    """The batches of an epoch (a function of its number), and how many there are."""

    def cut(crops):
        jitter, mirrored = stage.variation.maps(len(crops))
        maps = _maps_around(crops, jitter)
        images = augment.sample(torch.from_numpy(crops.images)[:, None].float(), maps, VIEW)
        return stage.variation.spoilt(images), _targets(crops, maps, mirrored)

    some = int(len(machine_made) * stage.machine_made)
    count = 2 * len(hand_made) + some
    starts = batch_starts(count, BATCH)

    def epoch_batches(_epoch):
        parts = [torch.randperm(len(hand_made)).numpy() for _ in range(2)]
        parts.append(-1 - torch.randperm(len(machine_made)).numpy()[:some])  # below zero: machine-made
        rows = np.concatenate(parts)[torch.randperm(count).numpy()]
        for start in starts:
            chosen = rows[start : start + BATCH]
            kinds = ((hand_made, chosen[chosen >= 0]), (machine_made, -1 - chosen[chosen < 0]))
            parts = [cut(crops.select(some_rows)) for crops, some_rows in kinds if len(some_rows)]
            yield tuple(torch.cat(tensors) for tensors in zip(*parts))

    return epoch_batches, len(starts)


@torch.no_grad()
def _mean_error(network, crops: LandmarkCrops) -> float:
    """Mean distance to the points over the distance of the outer eye corners, on ideal crops."""
    identity = torch.eye(2, 3).repeat(len(crops), 1, 1)
    maps = _maps_around(crops, identity)
    images = augment.sample(torch.from_numpy(crops.images)[:, None].float(), maps, VIEW)
    targets = _targets(crops, maps, torch.zeros(len(crops), dtype=torch.bool)).reshape(-1, 68, 2)
    found = torch.cat([network(images[start : start + 128]) for start in range(0, len(images), 128)])
    distance = (found.reshape(-1, 68, 2) - targets).norm(dim=2).mean(dim=1)
    left, right = OUTER_EYE_CORNERS
    return float((distance / (targets[:, left] - targets[:, right]).norm(dim=1)).mean())


def train_landmarks(data, folder, epochs=80, seed=0) -> Path:
    """Train ``LandmarkNet`` on 68-point crops and return the path of ``folder/landmarks68.onnx``.

    Two stages (``STAGES``); hand-made crops are seen twice an epoch, a part of the others once; the hand-made photos
    that ``is_validation`` sets aside never. Each stage keeps ``checkpoint.pt`` (a second call goes on from it),
    ``history.json`` and ``learning_curve.png`` in a folder of its own; ``folder/summary.json`` tells the end. Method:
    wing loss, random rotation, scale, light, blur and occlusion, AdamW with a one-cycle schedule, averaged weights.

    Raises DataError when the data cannot be read or the folder holds checkpoints of another training.
    """
    seed_everything(seed)
    crops = read_landmarks68(data)
    by_hand = np.array([name.startswith(HAND_MADE) for name in crops.names])
    held_out = np.array([is_validation(name) for name in crops.names])
    hand_made, machine_made = crops.select(by_hand & ~held_out), crops.select(~by_hand)
    validation = crops.select(held_out)
    if not len(hand_made) or not len(validation):
        raise DataError("%s has no hand-made crops (helen_*, afw_*) to train and to validate on." % data)
    network = train_in_stages(
        LandmarkNet().to(memory_format=torch.channels_last),  # faster than NCHW on a CPU
        folder,
        epochs,
        STAGES,
        lambda stage, _network: _batches(stage, hand_made, machine_made),
        lambda model, images, targets: wing_loss((model(images) - targets) * VIEW),
        lambda model: {"validation_nme_interocular": _mean_error(model, validation)},
        settings={
            "network": "landmarks68",
            "seed": seed,
            "hand_made": len(hand_made),
            "machine_made": len(machine_made),
            "validation": len(validation),
        },
        weight_decay=WEIGHT_DECAY,
        average_decay=0.998,
    )
    path = Path(folder) / "landmarks68.onnx"
    export_onnx(network, path, ["landmarks"])
    return path
