"""The torch networks that emomask trains. Inference uses their ONNX exports, never this module."""

import torch
from torch import nn


def standardised(images):
    """Pictures ``(N, 1, H, W)`` with grey levels 0..255 at zero mean and unit variance each; a blank one at zero."""
    centred = images - images.mean(dim=(2, 3), keepdim=True)
    deviation = (centred * centred).mean(dim=(2, 3), keepdim=True).sqrt()
    return centred / (deviation + 1.0)


class Cnn42(nn.Module):
    """The paper's emotion network.

    Three convolutions (5x5x32, 4x4x32, 5x5x64), each followed by 2x2 max-pooling, two fully connected layers and
    seven outputs; batch norm and ReLU after each layer. The first layer of the graph standardises each picture to
    zero mean and unit variance, so that exposure and contrast of the camera cancel out and every user of the ONNX file
    feeds plain grey levels.

    Input: float32 ``(N, 1, 42, 42)``, grey levels 0..255. Output: logits ``(N, 7)`` in the order of ``EMOTIONS``.
    """

    input_size = 42

    def __init__(self, hidden=(2048, 1024), classes=7, dropout=0.4):
        super().__init__()

        def convolution(inputs, outputs, kernel, padding):
            return nn.Sequential(
                nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=False),
                nn.MaxPool2d(2),
                nn.BatchNorm2d(outputs),  # after pooling it has a quarter of the work: training takes 2/3 of the time
                nn.ReLU(inplace=True),
            )

        def fully_connected(inputs, outputs):
            return nn.Sequential(
                nn.Dropout(dropout),
                nn.Linear(inputs, outputs, bias=False),
                nn.BatchNorm1d(outputs),
                nn.ReLU(inplace=True),
            )

        self.features = nn.Sequential(
            convolution(1, 32, 5, 2),  # 42 -> 21
            convolution(32, 32, 4, 1),  # 21 -> 20 -> 10
            convolution(32, 64, 5, 2),  # 10 -> 5
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            fully_connected(64 * 5 * 5, hidden[0]),
            fully_connected(hidden[0], hidden[1]),
            nn.Dropout(dropout),
            nn.Linear(hidden[1], classes),
        )

    def forward(self, images):
        return self.classifier(self.features(standardised(images)))


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


def export_onnx(network: nn.Module, path, outputs: str) -> None:
    """Write ``network`` (with ``input_size``) as ONNX with a free batch size; input ``image``, output ``outputs``."""
    network = network.eval().cpu()
    example = torch.zeros(2, 1, network.input_size, network.input_size)
    torch.onnx.export(
        network,
        (example,),
        str(path),
        input_names=["image"],
        output_names=[outputs],
        dynamic_axes={"image": {0: "batch"}, outputs: {0: "batch"}},
        opset_version=13,
        dynamo=False,
    )
