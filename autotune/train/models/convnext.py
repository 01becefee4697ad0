"""ConvNeXt for small images."""

from torch import nn

from autotune.train.models.activations import ActivationConfig
from autotune.train.models.config import ConvnextModel
from autotune.train.models.images import image, pad
from autotune.train.models.norms import LayerNorm2d
from autotune.train.models.residual import Residual
from autotune.train.models.weights import initialize, normal

__all__ = ["build"]

Layers = list[nn.Module]


def build(
    config: ConvnextModel, shape: tuple[int, ...], outputs: int, activation: ActivationConfig
) -> nn.Module:
    channels, height, width = image(shape, "convnext")
    patch, wider = config.patch, config.width
    layers: Layers = pad(height, width, patch)
    layers += [nn.Conv2d(channels, wider, patch, patch), LayerNorm2d(wider)]
    height, width, channels = -(-height // patch), -(-width // patch), wider
    blocks = config.stages * config.depth
    for number in range(blocks):
        stage, position = divmod(number, config.depth)
        if stage and not position:
            wider = 2 * channels
            # A small image may be used up before the stages are.
            side = (min(2, height), min(2, width))
            layers += [LayerNorm2d(channels), nn.Conv2d(channels, wider, side, side)]
            height, width, channels = height // side[0], width // side[1], wider
        layers.append(block(config, channels, activation, (number + 1) / blocks))
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(channels)]
    if config.dropout:
        layers.append(nn.Dropout(config.dropout))
    model = nn.Sequential(*layers, nn.Linear(channels, outputs))
    # The paper's fixed spread of 0.02 is meant for its widths; this fits small ones as well.
    initialize(model, normal(1.0))
    return model


def block(
    config: ConvnextModel, channels: int, activation: ActivationConfig, place: float
) -> Residual:
    branch = nn.Sequential(
        nn.Conv2d(channels, channels, 7, padding=3, groups=channels),
        LayerNorm2d(channels),
        nn.Conv2d(channels, 4 * channels, 1),
        activation.build(),
        nn.Conv2d(4 * channels, channels, 1),
    )
    return Residual(branch, config, place)
