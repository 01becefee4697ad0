"""The way from raw numbers to the network's input, as a part of the exported network.

Shapes: B samples; F columns of a table, the last K of them codes of categories.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from autotune.train.data.raw import Column

__all__ = ["Front"]


class Front(nn.Module):
    """Fills gaps, marks them and normalises: the same to the last bit as a data set's own."""

    medians: Tensor
    marked: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, columns: Sequence[Column], mean: Tensor, std: Tensor) -> None:
        """`mean` and `std`: those of the data set, which broadcast over the network's input."""
        super().__init__()
        numbers = [column for column in columns if column.kind == "number"]
        self.numbers = len(numbers)
        self.fills = any(column.median is not None for column in numbers)
        medians = [0.0 if column.median is None else column.median for column in numbers]
        marked = [place for place, column in enumerate(numbers) if column.marked]
        self.register_buffer("medians", torch.tensor(medians, dtype=torch.float32))
        self.register_buffer("marked", torch.tensor(marked, dtype=torch.long))
        self.register_buffer("mean", mean.detach().cpu().clone())
        self.register_buffer("std", std.detach().cpu().clone())

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, F), where NaN is a missing number, or (B, C, H, W)."""
        if self.fills:
            numbers, codes = x[:, : self.numbers], x[:, self.numbers :]
            gaps = numbers.isnan()
            filled = torch.where(gaps, self.medians, numbers)
            x = torch.cat([filled, gaps[:, self.marked].to(x.dtype), codes], dim=1)
        return (x - self.mean) / self.std
