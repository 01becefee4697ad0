"""How accurate predictions are. Shapes: N samples, C classes."""

import torch
from torch import Tensor

__all__ = ["accuracy", "confusion", "r2"]


def accuracy(said: Tensor, y: Tensor) -> float:
    return float((said == y).double().mean())


def confusion(said: Tensor, y: Tensor, classes: int) -> Tensor:
    """(C, C) counts: a row for each true class, a column for each answer."""
    return torch.bincount(y * classes + said, minlength=classes**2).view(classes, classes)


def r2(said: Tensor, y: Tensor) -> float:
    """The share of the variance of y that is explained: 1 is perfect, 0 is the mean's."""
    rest = (y - said).double().square().sum()
    return float(1 - rest / (y - y.mean()).double().square().sum())
