"""Changes to the rows of a table: policy(x, generator), (B, F) standardised features."""

import torch
from torch import Generator, Tensor

from autotune.train.augment.config import TableConfig
from autotune.train.data.base import Dataset

__all__ = ["Table"]


class Table:
    def __init__(self, config: TableConfig, data: Dataset) -> None:
        self.config = config
        self.numbers = data.shape[0] - len(data.categories)
        """Columns that hold numbers; the codes of categories come after them."""

    def __call__(self, x: Tensor, generator: Generator) -> Tensor:
        if self.config.noise:
            drawn = torch.randn(len(x), self.numbers, generator=generator, device=x.device)
            drawn.mul_(self.config.noise)
            x = torch.cat((x[:, : self.numbers] + drawn, x[:, self.numbers :]), 1)
        if self.config.mask:
            drawn = torch.rand(x.shape, generator=generator, device=x.device)
            x = torch.where(drawn < self.config.mask, self.shown(x, generator), x)
        return x

    def shown(self, x: Tensor, generator: Generator) -> Tensor:
        """(B, F) or what broadcasts to it: the features' values where they are hidden."""
        if self.config.fill == "mean":
            return x.new_zeros(())  # the mean of a number, and the code of an unknown category
        # Each feature from a sample of its own, which a sort of random numbers chooses.
        order = torch.rand(x.shape, generator=generator, device=x.device).argsort(0)
        return x.gather(0, order)
