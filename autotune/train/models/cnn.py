"""A plain convolutional network."""

from math import gcd

from torch import nn

from autotune.errors import InvalidInput, Problem
from autotune.train.models.config import ActivationConfig, CnnModel

__all__ = ["build"]


def build(
    config: CnnModel, shape: tuple[int, ...], classes: int, activation: ActivationConfig
) -> nn.Module:
    if len(shape) != 3:
        message = f"`model` cnn needs images (C, H, W), but the samples of `data` are {shape}"
        raise InvalidInput([Problem(message, ("model", "name"))])
    channels, height, width = shape
    layers: list[nn.Module] = []
    for block in range(config.blocks):
        wider = config.channels * 2**block
        layers.append(nn.Conv2d(channels, wider, 3, padding=1, bias=False))
        # Groups, not batches: the same numbers whatever part of a batch is computed at once.
        layers.append(nn.GroupNorm(gcd(wider, 8), wider))
        layers.append(activation.build())
        if min(height, width) > 1:  # a small image may be used up before the blocks are
            layers.append(nn.MaxPool2d(2))
            height, width = height // 2, width // 2
        channels = wider
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]  # (B, C, H, W) -> (B, C)
    if config.dropout:
        layers.append(nn.Dropout(config.dropout))
    return nn.Sequential(*layers, nn.Linear(channels, classes))
