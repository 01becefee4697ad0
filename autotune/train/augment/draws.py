"""Random numbers, one for each sample, from a given generator and on its device."""

import torch
from torch import Generator, Tensor

__all__ = ["beta", "chance", "dirichlet", "signed", "uniform", "whole"]

TINY = 1e-30  # keeps 0 / 0 out when alpha is so small that both gamma draws vanish


def uniform(count: int, low: float, high: float, generator: Generator) -> Tensor:
    """(count,) in [low, high)"""
    drawn = torch.rand(count, generator=generator, device=generator.device)
    return drawn.mul_(high - low).add_(low)


def signed(count: int, size: float, generator: Generator) -> Tensor:
    """(count,) between -size and size"""
    return uniform(count, -size, size, generator)


def whole(count: int, low: int, high: int, generator: Generator) -> Tensor:
    """(count,) integers from low to high, both included"""
    return torch.randint(low, high + 1, (count,), generator=generator, device=generator.device)


def chance(count: int, probability: float, generator: Generator) -> Tensor:
    """(count,) booleans. 0 is never and 1 is always."""
    return torch.rand(count, generator=generator, device=generator.device) < probability


def dirichlet(count: int, parts: int, alpha: float, generator: Generator) -> Tensor:
    """(count, parts) shares that sum to 1"""
    shape = torch.full((count, parts), alpha, dtype=torch.float64, device=generator.device)
    # torch.distributions draws so too, but takes no generator.
    drawn = torch._standard_gamma(shape, generator).clamp_(min=TINY)
    return (drawn / drawn.sum(1, keepdim=True)).float()


def beta(count: int, alpha: float, generator: Generator) -> Tensor:
    """(count,) of Beta(alpha, alpha)"""
    return dirichlet(count, 2, alpha, generator)[:, 0]
