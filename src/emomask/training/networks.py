"""What the torch networks that emomask trains share. Inference uses their ONNX exports, never these modules."""

from typing import Sequence

import torch
from torch import nn


def standardised(images):
    """Pictures ``(N, 1, H, W)`` with grey levels 0..255 at zero mean and unit variance each; a blank one at zero."""
    centred = images - images.mean(dim=(2, 3), keepdim=True)
    deviation = (centred * centred).mean(dim=(2, 3), keepdim=True).sqrt()
    return centred / (deviation + 1.0)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norm around a shortcut (He et al., CVPR 2016)."""

    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        if stride == 1 and inputs == outputs:
            self.shortcut = nn.Identity()
        else:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, features):
        return self.activation(self.body(features) + self.shortcut(features))


def set_dropout(network: nn.Module, probability: float) -> None:
    """Give all dropout layers of ``network`` this probability."""
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = probability


def count_parameters(network: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def export_onnx(network: nn.Module, path, outputs: Sequence[str]) -> None:
    """Write ``network`` (with ``input_size``) as ONNX with a free batch size; input ``image``, as named ``outputs``."""
    network = network.eval().cpu()
    example = torch.zeros(2, 1, network.input_size, network.input_size)
    torch.onnx.export(
        network,
        (example,),
        str(path),
        input_names=["image"],
        output_names=list(outputs),
        dynamic_axes={name: {0: "batch"} for name in ("image", *outputs)},
        opset_version=13,
        dynamo=False,
    )
