"""Temperature scaling (Guo et al., ICML 2017): confidences that agree with how often a network is right."""

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import nn

from emomask.perception.emotion import softmax

LIMITS = (0.2, 5.0)  # between which the temperature is sought
TINY = 1e-9
VOTE_FREQUENCIES = 0.5


def fit_temperature(views: np.ndarray, labels: np.ndarray) -> float:
    """The temperature that makes ``labels`` most probable.

    ``views``: logits ``(V, N, 7)``; the probabilities of a picture are averaged over its V views, as in use.
    ``labels``: ``(N,)`` int.
    """

    def surprise(temperature):
        probabilities = softmax(views / temperature).mean(axis=0)
        return -np.log(probabilities[np.arange(len(labels)), labels] + TINY).mean()

    return float(minimize_scalar(surprise, bounds=LIMITS, method="bounded").x)


class Calibrated(nn.Module):
    """``network`` with the logits of the labels divided by ``temperature``.

    The logits of the votes, which are learnt as if all emotions were equally frequent, get back a part of how frequent
    they are among the votes: ``VOTE_FREQUENCIES`` of the logarithm of ``frequencies``, ``(7,)``.
    """

    def __init__(self, network: nn.Module, temperature: float, frequencies: torch.Tensor):
        super().__init__()
        self.network = network
        self.temperature = temperature
        self.register_buffer("offsets", VOTE_FREQUENCIES * frequencies.log())
        self.input_size, self.outputs = network.input_size, network.outputs

    def forward(self, images):
        labels, *votes = self.network(images)
        return (labels / self.temperature, *(logits + self.offsets for logits in votes))
