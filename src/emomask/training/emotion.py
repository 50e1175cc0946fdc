"""Trains the emotion network on FER2013."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Tuple

import numpy as np
import torch
from torch.nn import functional

from emomask.errors import DataError
from emomask.faces import EMOTIONS
from emomask.training import augment
from emomask.training.augment import Variation
from emomask.training.calibration import Calibrated, fit_temperature
from emomask.training.emotion_networks import Cnn42, ResNet42
from emomask.training.fer2013 import SIDE, TRAINING, Fer2013, read_fer2013, without_blank, without_duplicates_of
from emomask.training.ferplus import emotion_shares, label_probabilities, with_votes
from emomask.training.half_precision import store_in_half_precision
from emomask.training.loop import (
    Stage,
    add_to_summary,
    averaged_weights,
    batch_starts,
    seed_everything,
    train_in_stages,
)
from emomask.training.networks import export_onnx, set_dropout

VIEW = Cnn42.input_size
CROP = VIEW / SIDE  # of the network's view, as a fraction of FER2013's pictures
BATCH = 128
WEIGHT_DECAY = 0.05
VOTES_SHARE = 0.5  # of FER+ in what is to be learnt of the labels
TINY = 1e-6


def split_rows(data: Fer2013, keep_duplicates: bool, seed: int):
    """Training and validation rows.

    With a Usage column: Training and PublicTest, and, unless ``keep_duplicates``, no training row that is
    pixel-identical to a row of PublicTest or PrivateTest. Without one: a stratified 90 % / 10 %
    ``sklearn.model_selection.train_test_split`` whose training part loses the duplicates of the other.
    """
    if data.usage is not None:
        training, validation = data.split(TRAINING), data.split("PublicTest")
        held_out = data.select(data.usage != TRAINING)
    else:
        from sklearn.model_selection import train_test_split

        rows = np.arange(len(data))
        kept, rest = train_test_split(rows, test_size=0.1, random_state=seed, stratify=data.labels)
        training, validation = data.select(kept), data.select(rest)
        held_out = validation
    if not len(training) or not len(validation):
        raise DataError("The data leaves no rows to train on or none to validate on.")
    if not keep_duplicates:
        training = without_duplicates_of(training, held_out)
    return without_blank(training), validation


@dataclass(frozen=True)
class EmotionStage(Stage):
    """A stage with its dropout, the side in pixels of the pictures that it trains on, and the weight of the votes."""

    dropout: float
    side: int
    vote_weight: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: what makes it, and its stages."""

    network: Callable[[], torch.nn.Module]
    stages: Tuple[EmotionStage, ...]


STRONG = Variation(14, (0.78 * CROP, 1.16 * CROP), 0.075, (0.25, 0.08), (0.1, 0.4), (0.15, 0.35))
MEDIUM = Variation(12, (0.82 * CROP, 1.13 * CROP), 0.07, (0.25, 0.08), (0.2, 0.35), (0.15, 0.3))
MILD = Variation(10, (0.86 * CROP, 1.1 * CROP), 0.06, (0.1, 0.03), (0.0, 1.0), (0.0, 0.0))

# Variation keeps a network from learning the pictures by heart; it ends on pictures much as they are. The residual
# network first sees small pictures, which takes half of the time (progressive resizing: Tan and Le, ICML 2021).
RECIPES = {
    "cnn42": Recipe(
        Cnn42,
        (
            EmotionStage("first", 11 / 16, 0.002, STRONG, dropout=0.3, side=42),
            EmotionStage("second", 5 / 16, 0.0007, MILD, dropout=0.25, side=42),
        ),
    ),
    "resnet42": Recipe(
        ResNet42,
        (
            EmotionStage("first", 35 / 59, 0.003, MEDIUM, dropout=0.2, side=30, vote_weight=0.5),
            EmotionStage("second", 21 / 59, 0.002, MEDIUM, dropout=0.3, side=42, vote_weight=0.5),
            EmotionStage("third", 3 / 59, 0.0005, MILD, dropout=0.3, side=42, vote_weight=0.5),
        ),
    ),
}


def full_size(stages) -> Tuple[EmotionStage, ...]:
    """The stages whose pictures have the network's own size, with their shares raised to a sum of one."""
    kept = [stage for stage in stages if stage.side == VIEW]
    total = sum(stage.share for stage in kept)
    return tuple(replace(stage, share=stage.share / total) for stage in kept)


@dataclass(frozen=True)
class Targets:
    """What is to be learnt of each row: probabilities ``(N, 7)`` float32 of its label and of the votes on it.

    ``bfloat16``: whether the network multiplies in bfloat16 while it learns (``torch.autocast``).
    """

    labels: torch.Tensor
    votes: torch.Tensor
    bfloat16: bool

    @classmethod
    def of(cls, data: Fer2013, smoothing: float, bfloat16: bool) -> "Targets":
        """Smoothed labels, mixed with what the votes tell of them; without votes the labels stand in for them."""
        labels = functional.one_hot(torch.from_numpy(data.labels), len(EMOTIONS)).float()
        smoothed = labels * (1 - smoothing) + smoothing / len(EMOTIONS)
        if data.votes is None:
            return cls(smoothed, labels, bfloat16)
        mixed = smoothed * (1 - VOTES_SHARE) + torch.from_numpy(label_probabilities(data)) * VOTES_SHARE
        return cls(mixed, torch.from_numpy(emotion_shares(data)), bfloat16)

    def loss_of(self, network, images, labels, votes, vote_weight):
        """Cross entropies of the network's outputs.

        That of the votes is adjusted by the emotions' frequencies (Menon et al., ICLR 2021), so that the network learns
        to tell rare emotions as well as frequent ones.
        """
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            outputs = network(images)
        outputs = [logits.float() for logits in outputs]
        loss = functional.cross_entropy(outputs[0], labels)
        if len(outputs) == 1 or not vote_weight:
            return loss
        return loss + vote_weight * functional.cross_entropy(outputs[1] + self.frequencies.log(), votes)

    @property
    def frequencies(self) -> torch.Tensor:
        """``(7,)``: the share of each emotion in the votes."""
        return self.votes.mean(dim=0).clamp(min=TINY)


def _batches(stage: EmotionStage, data: Fer2013, targets: Targets):
    """The batches of an epoch (a function of its number), and how many there are."""
    images = torch.from_numpy(data.images)[:, None]
    starts = batch_starts(len(data), BATCH)

    def epoch_batches(_epoch):
        order = torch.randperm(len(data))
        for start in starts:
            rows = order[start : start + BATCH]
            maps, _ = stage.variation.maps(len(rows))
            views = stage.variation.spoilt(augment.sample(images[rows].float(), maps, stage.side))
            yield views, targets.labels[rows], targets.votes[rows], stage.vote_weight

    return epoch_batches, len(starts)


@torch.no_grad()
def _outputs(network, data: Fer2013, mirrored=False):
    """A list of arrays ``(N, 7)``, one for each output: the logits of the central 42x42 views."""
    margin = (SIDE - VIEW) // 2
    views = data.images[:, None, margin : margin + VIEW, margin : margin + VIEW]
    images = torch.from_numpy(np.ascontiguousarray(views[..., ::-1] if mirrored else views))
    parts = [network(images[start : start + 512].float()) for start in range(0, len(data), 512)]
    return [torch.cat(logits).numpy() for logits in zip(*parts)]


def _accuracy(network, data: Fer2013) -> float:
    """Share of right answers on the central views."""
    return float((_outputs(network, data)[0].argmax(axis=1) == data.labels).mean())


def train_emotion(
    data,
    folder,
    network="cnn42",
    votes=None,
    epochs=50,
    keep_duplicates=False,
    seed=0,
    smoothing=0.1,
    bfloat16=False,
    start=None,
) -> Path:
    """Train one of ``RECIPES`` on the FER2013 file ``data`` and return the path of its ONNX file in ``folder``.

    ``start``: the folder of a finished training of the same network, whose last averaged weights are trained on; only
    the stages with pictures of full size are run then.
    ``votes``: path of FER+'s table; its votes then make half of what is to be learnt, the labels the other half.
    ``bfloat16``: multiply in bfloat16, in about half of the time where the processor can (AVX512-BF16, AMX). Each
    stage keeps ``checkpoint.pt`` (a second call goes on from it), ``history.json`` and ``learning_curve.png`` in a
    folder of its own; ``folder/summary.json`` tells the end. Method: random affine views, label smoothing (Szegedy et
    al., 2016), dropout, AdamW with a one-cycle schedule, averaged weights, temperature scaling on the validation
    rows (PublicTest); no row of PublicTest or PrivateTest is trained on.

    Raises DataError when a file cannot be read or the folder holds checkpoints of another training.
    """
    seed_everything(seed)
    table = read_fer2013(data)
    training, validation = split_rows(with_votes(table, votes) if votes else table, keep_duplicates, seed)
    targets = Targets.of(training, smoothing, bfloat16)
    recipe = RECIPES[network]
    model, stages = recipe.network(), recipe.stages
    if start is not None:
        model.load_state_dict(averaged_weights(Path(start) / stages[-1].name))
        stages = full_size(stages)

    def batches_of(stage, model):
        set_dropout(model, stage.dropout)
        return _batches(stage, training, targets)

    trained = train_in_stages(
        model.to(memory_format=torch.channels_last),  # twice as fast as NCHW on a CPU
        folder,
        epochs,
        stages,
        batches_of,
        targets.loss_of,
        lambda model: {"validation_accuracy": _accuracy(model, validation)},
        settings={
            "network": network,
            "keep_duplicates": keep_duplicates,
            "votes": VOTES_SHARE if votes else 0.0,
            "seed": seed,
            "smoothing": smoothing,
            "bfloat16": bfloat16,
            "start": str(start) if start is not None else None,
            "rows": len(training),
        },
        weight_decay=WEIGHT_DECAY,
        average_decay=0.999,
    )
    views = np.stack([_outputs(trained, validation)[0], _outputs(trained, validation, mirrored=True)[0]])
    temperature = fit_temperature(views, validation.labels)
    add_to_summary(folder, temperature=temperature)
    path = Path(folder) / (network + ".onnx")
    export_onnx(Calibrated(trained, temperature, targets.frequencies), path, trained.outputs)
    store_in_half_precision(path)
    return path
