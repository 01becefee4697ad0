"""Between normalised images and pixels from 0 (black) to 1 (white), which colours are made for."""

from dataclasses import dataclass
from functools import lru_cache

from torch import Tensor, device

from autotune.train.data.base import Dataset

__all__ = ["Pixels", "pixels_of"]


@dataclass(frozen=True)
class Pixels:
    black: Tensor
    """(1, C, 1, 1): the smallest pixel of the train split, normalised"""
    span: Tensor
    """(1, C, 1, 1): from there to the largest one"""

    def enter(self, x: Tensor) -> Tensor:
        """From normalised images to pixels; rounding leaves none below black or above white."""
        return (x - self.black).div_(self.span).clamp_(0, 1)

    def to(self, place: device) -> "Pixels":
        return Pixels(self.black.to(place), self.span.to(place))

    def leave(self, pixels: Tensor) -> Tensor:
        return pixels * self.span + self.black


# As a pass over a large train split takes a while, and many trials of a process ask for it.
@lru_cache(maxsize=2)
def pixels_of(data: Dataset) -> Pixels:
    """Black and white are the same for all channels, or their colours would shift."""
    x, mean, std = data.train.x, data.mean, data.std
    low = (x.amin((0, 2, 3), keepdim=True).to(mean.device) * std + mean).min()
    high = (x.amax((0, 2, 3), keepdim=True).to(mean.device) * std + mean).max()
    span = (high - low).where(high > low, 1.0)  # a black train split has no white
    return Pixels((low - mean) / std, span / std)
