"""Magnitude pruning: masks by torch.nn.utils.prune, weights that keep their names.

The mask of an epoch follows from the weights and the epoch alone, so a resume needs no mask: what
was pruned is 0, and the smallest.
"""

from collections.abc import Callable
from math import ceil, floor

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils.prune import L1Unstructured
from torch.optim import Optimizer

from autotune.train.prune.config import MagnitudePruning

__all__ = ["Magnitude", "masks", "prunable", "sparsity_at"]


class Magnitude:
    """begin(epoch) prunes; hold() keeps what is pruned at 0 after an optimizer step.

    `models`: the trained one, and any running average of it. `decided`: what a mask goes through
    before it is used, such as to be the same in several processes.
    """

    def __init__(
        self,
        config: MagnitudePruning,
        models: list[nn.Module],
        optimizer: Optimizer,
        epochs: int,
        decided: Callable[[Tensor], Tensor] = lambda mask: mask,
    ) -> None:
        self.config, self.optimizer, self.epochs = config, optimizer, epochs
        self.decided = decided
        self.weights, *self.averages = (prunable(model) for model in models)
        self.kept: list[Tensor] = []  # 1 where a weight stays; empty while nothing is pruned

    @torch.no_grad()
    def begin(self, epoch: int) -> None:
        sparsity = sparsity_at(self.config, epoch, self.epochs)
        kept = masks(self.weights, sparsity, self.config.scope) if sparsity else []
        self.kept = [self.decided(mask.contiguous()) for mask in kept]
        self.hold()
        for average in self.averages if self.kept else ():
            torch._foreach_mul_(average, self.kept)

    @torch.no_grad()
    def hold(self) -> None:
        if not self.kept:
            return
        torch._foreach_mul_(self.weights, self.kept)
        for weight, kept in zip(self.weights, self.kept, strict=True):
            # Schedule-free judges a mix of the weights and of what it keeps here.
            base = self.optimizer.state.get(weight, {}).get("z")
            if base is not None:
                base.mul_(kept)


def sparsity_at(config: MagnitudePruning, epoch: int, epochs: int) -> float:
    """The share of zeros in `epoch`, counted from 1: Zhu & Gupta 2017, equation 1, from 0."""
    dense = min(floor(config.start * epochs), epochs - 1)  # the last epoch is always pruned
    last = max(dense + 1, ceil(config.end * epochs))
    if epoch <= dense:
        return 0.0
    if epoch >= last or config.schedule == "one_shot":
        return config.sparsity
    power = 3 if config.schedule == "cubic" else 1
    return config.sparsity * (1 - (1 - (epoch - dense) / (last - dense)) ** power)


def prunable(model: nn.Module) -> list[Tensor]:
    """The weights of dense, convolutional and attention layers, each once."""
    found: dict[int, Tensor] = {}
    for module in model.modules():
        if isinstance(module, nn.Linear | _ConvNd):
            found[id(module.weight)] = module.weight
        elif isinstance(module, nn.MultiheadAttention) and module.in_proj_weight is not None:
            found[id(module.in_proj_weight)] = module.in_proj_weight
    return list(found.values())


def masks(weights: list[Tensor], sparsity: float, scope: str) -> list[Tensor]:
    """For each weight 1, or 0 where it is among the smallest share of all, or of its layer."""
    if scope == "layer":
        return [mask(weight.detach().flatten(), sparsity).view(weight.shape) for weight in weights]
    whole = mask(torch.cat([weight.detach().flatten() for weight in weights]), sparsity)
    parts = whole.split([weight.numel() for weight in weights])
    return [part.view(weight.shape) for part, weight in zip(parts, weights, strict=True)]


def mask(values: Tensor, sparsity: float) -> Tensor:
    amount = round(sparsity * len(values))
    kept: Tensor = L1Unstructured(amount).compute_mask(values, torch.ones_like(values))
    return kept
