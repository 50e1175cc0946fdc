"""How face crops are varied to train the landmark network: what a camera, light and things before the face do."""

import math
from dataclasses import dataclass
from typing import Tuple

import cv2
import numpy as np
import torch
from torch.nn import functional

from emomask.training import augment
from emomask.training.disturbances import COVERS, cover_shape, motion_kernel


@dataclass(frozen=True)
class FaceVariation:
    """How strongly face crops are varied.

    ``rotation``: largest angle in degrees, and of one crop in five; ``scale``: smallest and largest side of the crop
    over the ideal one; ``shift``: largest move of its centre as a fraction of its side; ``turn``: largest narrowing of
    the face (and half as much slant), as a head turned aside shows; ``light``: see ``augment.random_light``, and a ramp
    of light over the face; ``noise``: largest deviation in grey levels; ``blur``: share of crops with motion blur, and
    its largest length as a fraction of the side; ``detail``, ``erase``: see ``augment``; ``cover``: share of crops with
    a face mask, dark glasses or half of the face hidden.
    """

    rotation: Tuple[float, float]
    scale: Tuple[float, float]
    shift: float
    turn: float
    light: Tuple[float, float]
    noise: float
    blur: Tuple[float, float]
    detail: Tuple[float, float]
    erase: Tuple[float, float]
    cover: float

    def maps(self, count):
        """``(N, 3, 3)`` maps from the varied to the ideal crop, both in -1..1, and which crops are mirrored."""
        usual, mirrored = augment.random_affine(count, self.rotation[0], self.scale, self.shift, flip=0.0)
        rare, _ = augment.random_affine(count, self.rotation[1], self.scale, self.shift, flip=0.0)
        usual = torch.where(torch.rand(count, 1, 1) < 0.2, rare, usual)
        moves = torch.cat([usual, torch.tensor([0.0, 0.0, 1.0]).expand(count, 1, 3)], dim=1)
        mirrored = torch.rand(count) < 0.5
        turns = torch.eye(3).repeat(count, 1, 1)
        strength = (torch.rand(count, 3) * 2 - 1) * self.turn
        turns[:, 0, 0] = torch.exp(strength[:, 0]) * torch.where(mirrored, -1.0, 1.0)
        turns[:, 2, 0] = strength[:, 1] / 2
        turns[:, 2, 1] = strength[:, 2] / 2
        return turns @ moves, mirrored

    def spoilt(self, images, points):
        """``images`` ``(N, 1, H, H)``, 0..255, made worse; ``points``: ``(N, 68, 2)``, as fractions of the pictures."""
        images = _random_cover(images, points, self.cover)
        images = augment.random_erase(images, *self.erase)
        images = augment.random_light(_random_ramp(images, self.light[0]), *self.light)
        images = _random_motion(images, *self.blur)
        images = augment.random_detail(images, *self.detail)
        deviation = torch.rand(len(images), 1, 1, 1) ** 2 * self.noise
        return (images + torch.randn_like(images) * deviation).clamp(0, 255)


def sample_projective(images, maps, side):
    """Pictures ``(N, 1, H, H)`` resampled through ``maps`` ``(N, 3, 3)`` to ``(N, 1, side, side)``; border repeated."""
    middles = (torch.arange(side) + 0.5) / side * 2 - 1
    y, x = torch.meshgrid(middles, middles, indexing="ij")
    grid = projected(maps, torch.stack([x.flatten(), y.flatten()], dim=1).expand(len(images), -1, 2))
    return functional.grid_sample(
        images, grid.view(-1, side, side, 2), mode="bilinear", padding_mode="border", align_corners=False
    )


def projected(maps, points):
    """Points ``(N, K, 2)`` mapped by ``(N, 3, 3)`` projective maps."""
    homogeneous = functional.pad(points, (0, 1), value=1.0) @ maps.transpose(1, 2)
    return homogeneous[:, :, :2] / homogeneous[:, :, 2:]


def _random_ramp(images, strength):
    """Light from one side: grey levels times a factor that grows along a random direction; changes no original."""
    steps = torch.linspace(-1, 1, images.shape[-1])
    slope = torch.randn(len(images), 2, 1, 1) * strength
    exponent = slope[:, :1] * steps.view(1, 1, 1, -1) + slope[:, 1:] * steps.view(1, 1, -1, 1)
    return (images * torch.exp(exponent)).clamp(0, 255)


def _random_motion(images, probability, longest):
    """Some pictures averaged along a line of random direction, up to ``longest`` of the side; changes ``images``."""
    side = images.shape[-1]
    for index in torch.nonzero(torch.rand(len(images)) < probability).flatten().tolist():
        length, angle = (torch.rand(2) * torch.tensor([longest * side, math.pi])).tolist()
        picture = images[index, 0].numpy()
        images[index, 0] = torch.from_numpy(cv2.filter2D(picture, -1, motion_kernel(length, angle)))
    return images


def _random_cover(images, points, probability):
    """Some pictures with a face mask, dark glasses or half of the face hidden; changes ``images``."""
    side = images.shape[-1]
    for index in torch.nonzero(torch.rand(len(images)) < probability).flatten().tolist():
        kind = COVERS[int(torch.randint(0, len(COVERS), (1,)))]
        shape = cover_shape(kind, points[index].numpy() * side - 0.5, float(torch.rand(1)) * 2 * math.pi)
        top = 90.0 if kind == "glasses" else 255.0
        picture = images[index, 0].numpy()
        for polygon in shape:
            cv2.fillPoly(picture, [np.round(polygon).astype(np.int32)], float(torch.rand(1)) * top)
    return images
