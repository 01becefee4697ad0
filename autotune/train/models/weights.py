"""Initializes the weights of a network."""

from collections.abc import Callable
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import init

from autotune.train.models.residual import Residual

__all__ = ["initialize", "normal", "truncated_normal", "uniform"]

Fill = Callable[[Tensor], Tensor]

CUT_AT_TWO = 0.87962566103423978
"""Standard deviation of a standard normal variable that is kept between -2 and 2."""


def initialize(model: nn.Module, fill: Fill) -> None:
    """Reinitialize every linear and convolution weight with `fill`, and set their biases to 0.

    A grouped convolution is filled group by group, each like a convolution of its own. The last
    layer of a residual branch that starts at 0 stays at 0.
    """
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Linear | nn.modules.conv._ConvNd):
                for part in module.weight.chunk(getattr(module, "groups", 1)):
                    fill(part)
                if module.bias is not None:
                    module.bias.zero_()
        for module in model.modules():
            if isinstance(module, Residual):
                module.start()


def normal(gain: float) -> Fill:
    """Of variance gain^2 / inputs."""
    return lambda weight: init.normal_(weight, std=gain / sqrt(inputs(weight)))


def uniform(gain: float) -> Fill:
    """Of variance gain^2 / inputs."""

    def fill(weight: Tensor) -> Tensor:
        bound = gain * sqrt(3 / inputs(weight))
        return init.uniform_(weight, -bound, bound)

    return fill


def truncated_normal(std: float) -> Fill:
    whole = std / CUT_AT_TWO
    return lambda weight: init.trunc_normal_(weight, std=whole, a=-2 * whole, b=2 * whole)


def inputs(weight: Tensor) -> int:
    """Fan-in: the number of inputs of one output."""
    return weight[0].numel()
