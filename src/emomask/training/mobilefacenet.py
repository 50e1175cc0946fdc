"""MobileFaceNet (Chen et al., CCBR 2018) in torch, for state dicts with the usual names of its layers."""

import torch
from torch import nn

# Factor by which the first of the three convolutions widens, channels that come out, number of blocks, first stride.
BLOCKS = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))


class _Convolution(nn.Module):
    def __init__(self, inputs, outputs, kernel, stride, padding, groups=1, linear=False):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.prelu = nn.Identity() if linear else nn.PReLU(outputs)

    def forward(self, features):
        return self.prelu(self.bn(self.conv(features)))


class _Bottleneck(nn.Module):
    """Widens, convolves each channel by itself and narrows; with a shortcut where the shapes allow it."""

    def __init__(self, inputs, outputs, stride, widening):
        super().__init__()
        wide = inputs * widening
        self.conv = nn.Sequential(
            nn.Conv2d(inputs, wide, 1, bias=False),
            nn.BatchNorm2d(wide),
            nn.PReLU(wide),
            nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
            nn.PReLU(wide),
            nn.Conv2d(wide, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.has_shortcut = stride == 1 and inputs == outputs

    def forward(self, features):
        return features + self.conv(features) if self.has_shortcut else self.conv(features)


class MobileFaceNet(nn.Module):
    """Input: float32 ``(N, 3, 112, 96)`` RGB, (level - 127.5) / 128. Output: ``(N, 128)``, compared by their angle."""

    def __init__(self):
        super().__init__()
        self.conv1 = _Convolution(3, 64, 3, 2, 1)
        self.dw_conv1 = _Convolution(64, 64, 3, 1, 1, groups=64)
        blocks, inputs = [], 64
        for widening, outputs, count, stride in BLOCKS:
            for index in range(count):
                blocks.append(_Bottleneck(inputs, outputs, stride if index == 0 else 1, widening))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.conv2 = _Convolution(128, 512, 1, 1, 0)
        self.linear7 = _Convolution(512, 512, (7, 6), 1, 0, groups=512, linear=True)
        self.linear1 = _Convolution(512, 128, 1, 1, 0, linear=True)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.conv2(self.blocks(self.dw_conv1(self.conv1(images))))
        return self.linear1(self.linear7(features)).flatten(1)
