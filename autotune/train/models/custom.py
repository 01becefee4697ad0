"""The user's own network."""

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from autotune.errors import InvalidInput, Problem
from autotune.train.function import resolve
from autotune.train.models.config import CustomModel

__all__ = ["build"]


def build(config: CustomModel, shape: tuple[int, ...], outputs: int) -> nn.Module:
    at = ("model", "build")
    model = resolve(config.function, at)(shape, outputs, **config.args)
    if not isinstance(model, nn.Module):
        kind = type(model).__name__
        message = f"`model.build`: {config.function} must give a torch.nn.Module, got {kind}"
        raise InvalidInput([Problem(message, at)])
    if any(map(is_lazy, [*model.parameters(), *model.buffers()])):
        _initialised(model, shape)
    return model


def _initialised(model: nn.Module, shape: tuple[int, ...]) -> None:
    """Lazy modules get their weights in a first call: optimizers need them before."""
    with torch.no_grad():
        model.eval()(torch.zeros(1, *shape))
    model.train()
