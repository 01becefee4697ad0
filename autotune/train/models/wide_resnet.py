"""A wide residual network: normalisation and activation stand before the convolutions."""

from torch import nn

from autotune.train.models.activations import ActivationConfig
from autotune.train.models.config import WideResnetModel
from autotune.train.models.images import image
from autotune.train.models.norms import norm2d
from autotune.train.models.residual import Residual
from autotune.train.models.weights import initialize, normal

__all__ = ["build"]

Layers = list[nn.Module]

STEM = 16
STAGES = (16, 32, 64)


def build(
    config: WideResnetModel, shape: tuple[int, ...], outputs: int, activation: ActivationConfig
) -> nn.Module:
    channels = image(shape, "wide_resnet")[0]
    layers: Layers = [nn.Conv2d(channels, STEM, 3, padding=1, bias=False)]
    channels, blocks = STEM, len(STAGES) * config.depth
    for number in range(blocks):
        stage, position = divmod(number, config.depth)
        stride = 2 if stage and not position else 1
        wider = STAGES[stage] * config.widen
        place = (number + 1) / blocks
        layers.append(block(config, channels, wider, stride, activation, place))
        channels = wider
    layers += bend(config, channels, activation)
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]  # (B, C, H, W) -> (B, C)
    model = nn.Sequential(*layers, nn.Linear(channels, outputs))
    initialize(model, normal(activation.gain))
    return model


def block(
    config: WideResnetModel,
    channels: int,
    wider: int,
    stride: int,
    activation: ActivationConfig,
    place: float,
) -> Residual:
    before = nn.Sequential(*bend(config, channels, activation))
    dropout: Layers = [nn.Dropout(config.dropout)] if config.dropout else []
    branch = nn.Sequential(
        nn.Conv2d(channels, wider, 3, stride, padding=1, bias=False),
        *bend(config, wider, activation),
        *dropout,
        nn.Conv2d(wider, wider, 3, padding=1, bias=False),
    )
    if channels == wider:
        return Residual(nn.Sequential(*before, *branch), config, place)
    # Where the sum changes its size, the shortcut too starts from the activation (He et al. 2016b).
    shortcut = nn.Conv2d(channels, wider, 1, stride, bias=False)
    return Residual(branch, config, place, before, shortcut)


def bend(config: WideResnetModel, channels: int, activation: ActivationConfig) -> Layers:
    return [*norm2d(config.norm, channels), activation.build()]
