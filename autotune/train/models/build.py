"""The registry of networks: which module implements which config."""

from typing import assert_never

from torch import nn

from autotune.train.models import cnn, convnext, custom, mlp, resnet, vit, wide_resnet
from autotune.train.models.activations import ActivationConfig
from autotune.train.models.config import (
    CnnModel,
    ConvnextModel,
    CustomModel,
    MlpModel,
    ModelConfig,
    ResnetModel,
    TorchvisionModel,
    VitModel,
    WideResnetModel,
)

__all__ = ["build"]


def build(
    config: ModelConfig,
    shape: tuple[int, ...],
    outputs: int,
    activation: ActivationConfig | None = None,
) -> nn.Module:
    """A module from (B, *shape) to (B, outputs) whose last layer is linear.

    Without `activation` the network takes its `usual` one; torchvision's and the user's own
    networks always bring their own. Raises InvalidInput where the config does not fit the shape.
    """
    chosen = activation or config.usual
    match config:
        case MlpModel():
            return mlp.build(config, shape, outputs, chosen)
        case CnnModel():
            return cnn.build(config, shape, outputs, chosen)
        case ResnetModel():
            return resnet.build(config, shape, outputs, chosen)
        case WideResnetModel():
            return wide_resnet.build(config, shape, outputs, chosen)
        case ConvnextModel():
            return convnext.build(config, shape, outputs, chosen)
        case VitModel():
            return vit.build(config, shape, outputs, chosen)
        case TorchvisionModel():
            from autotune.train.models import torchvision  # which imports torchvision: 1 s

            return torchvision.build(config, shape, outputs)
        case CustomModel():
            return custom.build(config, shape, outputs)
        case _:
            assert_never(config)
