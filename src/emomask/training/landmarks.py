"""Trains the 68-point network."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from emomask.errors import DataError
from emomask.landmark_index import MIRRORED, OUTER_EYE_CORNERS
from emomask.perception.geometry import LANDMARK_CROP_SCALE
from emomask.training.landmark_network import LandmarkNet, blended, cell_middles
from emomask.training.landmark_variation import FaceVariation, projected, sample_projective
from emomask.training.landmarks68 import HAND_MADE, SIDE, LandmarkCrops, is_validation, read_landmarks68
from emomask.training.loop import Stage, batch_starts, seed_everything, train_in_stages
from emomask.training.networks import export_onnx

WEIGHT_DECAY = 0.01
HEAT_SPREAD = 1.0  # of the wanted heat maps, in cells
VIEW = LandmarkNet.input_size


def wing_loss(difference, width=10.0, curvature=2.0):
    """Wing loss (Feng et al., CVPR 2018) of differences in pixels, averaged."""
    size = difference.abs()
    constant = width - width * math.log(1 + width / curvature)
    return torch.where(size < width, width * torch.log(1 + size / curvature), size - constant).mean()


def heat_loss(logits, targets, cells, spread):
    """Cross-entropy of heat maps ``(N, 68, K)`` with normal distributions of deviation ``spread`` around ``targets``.

    ``targets``: ``(N, 136)``, fractions of the crop, as the middles ``cells`` ``(K, 2)``. Points outside the crop,
    which no heat map can show, do not count.
    """
    targets = targets.view(len(targets), -1, 1, 2)
    wanted = torch.softmax(-((cells - targets) ** 2).sum(dim=3) / (2 * spread**2), dim=2)
    inside = ((targets > 0) & (targets < 1)).all(dim=3).squeeze(2)
    entropy = -(wanted * torch.log_softmax(logits, dim=2)).sum(dim=2)
    return (entropy * inside).sum() / inside.sum().clamp(min=1)


def _loss(network, images, targets):
    """Wing loss of both heads in pixels of a 112x112 crop, and the cross-entropy of the heat maps."""
    logits, centres, regressed = network.heads(images)
    side = images.shape[-1] // 4
    return (
        wing_loss((centres - targets) * VIEW)
        + wing_loss((regressed - targets) * VIEW)
        + heat_loss(logits, targets, cell_middles(side), HEAT_SPREAD / side)
    )


def ideal_maps(crops: LandmarkCrops):
    """``(N, 3, 3)`` maps from the crop around the points, as the live chain makes it, to the picture, both in -1..1."""
    low, high = crops.points.min(axis=1), crops.points.max(axis=1)
    maps = torch.eye(3).repeat(len(crops), 1, 1)
    scale = torch.from_numpy((high - low).max(axis=1) * LANDMARK_CROP_SCALE / SIDE).float()
    maps[:, 0, 0] = maps[:, 1, 1] = scale
    maps[:, :2, 2] = torch.from_numpy(((low + high) / 2 + 0.5) / SIDE * 2 - 1).float()
    return maps


def targets_in(crops: LandmarkCrops, maps, mirrored):
    """Points as fractions 0..1 of the crops that ``maps`` cut; mirrored crops get their points renumbered."""
    points = torch.from_numpy((crops.points + 0.5) / SIDE * 2 - 1).float()
    moved = projected(torch.linalg.inv(maps), points) / 2 + 0.5
    renumbered = moved[:, list(MIRRORED)]
    return torch.where(mirrored[:, None, None], renumbered, moved)


@dataclass(frozen=True)
class LandmarkStage(Stage):
    """A stage with the side of its crops in pixels, the size of its batches, and the share of the machine-made crops
    that an epoch shows; it shows the hand-made ones twice."""

    side: int
    batch: int
    machine_made: float


LESS_VARIED = FaceVariation(
    rotation=(10, 45),
    scale=(0.9, 1.12),
    shift=0.04,
    turn=0.12,
    light=(0.3, 0.1),
    noise=8,
    blur=(0.08, 0.1),
    detail=(0.12, 0.25),
    erase=(0.15, 0.4),
    cover=0.06,
)

# First everything that a camera may show, on small crops, which take less than half of the time; then, with hand-made
# points alone, what the chain mostly gives the network: crops turned upright by the eyes and centred by a first pass.
# Only the last stage sees crops as large as the chain's, which take twice the time of the second's.
STAGES = (
    LandmarkStage(
        "first",
        1 / 3,
        0.003,
        FaceVariation(
            rotation=(25, 60),
            scale=(0.82, 1.22),
            shift=0.07,
            turn=0.25,
            light=(0.4, 0.15),
            noise=15,
            blur=(0.12, 0.12),
            detail=(0.2, 0.2),
            erase=(0.25, 0.5),
            cover=0.12,
        ),
        side=64,
        batch=32,
        machine_made=0.35,
    ),
    LandmarkStage(
        "second",
        5 / 12,
        0.002,
        LESS_VARIED,
        side=96,
        batch=16,
        machine_made=0.0,
    ),
    LandmarkStage(
        "third",
        1 / 9,
        0.001,
        FaceVariation(
            rotation=(8, 30),
            scale=(0.93, 1.08),
            shift=0.03,
            turn=0.1,
            light=(0.2, 0.06),
            noise=5,
            blur=(0.05, 0.1),
            detail=(0.08, 0.25),
            erase=(0.08, 0.35),
            cover=0.04,
        ),
        side=96,
        batch=16,
        machine_made=0.0,
    ),
    LandmarkStage(
        "fourth",
        5 / 36,
        0.0015,
        LESS_VARIED,
        side=VIEW,
        batch=16,
        machine_made=0.0,
    ),
)


def _batches(stage: LandmarkStage, hand_made: LandmarkCrops, machine_made: LandmarkCrops):
    """The batches of an epoch (a function of its number), and how many there are."""

    def cut(crops):
        variation, mirrored = stage.variation.maps(len(crops))
        maps = ideal_maps(crops) @ variation
        points = targets_in(crops, maps, mirrored)
        images = sample_projective(torch.from_numpy(crops.images)[:, None].float(), maps, stage.side)
        return stage.variation.spoilt(images, points), points.flatten(1)

    some = int(len(machine_made) * stage.machine_made)
    count = 2 * len(hand_made) + some
    starts = batch_starts(count, stage.batch)

    def epoch_batches(_epoch):
        parts = [torch.randperm(len(hand_made)).numpy() for _ in range(2)]
        parts.append(-1 - torch.randperm(len(machine_made)).numpy()[:some])  # below zero: machine-made
        rows = np.concatenate(parts)[torch.randperm(count).numpy()]
        for start in starts:
            chosen = rows[start : start + stage.batch]
            kinds = ((hand_made, chosen[chosen >= 0]), (machine_made, -1 - chosen[chosen < 0]))
            parts = [cut(crops.select(some_rows)) for crops, some_rows in kinds if len(some_rows)]
            yield tuple(torch.cat(tensors) for tensors in zip(*parts))

    return epoch_batches, len(starts)


@torch.no_grad()
def _mean_errors(network, crops: LandmarkCrops):
    """Mean distances to the points over the distance of the outer eye corners, on ideal crops: of the network's answer
    and of either head."""
    maps = ideal_maps(crops)
    images = sample_projective(torch.from_numpy(crops.images)[:, None].float(), maps, VIEW)
    targets = targets_in(crops, maps, torch.zeros(len(crops), dtype=torch.bool))
    parts = [network.heads(images[start : start + 64])[1:] for start in range(0, len(images), 64)]
    centres, regressed = (torch.cat(tensors) for tensors in zip(*parts))
    left, right = OUTER_EYE_CORNERS
    apart = (targets[:, left] - targets[:, right]).norm(dim=1)

    def error(found):
        return float(((found.view_as(targets) - targets).norm(dim=2).mean(dim=1) / apart).mean())

    return {
        "validation_nme_interocular": error(blended(centres, regressed)),
        "heat_maps": error(centres),
        "regressor": error(regressed),
    }


def train_landmarks(data, folder, epochs=288, seed=0) -> Path:
    """Train ``LandmarkNet`` on 68-point crops and return the path of ``folder/landmarks68.onnx``.

    Stages: see ``STAGES``; hand-made crops are seen twice an epoch, a part of the others once, and in the first stage
    alone; the hand-made photos that ``is_validation`` sets aside never. Each stage keeps
    ``checkpoint.pt`` (a second call goes on from it), ``history.json`` and ``learning_curve.png`` in a folder of its
    own; ``folder/summary.json`` tells the end. Method: wing loss (Feng et al., CVPR 2018) of both heads and
    cross-entropy of the heat maps, crops varied by ``FaceVariation``, AdamW with a one-cycle schedule, averaged
    weights.

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
        _loss,
        lambda model: _mean_errors(model, validation),
        settings={
            "network": "landmarks68",
            "seed": seed,
            "hand_made": len(hand_made),
            "machine_made": len(machine_made),
            "validation": len(validation),
        },
        weight_decay=WEIGHT_DECAY,
        average_decay=0.999,
    )
    path = Path(folder) / "landmarks68.onnx"
    export_onnx(network, path, ["landmarks"])
    return path
