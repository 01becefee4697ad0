"""A multilayer perceptron."""

from math import prod

from torch import nn

from autotune.train.models.config import ActivationConfig, MlpModel

__all__ = ["build"]


def build(
    config: MlpModel, shape: tuple[int, ...], classes: int, activation: ActivationConfig
) -> nn.Module:
    layers: list[nn.Module] = [nn.Flatten()]  # (B, *shape) -> (B, features)
    features = prod(shape)
    for _ in range(config.depth):
        layers += [nn.Linear(features, config.width), activation.build()]
        if config.dropout:
            layers.append(nn.Dropout(config.dropout))
        features = config.width
    return nn.Sequential(*layers, nn.Linear(features, classes))
