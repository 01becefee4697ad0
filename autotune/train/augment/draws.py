"""Random numbers, one for each sample, from a given generator and on its device."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

__all__ = ["Draws", "Part", "beta", "chance", "dirichlet", "signed", "uniform", "whole"]

TINY = 1e-30  # keeps 0 / 0 out when alpha is so small that both gamma draws vanish


@dataclass(frozen=True)
class Part:
    """A generator for some samples of a batch: what is drawn, is drawn for all of them, and cut."""

    generator: Generator
    whole: int
    """Samples of the batch."""
    cut: Callable[[Tensor], Tensor]
    """(whole, ...) -> (B, ...)"""

    @property
    def device(self) -> torch.device:
        return self.generator.device


Draws = Generator | Part


def uniform(count: int, low: float, high: float, generator: Draws) -> Tensor:
    """(count,) in [low, high)"""
    drawn = each(count, generator, lambda n, g: torch.rand(n, generator=g, device=g.device))
    return drawn.mul_(high - low).add_(low)


def signed(count: int, size: float, generator: Draws) -> Tensor:
    """(count,) between -size and size"""
    return uniform(count, -size, size, generator)


def whole(count: int, low: int, high: int, generator: Draws) -> Tensor:
    """(count,) integers from low to high, both included"""

    def draw(n: int, g: Generator) -> Tensor:
        return torch.randint(low, high + 1, (n,), generator=g, device=g.device)

    return each(count, generator, draw)


def chance(count: int, probability: float, generator: Draws) -> Tensor:
    """(count,) booleans. 0 is never and 1 is always."""
    drawn = each(count, generator, lambda n, g: torch.rand(n, generator=g, device=g.device))
    return drawn < probability


def dirichlet(count: int, parts: int, alpha: float, generator: Draws) -> Tensor:
    """(count, parts) shares that sum to 1"""

    def draw(n: int, g: Generator) -> Tensor:
        shape = torch.full((n, parts), alpha, dtype=torch.float64, device=g.device)
        # torch.distributions draws so too, but takes no generator.
        return torch._standard_gamma(shape, g)

    drawn = each(count, generator, draw).clamp_(min=TINY)
    return (drawn / drawn.sum(1, keepdim=True)).float()


def beta(count: int, alpha: float, generator: Draws) -> Tensor:
    """(count,) of Beta(alpha, alpha)"""
    return dirichlet(count, 2, alpha, generator)[:, 0]


def each(count: int, generator: Draws, draw: Callable[[int, Generator], Tensor]) -> Tensor:
    """(count, ...) of `draw`. Several for each sample lie copy after copy of the batch."""
    if isinstance(generator, Generator):
        return draw(count, generator)
    times = count // len(generator.cut(torch.arange(generator.whole)))
    drawn = draw(times * generator.whole, generator.generator)
    return torch.cat([generator.cut(copy) for copy in drawn.split(generator.whole)])
