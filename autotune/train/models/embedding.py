"""Learned vectors for the categories of a table, before any network of flat samples.

Shapes: B samples, F columns, the last of them K codes of categories.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

__all__ = ["Embedded", "embedded", "widths"]


class Embedded(nn.Module):
    """Each code becomes a vector; the network sees them beside the numbers."""

    def __init__(self, tables: Sequence[nn.Embedding], model: nn.Module) -> None:
        super().__init__()
        self.tables = nn.ModuleList(tables)
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, F)"""
        numbers, codes = x[:, : -len(self.tables)], x[:, -len(self.tables) :].long()
        vectors = [table(codes[:, place]) for place, table in enumerate(self.tables)]
        return self.model(torch.cat([numbers, *vectors], dim=1))  # type: ignore[no-any-return]


def embedded(
    columns: int,
    categories: Sequence[int],
    width: int | None,
    build: Callable[[tuple[int, ...]], nn.Module],
) -> nn.Module:
    """What `build` makes of the shape of a sample, behind vectors of `width` for the categories.

    None: min(600, 1.6 * values ** 0.56), as in fastai (Howard & Gugger 2020).
    """
    sizes = widths(categories, width)
    tables = [nn.Embedding(*size) for size in zip(categories, sizes, strict=True)]
    for table in tables:
        bound = table.embedding_dim**-0.5  # Gorishniy et al. 2021: vectors of length 1 or so
        nn.init.uniform_(table.weight, -bound, bound)
    return Embedded(tables, build((columns - len(categories) + sum(sizes),)))


def widths(categories: Sequence[int], width: int | None) -> list[int]:
    """The length of each category's vector."""
    return [width or min(600, round(1.6 * values**0.56)) for values in categories]
