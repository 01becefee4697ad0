"""Between normalised images and pixels from 0 (black) to 1 (white), which colours are made for."""

from dataclasses import dataclass
from typing import Self

from torch import Tensor

from autotune.train.data.base import Dataset

__all__ = ["Pixels"]


@dataclass(frozen=True)
class Pixels:
    black: Tensor
    """(1, C, 1, 1): the smallest pixel of the train split, normalised"""
    span: Tensor
    """(1, C, 1, 1): from there to the largest one"""

    @classmethod
    def of(cls, data: Dataset) -> Self:
        """Black and white are the same for all channels, or their colours would shift."""
        x = data.train.x
        low = (x.amin((0, 2, 3), keepdim=True) * data.std + data.mean).min()
        high = (x.amax((0, 2, 3), keepdim=True) * data.std + data.mean).max()
        span = (high - low).where(high > low, 1.0)  # a black train split has no white
        return cls((low - data.mean) / data.std, span / data.std)

    def enter(self, x: Tensor) -> Tensor:
        """From normalised images to pixels; rounding leaves none below black or above white."""
        return (x - self.black).div_(self.span).clamp_(0, 1)

    def leave(self, pixels: Tensor) -> Tensor:
        return pixels * self.span + self.black
