"""Weights and temperatures over the epochs: pure in the epoch, but for the learned temperature."""

from collections.abc import Callable
from math import cos, log, pi
from typing import Any

import torch
from torch import Tensor, nn

from autotune.train.distill.config import HIGHEST, LOWEST, Tempered

__all__ = ["LearnedTemperature", "over_epochs", "temperature"]

LOOPS = 10  # epochs in which the curriculum hardens, as in the paper


def over_epochs(kind: str, start: float, end: float, epochs: int) -> Callable[[int], float]:
    """value(epoch), from `start` in epoch 1 to `end` in the last; constant: `start` throughout."""

    def value(epoch: int) -> float:
        if kind == "constant":
            return start
        way = (epoch - 1) / max(1, epochs - 1)
        if kind == "cosine":
            way = (1 - cos(pi * way)) / 2
        return start + (end - start) * way

    return value


def temperature(config: Tempered, epochs: int) -> Callable[[int], float | Tensor]:
    """temperature(epoch) by the config; a module with a parameter where it is learned."""
    if config.temperature_schedule == "learned":
        return LearnedTemperature(config.temperature)
    kind, start, end = config.temperature_schedule, config.temperature, config.temperature_end
    return over_epochs(kind, start, end, epochs)


class LearnedTemperature(nn.Module):
    """CTKD, Li et al. 2023: one parameter that climbs the loss the student descends.

    Its gradient is turned round and weighted from nearly 0 to 1 over the first ten epochs, so
    that the task begins easy.
    """

    def __init__(self, start: float) -> None:
        super().__init__()
        share = (start - LOWEST) / (HIGHEST - LOWEST)
        self.position = nn.Parameter(torch.tensor(log(share / (1 - share))))

    def forward(self, epoch: int) -> Tensor:
        hardness = (1 - cos(pi * min(epoch, LOOPS) / LOOPS)) / 2
        position: Tensor = _Reversed.apply(self.position, hardness)
        return LOWEST + (HIGHEST - LOWEST) * position.sigmoid()


class _Reversed(torch.autograd.Function):
    """The identity, whose gradient is turned round and scaled (Ganin & Lempitsky 2015)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.scale * gradients[0], None
