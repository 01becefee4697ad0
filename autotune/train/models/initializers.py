"""How weights are drawn, where torch's own function needs an argument."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import init

__all__ = ["he_normal", "he_uniform", "initialize", "normal"]


def initialize(model: nn.Module, fill: Callable[[Tensor], Tensor]) -> None:
    """Refill every linear and convolution weight with `fill`, and set their biases to 0."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Linear | nn.modules.conv._ConvNd):
                fill(module.weight)
                if module.bias is not None:
                    module.bias.zero_()


def he_uniform(weight: Tensor) -> Tensor:
    return init.kaiming_uniform_(weight, nonlinearity="relu")


def he_normal(weight: Tensor) -> Tensor:
    return init.kaiming_normal_(weight, nonlinearity="relu")


def normal(std: float) -> Callable[[Tensor], Tensor]:
    return lambda weight: init.normal_(weight, std=std)
