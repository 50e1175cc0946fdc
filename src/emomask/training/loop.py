"""What the training commands share: seeds, averaged weights, resumable checkpoints, learning curves."""

import json
import os
import pickle
import random
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from emomask.errors import DataError
from emomask.training.augment import Variation
from emomask.training.networks import count_parameters

SUMMARY = "summary.json"
CHECKPOINT = "checkpoint.pt"
AVERAGED = "module."  # what AveragedModel puts before the names of the weights


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and torch."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def batch_starts(rows: int, size: int) -> range:
    """Where the batches of ``size`` rows begin; a last one with less than half of that is left out."""
    return range(0, rows - size // 2, size)


@dataclass(frozen=True)
class Stage:
    """A part of a training: its name, its share of the epochs, its peak rate, and how the pictures are varied."""

    name: str
    share: float
    peak_rate: float
    variation: Variation


def train_in_stages(network, folder, epochs, stages, batches_of, loss_of, validate, settings, **rates):
    """Train ``network`` in ``stages``, each from the averaged weights of the one before; returns the last ones.

    ``batches_of(stage, network)`` prepares a stage and gives what ``Trainer.run`` takes as ``batches``, and their
    number; ``loss_of`` and ``validate``: see ``Trainer.run``. ``settings``: what identifies the training; ``rates``:
    ``weight_decay`` and ``average_decay``. Each stage keeps its files in a folder of its own (see ``Trainer``);
    ``folder/summary.json`` tells the end.
    """
    torch.set_flush_denormal(True)  # what belongs to dead units decays towards zero, and denormal numbers are slow
    folder = Path(folder)
    parameters = count_parameters(network)
    for stage in stages:
        stage_epochs = max(1, round(epochs * stage.share))
        stage_settings = dict(settings, epochs=stage_epochs, peak_rate=stage.peak_rate)
        batches, steps = batches_of(stage, network)
        trainer = Trainer(
            network, folder / stage.name, stage_epochs, steps, stage.peak_rate, settings=stage_settings, **rates
        )
        trainer.resume()
        network = trainer.run(batches, loss_of, validate)
        trainer.plot("%s, %s stage" % (settings["network"], stage.name))
    (folder / SUMMARY).write_text("{}")
    add_to_summary(folder, **dict(stage_settings, epochs=epochs, parameters=parameters, **trainer.history[-1]))
    return network


def add_to_summary(folder, **figures) -> None:
    """Add ``figures`` to ``folder/summary.json``."""
    path = Path(folder) / SUMMARY
    summary = json.loads(path.read_text())
    summary.update(figures)
    path.write_text(json.dumps(summary, indent=1))


def averaged_weights(folder) -> dict:
    """The averaged weights that the checkpoint in a stage's ``folder`` holds. Raises DataError when none is there."""
    path = Path(folder) / CHECKPOINT
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)["averaged"]
    except (OSError, KeyError, RuntimeError, pickle.UnpicklingError) as error:
        raise DataError("Found no weights to start from in %s: %s" % (path, error)) from error
    return {name[len(AVERAGED) :]: value for name, value in state.items() if name.startswith(AVERAGED)}


class Trainer:
    """Trains a network with AdamW, a one-cycle schedule and an exponential moving average of the weights.

    AdamW: Loshchilov and Hutter, ICLR 2019; one-cycle: Smith and Topin, 2019. The averaged weights are the ones that
    are validated and shipped.

    Parameters
    ----------
    network: torch module, trained in place.
    folder: where ``checkpoint.pt``, ``history.json`` and ``learning_curve.png`` go.
    epochs, steps_per_epoch: length of the schedule.
    peak_rate, weight_decay: of AdamW; biases and batch norm are not decayed.
    average_decay: decay of the moving average per step.
    settings: what a checkpoint must agree on to be resumed.
    """

    def __init__(self, network, folder, epochs, steps_per_epoch, peak_rate, weight_decay, average_decay, settings):
        self.network = network
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.epochs = epochs
        self.settings = settings
        self.history = []
        decayed = [p for p in network.parameters() if p.ndim > 1]
        plain = [p for p in network.parameters() if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}], lr=peak_rate
        )
        total = max(3, epochs * steps_per_epoch)  # the schedule cannot be shorter
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            max_lr=peak_rate,
            total_steps=total,
            pct_start=max(0.25, 2 / total),
        )

        def average(averaged, current, steps):
            # A young average forgets the first, untrained weights sooner.
            decay = min(average_decay, (1 + float(steps)) / (10 + float(steps)))
            return averaged + (current - averaged) * (1 - decay)

        self.averaged = AveragedModel(network, avg_fn=average, use_buffers=True)

    @property
    def checkpoint(self) -> Path:
        return self.folder / CHECKPOINT

    def resume(self) -> None:
        """Go on from ``checkpoint.pt`` when there is one. Raises DataError when its settings differ."""
        if not self.checkpoint.is_file():
            return
        state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        if state["settings"] != self.settings:
            raise DataError(
                "%s was made with other settings (%s, now %s). Name another folder, or remove it to start anew."
                % (self.checkpoint, state["settings"], self.settings)
            )
        self.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.history = state["history"]
        torch.set_rng_state(state["torch_random"])

    def save(self) -> None:
        """Write the checkpoint beside its final name and rename it, so that a crash leaves the former one whole."""
        state = {
            "settings": self.settings,
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "history": self.history,
            "torch_random": torch.get_rng_state(),
        }
        part = self.checkpoint.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, self.checkpoint)
        (self.folder / "history.json").write_text(json.dumps(self.history, indent=1))

    def run(self, batches, loss_of, validate) -> torch.nn.Module:
        """Train the epochs that are left and return the averaged network in evaluation mode.

        ``batches(epoch)`` yields tuples of tensors, ``loss_of(network, *batch)`` gives the scalar to minimise and
        ``validate(network)`` a dict of figures of the averaged network.
        """
        for epoch in range(len(self.history), self.epochs):
            start = time.monotonic()
            self.network.train()
            total = count = 0
            title = "epoch %d/%d" % (epoch + 1, self.epochs)
            # disable=None: no bar where no terminal is, as in a log; the figures of each epoch are printed anyway.
            progress = tqdm(batches(epoch), desc=title, leave=False, mininterval=1, disable=None)
            for batch in progress:
                loss = loss_of(self.network, *batch)
                if not torch.isfinite(loss):
                    raise DataError("The loss is not finite in epoch %d; lower the learning rate." % (epoch + 1))
                self.optimizer.zero_grad(set_to_none=True)
                loss.backward()
                self.optimizer.step()
                self.schedule.step()
                self.averaged.update_parameters(self.network)
                total += loss.item() * len(batch[0])
                count += len(batch[0])
                progress.set_postfix(loss="%.4f" % (total / count))
            figures = {"epoch": epoch + 1, "loss": total / count}
            figures.update(validate(self.averaged.module.eval()))
            figures["seconds"] = time.monotonic() - start
            self.history.append(figures)
            self.save()
            print("  ".join("%s %s" % (k, ("%.4f" % v) if isinstance(v, float) else v) for k, v in figures.items()))
        return self.averaged.module.eval()

    def plot(self, title: str) -> Path:
        """Draw the learning curves, one panel a figure, into ``learning_curve.png`` and return its path."""
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot

        names = [name for name in self.history[0] if name not in ("epoch", "seconds")]
        figure, axes = pyplot.subplots(1, len(names), figsize=(4.5 * len(names), 3.5), squeeze=False)
        epochs = [entry["epoch"] for entry in self.history]
        for axis, name in zip(axes[0], names):
            axis.plot(epochs, [entry[name] for entry in self.history])
            axis.set_xlabel("epoch")
            axis.set_ylabel(name)
            axis.grid(alpha=0.3)
        figure.suptitle(title)
        figure.tight_layout()
        path = self.folder / "learning_curve.png"
        figure.savefig(path, dpi=120)
        pyplot.close(figure)
        return path
