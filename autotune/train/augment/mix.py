"""Joining samples: mix(x, target, generator), target (B, K) numbers whose means make sense.

Every sample draws a share of its own, and a partner in the batch by one permutation of it. Shares
drawn for each sample, not for the batch as in the papers' own code: what one sample expects is the
same, and the mean over a batch varies less.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from autotune.train.augment.draws import beta, chance
from autotune.train.augment.erase import inside, rectangles

__all__ = ["Both", "CutMix", "Mix", "MixUp"]

Mix = Callable[[Tensor, Tensor, Generator], tuple[Tensor, Tensor]]


class MixUp:
    """(B, ...) samples of any shape; of rows (B, F), the last `codes` columns are categories."""

    def __init__(self, alpha: float, probability: float, codes: int = 0) -> None:
        self.alpha, self.probability, self.codes = alpha, probability, codes

    def __call__(self, x: Tensor, target: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        partner = permutation(x, generator)
        share = beta(len(x), self.alpha, generator)
        share = share.where(chance(len(x), self.probability, generator), 0)
        mixed = joined(x, x[partner], share)
        if self.codes:
            drawn = torch.rand(len(x), self.codes, generator=generator, device=x.device)
            taken = torch.where(
                drawn < share[:, None], x[partner, -self.codes :], x[:, -self.codes :]
            )
            mixed = torch.cat((mixed[:, : -self.codes], taken), 1)
        return mixed, joined(target, target[partner], share)


class CutMix:
    """(B, C, H, W) images."""

    def __init__(self, alpha: float, probability: float) -> None:
        self.alpha, self.probability = alpha, probability

    def __call__(self, x: Tensor, target: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        partner = permutation(x, generator)
        share = beta(len(x), self.alpha, generator)
        share = share.where(chance(len(x), self.probability, generator), 0)
        height, width = x.shape[2:]
        pasted = inside(rectangles(share, height, width, generator), height, width)
        mixed = torch.where(pasted, x[partner], x)
        # What was pasted, not what was drawn: a part of the rectangle may lie outside.
        return mixed, joined(target, target[partner], pasted.float().mean((1, 2, 3)))


class Both:
    """(B, C, H, W) images, each mixed by one of the two."""

    def __init__(
        self, mixup_alpha: float, cutmix_alpha: float, switch: float, probability: float
    ) -> None:
        self.mixup = MixUp(mixup_alpha, probability)
        self.cutmix = CutMix(cutmix_alpha, probability)
        self.switch = switch

    def __call__(self, x: Tensor, target: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        cut = chance(len(x), self.switch, generator)
        pasted, weighted = self.cutmix(x, target, generator), self.mixup(x, target, generator)
        return (
            torch.where(cut[:, None, None, None], pasted[0], weighted[0]),
            torch.where(cut[:, None], pasted[1], weighted[1]),
        )


def permutation(x: Tensor, generator: Generator) -> Tensor:
    return torch.randperm(len(x), generator=generator, device=generator.device)


def joined(own: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """(B, ...), of which `share` (B,) is the other's."""
    weight = share.to(own.dtype).view(-1, *[1] * (own.ndim - 1))
    return torch.lerp(own, other, weight)
