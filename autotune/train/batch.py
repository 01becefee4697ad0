"""What augmentation changes and the loss is told. Shapes: B samples, C classes."""

from typing import NamedTuple

from torch import Tensor

__all__ = ["Batch"]


class Batch(NamedTuple):
    rows: Tensor
    """(B,), int64: places in the train split"""
    x: Tensor
    """(B, F) or (B, C, H, W)"""
    y: Tensor
    """(B,): the true labels or values"""
    target: Tensor
    """y, or the (B, C) class probabilities that mixing made of it"""
    epoch: int
    """From 1."""
