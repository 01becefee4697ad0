"""What augmentation changes and the loss is told. Shapes: B samples, C classes."""

from collections.abc import Callable
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

    def map(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        """With all that has a row for each sample changed."""
        rows, x, y, target = change(self.rows), change(self.x), change(self.y), change(self.target)
        return Batch(rows, x, y, target, self.epoch)
