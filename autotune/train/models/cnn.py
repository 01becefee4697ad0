"""A plain convolutional network."""

from math import ceil

from torch import nn

from autotune.train.models.activations import ActivationConfig
from autotune.train.models.config import CnnModel
from autotune.train.models.images import image
from autotune.train.models.norms import convolution
from autotune.train.models.residual import Concatenate, Residual

__all__ = ["build"]

Layers = list[nn.Module]


def build(
    config: CnnModel, shape: tuple[int, ...], outputs: int, activation: ActivationConfig
) -> nn.Module:
    channels, height, width = image(shape, "cnn")
    make = {"plain": plain, "residual": residual, "dense": dense}[config.connections]
    layers: Layers = []
    for block in range(config.blocks):
        made, channels = make(config, channels, block, activation)
        layers += made
        if min(height, width) > 1:  # a small image may be used up before the blocks are
            layers.append(nn.MaxPool2d(2))
            height, width = height // 2, width // 2
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]  # (B, C, H, W) -> (B, C)
    if config.dropout:
        layers.append(nn.Dropout(config.dropout))
    return nn.Sequential(*layers, nn.Linear(channels, outputs))


def plain(
    config: CnnModel, channels: int, block: int, activation: ActivationConfig
) -> tuple[Layers, int]:
    wider = config.channels * 2**block
    layers: Layers = []
    for _ in range(config.convs):
        layers += [*convolution(channels, wider, 3, config.norm), activation.build()]
        channels = wider
    return layers, wider


def residual(
    config: CnnModel, channels: int, block: int, activation: ActivationConfig
) -> tuple[Layers, int]:
    layers, wider = plain(config, channels, block, activation)
    *branch, after = layers
    place = (block + 1) / config.blocks
    shortcut = nn.Conv2d(channels, wider, 1, bias=False) if channels != wider else None
    return [Residual(nn.Sequential(*branch), config, place, None, shortcut, after)], wider


def dense(
    config: CnnModel, channels: int, block: int, activation: ActivationConfig
) -> tuple[Layers, int]:
    """A block adds as many channels as a plain one has, its convolutions an equal share each."""
    share = ceil(config.channels * 2**block / config.convs)
    layers: Layers = []
    for _ in range(config.convs):
        branch = nn.Sequential(*convolution(channels, share, 3, config.norm), activation.build())
        layers.append(Concatenate(branch))
        channels += share
    return layers, channels
