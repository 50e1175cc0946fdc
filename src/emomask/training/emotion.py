"""Trains the emotion network on FER2013."""

import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from emomask.errors import DataError
from emomask.training import augment
from emomask.training.fer2013 import SIDE, Fer2013, read_fer2013, without_blank, without_duplicates_of
from emomask.training.loop import Trainer, seed_everything
from emomask.training.networks import Cnn42, count_parameters, export_onnx

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


def _batches(data: Fer2013):
    images = torch.from_numpy(data.images)[:, None]
    labels = torch.from_numpy(data.labels)

    def epoch_batches(_epoch):
        order = torch.randperm(len(labels))
        for start in range(0, len(order) - BATCH // 2, BATCH):
            rows = order[start : start + BATCH]
            maps, _ = augment.random_affine(
                len(rows), rotation=14, scale=(0.76 * VIEW / SIDE, 1.16 * VIEW / SIDE), shift=0.075, flip=0.5
            )
            batch = augment.sample(images[rows].float(), maps, VIEW)
            batch = augment.random_light(batch, contrast=0.3, brightness=0.1)
            batch = augment.random_detail(batch, probability=0.1, smallest=0.4)
            yield augment.random_erase(batch, probability=0.25, largest=0.45), labels[rows]

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


def train_emotion(data, folder, epochs=50, keep_duplicates=False, seed=0, smoothing=0.1, peak_rate=0.002) -> Path:
    """Train ``Cnn42`` on the FER2013 file ``data`` and return the path of ``folder/cnn42.onnx``.

    Writes also ``checkpoint.pt`` (a second call goes on from it), ``history.json``, ``learning_curve.png`` and
    ``summary.json``. Method: random affine views, label smoothing (Szegedy et al., 2016), dropout, AdamW with a
    one-cycle schedule, averaged weights; no row of PublicTest or PrivateTest is trained on.

    Raises DataError when the file cannot be read or the folder holds a checkpoint of another training.
    """
    seed_everything(seed)
    training, validation = split_rows(read_fer2013(data), keep_duplicates, seed)
    network = Cnn42().to(memory_format=torch.channels_last)  # twice as fast as NCHW on a CPU
    settings = {
        "network": "cnn42",
        "epochs": epochs,
        "keep_duplicates": keep_duplicates,
        "seed": seed,
        "smoothing": smoothing,
        "peak_rate": peak_rate,
        "rows": len(training),
    }
    steps = len(range(0, len(training) - BATCH // 2, BATCH))
    trainer = Trainer(network, folder, epochs, steps, peak_rate, WEIGHT_DECAY, 0.999, settings)
    trainer.resume()

    def loss_of(model, images, labels):
        return functional.cross_entropy(model(images), labels, label_smoothing=smoothing)

    averaged = trainer.run(
        _batches(training), loss_of, lambda model: {"validation_accuracy": _accuracy(model, validation)}
    )
    path = trainer.folder / "cnn42.onnx"
    export_onnx(averaged, path, "logits")
    trainer.plot("cnn42 on FER2013")
    summary = dict(settings, parameters=count_parameters(network), **trainer.history[-1])
    (trainer.folder / "summary.json").write_text(json.dumps(summary, indent=1))
    return path
