"""A residual network, with a stem for small images or for large ones."""

from torch import nn

from autotune.train.models.activations import ActivationConfig
from autotune.train.models.config import ResnetModel
from autotune.train.models.images import image
from autotune.train.models.norms import convolution
from autotune.train.models.residual import Residual
from autotune.train.models.weights import initialize, normal

__all__ = ["build"]

Layers = list[nn.Module]

CHANNELS = 16
EXPANSION = 4
"""Channels after a bottleneck, for one inside it."""
LARGE = 96
"""Pixels of the side from which the large stem is worth its loss of detail."""


def build(
    config: ResnetModel, shape: tuple[int, ...], outputs: int, activation: ActivationConfig
) -> nn.Module:
    channels, height, width = image(shape, "resnet")
    large = config.stem == "large" or (config.stem == "auto" and min(height, width) >= LARGE)
    first = max(1, round(CHANNELS * config.width))
    layers = stem(config, channels, first, large, activation)
    channels, blocks = first, config.stages * config.depth
    for number in range(blocks):
        stage, position = divmod(number, config.depth)
        stride = 2 if stage and not position else 1
        place = (number + 1) / blocks
        planes = first * 2**stage
        layers.append(block(config, channels, planes, stride, activation, place))
        channels = planes * EXPANSION if config.block == "bottleneck" else planes
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]  # (B, C, H, W) -> (B, C)
    if config.dropout:
        layers.append(nn.Dropout(config.dropout))
    model = nn.Sequential(*layers, nn.Linear(channels, outputs))
    initialize(model, normal(activation.gain))
    return model


def stem(
    config: ResnetModel, channels: int, wider: int, large: bool, activation: ActivationConfig
) -> Layers:
    kernel, stride = (7, 2) if large else (3, 1)
    layers = convolution(channels, wider, kernel, config.norm, stride)
    layers.append(activation.build())
    return [*layers, nn.MaxPool2d(3, 2, 1)] if large else layers


def block(
    config: ResnetModel,
    channels: int,
    planes: int,
    stride: int,
    activation: ActivationConfig,
    place: float,
) -> Residual:
    norm = config.norm
    if config.block == "bottleneck":
        wider = planes * EXPANSION
        convolutions = [
            convolution(channels, planes, 1, norm),
            convolution(planes, planes, 3, norm, stride),
            convolution(planes, wider, 1, norm),
        ]
    else:
        wider = planes
        convolutions = [
            convolution(channels, planes, 3, norm, stride),
            convolution(planes, planes, 3, norm),
        ]
    *inner, last = convolutions
    branch = [module for part in inner for module in (*part, activation.build())]
    shortcut = None
    if stride > 1 or channels != wider:
        shortcut = nn.Sequential(*convolution(channels, wider, 1, norm, stride))
    return Residual(
        nn.Sequential(*branch, *last), config, place, None, shortcut, activation.build()
    )
