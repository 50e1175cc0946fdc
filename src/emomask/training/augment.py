"""Augmentation of batches of square grey pictures, in torch, on whole batches at once."""

import math
from dataclasses import dataclass
from typing import Tuple

import torch
from torch.nn import functional


@dataclass(frozen=True)
class Variation:
    """How strongly pictures are varied: the arguments of ``random_affine`` (but for the number of pictures and the
    mirroring of one in two), ``random_light``, ``random_detail`` and ``random_erase``."""

    rotation: float
    scale: Tuple[float, float]
    shift: float
    light: Tuple[float, float]
    detail: Tuple[float, float]
    erase: Tuple[float, float]

    def maps(self, count):
        """See ``random_affine``."""
        return random_affine(count, self.rotation, self.scale, self.shift, flip=0.5)

    def spoilt(self, images):
        """``images`` in another light, some of them small or blurred, some with a part covered."""
        images = random_light(images, *self.light)
        images = random_detail(images, *self.detail)
        return random_erase(images, *self.erase)


def random_affine(count, rotation, scale, shift, flip):
    """``(N, 2, 3)`` maps from output to input coordinates, both in -1..1 over the picture (as ``affine_grid``).

    ``rotation``: largest angle in degrees; ``scale``: (smallest, largest) size of the sampled window as a fraction of
    the input's side, drawn log-uniformly; ``shift``: largest move of its centre as a fraction of the input's side;
    ``flip``: probability of mirroring.
    """
    angle = (torch.rand(count) * 2 - 1) * math.radians(rotation)
    low, high = math.log(scale[0]), math.log(scale[1])
    window = torch.exp(low + torch.rand(count) * (high - low))
    mirror = torch.where(torch.rand(count) < flip, -1.0, 1.0)
    offset = (torch.rand(count, 2) * 2 - 1) * shift * 2
    cosine, sine = torch.cos(angle) * window, torch.sin(angle) * window
    rows = torch.stack(
        [
            torch.stack([cosine * mirror, -sine, offset[:, 0]], dim=1),
            torch.stack([sine * mirror, cosine, offset[:, 1]], dim=1),
        ],
        dim=1,
    )
    return rows, mirror < 0


def sample(images, maps, side):
    """Pictures ``(N, 1, H, H)`` resampled through ``maps`` to ``(N, 1, side, side)``; the border is repeated."""
    grid = functional.affine_grid(maps, (len(images), 1, side, side), align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def random_light(images, contrast, brightness):
    """Grey levels 0..255 with a random gain, offset and gamma for each picture."""
    count = len(images)
    gain = 1 + (torch.rand(count, 1, 1, 1) * 2 - 1) * contrast
    offset = (torch.rand(count, 1, 1, 1) * 2 - 1) * brightness * 255
    gamma = torch.exp((torch.rand(count, 1, 1, 1) * 2 - 1) * contrast)
    return ((images / 255).clamp(1e-4, 1).pow(gamma) * 255 * gain + offset).clamp(0, 255)


def random_erase(images, probability, largest):
    """A random rectangle of noise or grey over some pictures (Zhong et al., AAAI 2020); changes ``images``."""
    side = images.shape[-1]
    for index in torch.nonzero(torch.rand(len(images)) < probability).flatten().tolist():
        height, width = (torch.rand(2) * largest * side).long().clamp(min=1).tolist()
        top = int(torch.randint(0, side - height + 1, (1,)))
        left = int(torch.randint(0, side - width + 1, (1,)))
        images[index, :, top : top + height, left : left + width] = torch.rand(1) * 255
    return images


def random_detail(images, probability, smallest):
    """Some pictures shrunk to a fraction between ``smallest`` and 1 and enlarged again: small or blurred faces."""
    side = images.shape[-1]
    for index in torch.nonzero(torch.rand(len(images)) < probability).flatten().tolist():
        fraction = smallest + float(torch.rand(1)) * (1 - smallest)
        shrunk = functional.interpolate(images[index : index + 1], size=max(4, int(side * fraction)), mode="area")
        images[index] = functional.interpolate(shrunk, size=side, mode="bilinear", align_corners=False)[0]
    return images
