"""Trains the emotion network on FER2013."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from emomask.errors import DataError
from emomask.training import augment
from emomask.training.augment import Variation
from emomask.training.fer2013 import SIDE, Fer2013, read_fer2013, without_blank, without_duplicates_of
from emomask.training.loop import Stage, batch_starts, seed_everything, train_in_stages
from emomask.training.networks import Cnn42, export_onnx, set_dropout

VIEW = Cnn42.input_size
BATCH = 128
WEIGHT_DECAY = 0.05


def split_rows(data: Fer2013, keep_duplicates: bool, seed: int):
    """Training and validation rows.

    With a Usage column: Training and PublicTest, and, unless ``keep_duplicates``, no training row that is
    pixel-identical to a row of PublicTest or PrivateTest. Without one: a stratified 90 % / 10 %
    ``sklearn.model_selection.train_test_split`` whose training part loses the duplicates of the other.
    """
    if data.usage is not None:
        training, validation = data.split("Training"), data.split("PublicTest")
        held_out = data.select(data.usage != "Training")
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
    """A stage with its dropout."""

    dropout: float


# Variation keeps the network from learning the pictures by heart; it ends on pictures much as they are.
STAGES = (
    EmotionStage(
        "first",
        11 / 16,
        0.002,
        Variation(14, (0.78 * VIEW / SIDE, 1.16 * VIEW / SIDE), 0.075, (0.25, 0.08), (0.1, 0.4), (0.15, 0.35)),
        dropout=0.3,
    ),
    EmotionStage(
        "second",
        5 / 16,
        0.0007,
        Variation(10, (0.86 * VIEW / SIDE, 1.1 * VIEW / SIDE), 0.06, (0.1, 0.03), (0.0, 1.0), (0.0, 0.0)),
        dropout=0.25,
    ),
)


def _batches(variation: Variation, data: Fer2013):
    """The batches of an epoch (a function of its number), and how many there are."""
    images = torch.from_numpy(data.images)[:, None]
    labels = torch.from_numpy(data.labels)
    starts = batch_starts(len(data), BATCH)

    def epoch_batches(_epoch):
        order = torch.randperm(len(labels))
        for start in starts:
            rows = order[start : start + BATCH]
            maps, _ = variation.maps(len(rows))
            yield variation.spoilt(augment.sample(images[rows].float(), maps, VIEW)), labels[rows]

    return epoch_batches, len(starts)


@torch.no_grad()
def _accuracy(network, data: Fer2013) -> float:
    """Share of right answers on the central 42x42 view."""
    margin = (SIDE - VIEW) // 2
    images = torch.from_numpy(data.images)[:, None, margin : margin + VIEW, margin : margin + VIEW]
    right = 0
    for start in range(0, len(data), 512):
        answers = network(images[start : start + 512].float()).argmax(dim=1).numpy()
        right += int((answers == data.labels[start : start + 512]).sum())
    return right / len(data)


def train_emotion(data, folder, epochs=50, keep_duplicates=False, seed=0, smoothing=0.1) -> Path:
    """Train ``Cnn42`` on the FER2013 file ``data`` and return the path of ``folder/cnn42.onnx``.

    Two stages (``STAGES``), each with ``checkpoint.pt`` (a second call goes on from it), ``history.json`` and
    ``learning_curve.png`` in a folder of its own; ``folder/summary.json`` tells the end. Method: random affine views,
    label smoothing (Szegedy et al., 2016), dropout, AdamW with a one-cycle schedule, averaged weights; no row of
    PublicTest or PrivateTest is trained on.

    Raises DataError when the file cannot be read or the folder holds checkpoints of another training.
    """
    seed_everything(seed)
    training, validation = split_rows(read_fer2013(data), keep_duplicates, seed)

    def batches_of(stage, network):
        set_dropout(network, stage.dropout)
        return _batches(stage.variation, training)

    network = train_in_stages(
        Cnn42().to(memory_format=torch.channels_last),  # twice as fast as NCHW on a CPU
        folder,
        epochs,
        STAGES,
        batches_of,
        lambda model, images, labels: functional.cross_entropy(model(images), labels, label_smoothing=smoothing),
        lambda model: {"validation_accuracy": _accuracy(model, validation)},
        settings={
            "network": "cnn42",
            "keep_duplicates": keep_duplicates,
            "seed": seed,
            "smoothing": smoothing,
            "rows": len(training),
        },
        weight_decay=WEIGHT_DECAY,
        average_decay=0.999,
    )
    path = Path(folder) / "cnn42.onnx"
    export_onnx(network, path, "logits")
    return path
