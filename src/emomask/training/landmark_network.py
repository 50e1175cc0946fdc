"""The torch network for the 68 landmarks. Inference uses its ONNX export, never this module."""

import torch
from torch import nn
from torch.nn import functional

from emomask.training.networks import ResidualBlock, standardised

HEAT_SHARE = 0.75  # of the heat maps in the answer; better on the validation photos than a half or all


def _convolution(inputs, outputs, kernel, stride=1):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def cell_middles(side):
    """``(side * side, 2)``: x and y of the middles of a heat map's cells, row by row, as fractions of the crop."""
    middles = (torch.arange(side) + 0.5) / side
    y, x = torch.meshgrid(middles, middles, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=1)


def centres_of(logits, side):
    """Centres of mass ``(N, 136)``, as fractions of the crop, of heat maps with ``logits`` ``(N, 68, side * side)``."""
    return torch.matmul(torch.softmax(logits, dim=2), cell_middles(side)).flatten(1)


def blended(centres, regressed):
    """The network's answer, made of those of its heads; both ``(N, 136)``."""
    return HEAT_SHARE * centres + (1 - HEAT_SHARE) * regressed


class LandmarkNet(nn.Module):
    """A small residual network that finds the 68 iBUG landmarks of one face crop in two ways and blends them.

    Residual blocks (He et al., CVPR 2016) at 1/4, 1/8 and 1/16 of the crop's size; their features are added from coarse
    to fine (Lin et al., Feature Pyramid Networks, CVPR 2017) and give one 28x28 heat map a landmark, whose centre of
    mass is the landmark (Sun et al., Integral Human Pose Regression, ECCV 2018). A fully connected layer on the
    coarsest features regresses all landmarks at once: it knows the face's shape where the picture does not show it.

    Input: float32 ``(N, 1, 112, 112)``, grey levels 0..255. Output: float32 ``(N, 136)``, x0, y0, x1, y1, ... as
    fractions of the crop's side; the crop's left top corner is (0, 0).
    """

    input_size = 112
    regressor_cells = 6  # side of what the regressor sees; crops of 96 pixels give it as it is

    def __init__(self, channels=(16, 24, 56, 112), merged=(56, 40), landmarks=68):
        super().__init__()
        first, second, third, fourth = channels
        coarse, fine = merged
        self.quarter = nn.Sequential(
            _convolution(1, first, 3, 2),  # 112 -> 56
            _convolution(first, second, 3, 2),  # 28
            ResidualBlock(second, second),
        )
        self.eighth = nn.Sequential(ResidualBlock(second, third, 2), ResidualBlock(third, third))  # 14
        self.sixteenth = nn.Sequential(ResidualBlock(third, fourth, 2), ResidualBlock(fourth, fourth))  # 7
        self.from_sixteenth = _convolution(fourth, coarse, 1)
        self.from_eighth = _convolution(third, coarse, 1)
        self.merge_coarse = _convolution(coarse, fine, 3)
        self.from_quarter = _convolution(second, fine, 1)
        self.merge_fine = _convolution(fine, fine, 3)
        self.heat = nn.Conv2d(fine, landmarks, 1)
        self.regressor = nn.Sequential(
            _convolution(fourth, 32, 1), nn.Flatten(), nn.Linear(32 * self.regressor_cells**2, 2 * landmarks)
        )
        nn.init.constant_(self.regressor[-1].bias, 0.5)

    def heads(self, images):
        """Logits of the heat maps ``(N, 68, K)``, their centres ``(N, 136)`` and the regressed points ``(N, 136)``.

        ``images``: ``(N, 1, S, S)``; S is a multiple of 16, smaller at first in training; K is ``(S / 4) ** 2``.
        """
        quarter = self.quarter(standardised(images))
        eighth = self.eighth(quarter)
        sixteenth = self.sixteenth(eighth)
        merged = functional.interpolate(self.from_sixteenth(sixteenth), scale_factor=2.0) + self.from_eighth(eighth)
        merged = functional.interpolate(self.merge_coarse(merged), scale_factor=2.0) + self.from_quarter(quarter)
        logits = self.heat(self.merge_fine(merged)).flatten(2)
        centres = centres_of(logits, images.shape[-1] // 4)
        if sixteenth.shape[-1] != self.regressor_cells:
            sixteenth = functional.interpolate(sixteenth, size=self.regressor_cells, mode="bilinear")
        return logits, centres, self.regressor(sixteenth)

    def forward(self, images):
        _, centres, regressed = self.heads(images)
        return blended(centres, regressed)
