"""The user's own network."""

from torch import nn

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
    return model
