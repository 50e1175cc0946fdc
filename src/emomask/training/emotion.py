"""Trains the emotion network on FER2013."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Tuple

import numpy as np
import torch
from torch.nn import functional

from emomask.errors import DataError
from emomask.training import augment
from emomask.training.fer2013 import SIDE, Fer2013, read_fer2013, without_blank, without_duplicates_of
from emomask.training.loop import Trainer, seed_everything
from emomask.training.networks import Cnn42, count_parameters, export_onnx, set_dropout

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
class Stage:
    """One of the two stages of the training: its share of the epochs, its rates, and how the pictures are varied.

    ``scale``: of the sampled window over 42 pixels; the other fields are those of ``augment``'s functions.
    """

    name: str
    share: float
    peak_rate: float
    dropout: float
    rotation: float
    scale: Tuple[float, float]
    shift: float
    light: Tuple[float, float]
    detail: Tuple[float, float]
    erase: Tuple[float, float]


# Strong variation keeps the network from learning the pictures by heart; it ends on pictures much as they are.
STAGES = (
    Stage("first", 25 / 32, 0.002, 0.4, 14, (0.76, 1.16), 0.075, (0.3, 0.1), (0.1, 0.4), (0.25, 0.45)),
    Stage("second", 7 / 32, 0.0007, 0.2, 9, (0.86, 1.1), 0.06, (0.1, 0.03), (0.0, 1.0), (0.0, 0.0)),
)


def _batches(stage: Stage, data: Fer2013):
    images = torch.from_numpy(data.images)[:, None]
    labels = torch.from_numpy(data.labels)

    def epoch_batches(_epoch):
        order = torch.randperm(len(labels))
        for start in range(0, len(order) - BATCH // 2, BATCH):
            rows = order[start : start + BATCH]
            scale = tuple(window * VIEW / SIDE for window in stage.scale)
            maps, _ = augment.random_affine(len(rows), stage.rotation, scale, stage.shift, flip=0.5)
            batch = augment.sample(images[rows].float(), maps, VIEW)
            batch = augment.random_light(batch, *stage.light)
            batch = augment.random_detail(batch, *stage.detail)
            yield augment.random_erase(batch, *stage.erase), labels[rows]

    return epoch_batches


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
    folder = Path(folder)
    training, validation = split_rows(read_fer2013(data), keep_duplicates, seed)
    network = Cnn42().to(memory_format=torch.channels_last)  # twice as fast as NCHW on a CPU
    parameters = count_parameters(network)
    steps = len(range(0, len(training) - BATCH // 2, BATCH))
    for stage in STAGES:
        settings = {
            "network": "cnn42",
            "epochs": max(1, round(epochs * stage.share)),
            "keep_duplicates": keep_duplicates,
            "seed": seed,
            "smoothing": smoothing,
            "peak_rate": stage.peak_rate,
            "rows": len(training),
        }
        trainer = Trainer(
            network, folder / stage.name, settings["epochs"], steps, stage.peak_rate, WEIGHT_DECAY, 0.999, settings
        )
        trainer.resume()
        set_dropout(network, stage.dropout)
        network = trainer.run(
            _batches(stage, training),
            lambda model, images, labels: functional.cross_entropy(model(images), labels, label_smoothing=smoothing),
            lambda model: {"validation_accuracy": _accuracy(model, validation)},
        )
        trainer.plot("cnn42 on FER2013, %s stage" % stage.name)
    path = folder / "cnn42.onnx"
    export_onnx(network, path, "logits")
    summary = dict(settings, epochs=epochs, parameters=parameters, **trainer.history[-1])
    (folder / "summary.json").write_text(json.dumps(summary, indent=1))
    return path
