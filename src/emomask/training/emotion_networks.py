"""The torch networks that classify emotions. Inference uses their ONNX exports, never this module."""

from torch import nn

from emomask.training.networks import standardised


class Cnn42(nn.Module):
    """The paper's emotion network.

    Three convolutions (5x5x32, 4x4x32, 5x5x64), each followed by 2x2 max-pooling, two fully connected layers and
    seven outputs; batch norm and ReLU after each layer. The first layer of the graph standardises each picture to
    zero mean and unit variance, so that exposure and contrast of the camera cancel out and every user of the ONNX file
    feeds plain grey levels.

    Input: float32 ``(N, 1, 42, 42)``, grey levels 0..255. Outputs: ``logits`` ``(N, 7)`` in the order of ``EMOTIONS``,
    as a tuple of one.
    """

    input_size = 42
    outputs = ("logits",)

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
        return (self.classifier(self.features(standardised(images))),)


class SqueezeExcitation(nn.Module):
    """Weighs the channels by what the whole picture shows (Hu et al., CVPR 2018)."""

    def __init__(self, channels, reduction=8):
        super().__init__()
        self.weights = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, channels // reduction, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels // reduction, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, features):
        return features * self.weights(features)


class EmotionBlock(nn.Module):
    """Two 3x3 convolutions with batch norm and squeeze-and-excitation around a shortcut (He et al., CVPR 2016).

    ``halved``: whether 2x2 max-pooling halves the picture first.
    """

    def __init__(self, inputs, outputs, halved):
        super().__init__()
        self.pooling = nn.MaxPool2d(2) if halved else nn.Identity()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            SqueezeExcitation(outputs),
        )
        if inputs == outputs:
            self.shortcut = nn.Identity()
        else:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.activation = nn.ReLU(inplace=True)

    def forward(self, features):
        features = self.pooling(features)
        return self.activation(self.body(features) + self.shortcut(features))


class ResNet42(nn.Module):
    """A residual network for 42x42 pictures with a quarter of the paper's network's parameters and more depth.

    Global average pooling stands in for its large fully connected layers, so that pictures of other sizes can be
    trained on, too: smaller ones at first, in half of the time.

    Two heads see the same features: one answers with FER2013's label, the other with what ten people would vote for
    (FER+), were all emotions equally frequent.

    Input: float32 ``(N, 1, 42, 42)``, grey levels 0..255. Outputs: ``logits`` and ``votes``, both ``(N, 7)`` logits in
    the order of ``EMOTIONS``.
    """

    input_size = 42
    outputs = ("logits", "votes")

    def __init__(self, stem=32, channels=(32, 96, 192), depths=(1, 2, 2), classes=7, dropout=0.3):
        super().__init__()
        layers = [
            nn.Conv2d(1, stem, 3, padding=1, bias=False),
            nn.BatchNorm2d(stem),
            nn.ReLU(inplace=True),
            nn.Conv2d(stem, channels[0], 3, stride=2, padding=1, bias=False),  # 42 -> 21
            nn.BatchNorm2d(channels[0]),
            nn.ReLU(inplace=True),
        ]
        inputs = channels[0]
        for stage, (outputs, depth) in enumerate(zip(channels, depths)):  # 21, 10, 5
            for block in range(depth):
                layers.append(EmotionBlock(inputs, outputs, halved=stage > 0 and block == 0))
                inputs = outputs
        self.features = nn.Sequential(*layers)
        self.pooling = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout))
        self.label_head = nn.Linear(inputs, classes)
        self.vote_head = nn.Linear(inputs, classes)

    def forward(self, images):
        features = self.pooling(self.features(standardised(images)))
        return self.label_head(features), self.vote_head(features)
