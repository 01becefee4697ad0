"""This process's share of a batch, and what is drawn for the whole of it.

Shapes: N samples of a part of a batch, of which this process has B.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from autotune.train.parallel.group import Team

__all__ = ["Share"]


class Share:
    """Rows in a row; where there are fewer samples than processes, some have none.

    A process without one runs its network on the first sample of all, which weighs nothing: it
    takes part in all that the others do.
    """

    def __init__(self, team: Team) -> None:
        self.team = team
        self.whole = 0
        """N while a batch is learnt from, else 0: judging draws nothing."""

    def __deepcopy__(self, memo: dict[int, Any]) -> "Share":
        return self

    @contextmanager
    def of(self, whole: int) -> Iterator[None]:
        self.whole = whole
        try:
            yield
        finally:
            self.whole = 0

    def sizes(self, whole: int) -> list[int]:
        """How many samples each process has."""
        places = range(self.team.size)
        return [len(range(*self._bounds(whole, place))) for place in places]

    def cut(self, samples: Tensor) -> Tensor:
        """(N, ...) -> (B, ...), or (1, ...) that weighs nothing."""
        start, stop = self._bounds(len(samples), self.team.place)
        return samples[start:stop] if stop > start else samples[:1]

    def mine(self, whole: int) -> int:
        return self.sizes(whole)[self.team.place]

    def kept(self, like: Tensor, p: float, wide: Team | None = None) -> Tensor:
        """0 with probability p, else 1 / (1 - p): (B, ...) of the (N, ...) that one process draws,
        by torch's own generator. `wide`: those among whom the last dimension is divided."""
        parts = wide.size if wide else 1
        # torch fills a mask in the order in which the sample lies in memory.
        order = sorted(range(1, like.ndim), key=lambda dim: -like.stride()[dim])
        whole = [*like.shape[:-1], like.shape[-1] * parts]
        size = [self.whole, *(whole[dim] for dim in order)]
        drawn = torch.empty(size, dtype=like.dtype, device=like.device).bernoulli_(1 - p)
        if p < 1:
            drawn.div_(1 - p)
        back = sorted(range(1, like.ndim), key=lambda dim: order[dim - 1])
        mine = self.cut(drawn.permute(0, *back))
        return mine.chunk(parts, -1)[wide.place] if wide else mine

    def _bounds(self, whole: int, place: int) -> tuple[int, int]:
        size = self.team.size
        return whole * place // size, whole * (place + 1) // size
