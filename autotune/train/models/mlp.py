"""A multilayer perceptron."""

from math import prod

from torch import nn

from autotune.train.models.activations import ActivationConfig
from autotune.train.models.config import MlpModel
from autotune.train.models.norms import norm1d
from autotune.train.models.residual import Concatenate, Residual

__all__ = ["build"]

Layers = list[nn.Module]


def build(
    config: MlpModel, shape: tuple[int, ...], outputs: int, activation: ActivationConfig
) -> nn.Module:
    features = prod(shape)
    make = {"plain": plain, "residual": residual, "dense": dense}[config.connections]
    layers, last = make(config, features, activation)
    # (B, *shape) -> (B, features)
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(last, outputs))


def plain(config: MlpModel, features: int, activation: ActivationConfig) -> tuple[Layers, int]:
    layers: Layers = []
    for _ in range(config.depth):
        layers += [nn.Linear(features, config.width), *bend(config, activation)]
        features = config.width
    return layers, features


def residual(config: MlpModel, features: int, activation: ActivationConfig) -> tuple[Layers, int]:
    width = config.width
    layers: Layers = [nn.Linear(features, width)]
    for level in range(1, config.depth):
        branch = nn.Sequential(*bend(config, activation), nn.Linear(width, width))
        layers.append(Residual(branch, config, level / (config.depth - 1)))
    return [*layers, *bend(config, activation)], width


def dense(config: MlpModel, features: int, activation: ActivationConfig) -> tuple[Layers, int]:
    layers: Layers = []
    for _ in range(config.depth):
        layer = nn.Linear(features, config.width)
        layers.append(Concatenate(nn.Sequential(layer, *bend(config, activation))))
        features += config.width
    return layers, features


def bend(config: MlpModel, activation: ActivationConfig) -> Layers:
    """What follows a linear layer."""
    dropout: Layers = [nn.Dropout(config.dropout)] if config.dropout else []
    return [*norm1d(config.norm, config.width), activation.build(), *dropout]
