"""Policies that choose their transforms by themselves: policy(x, generator), images to images.

x is (B, C, H, W), normalised, with 1 or 3 channels.
"""

import torch
from torch import Tensor

from autotune.train.augment import config as configs
from autotune.train.augment.basic import framed
from autotune.train.augment.draws import Draws, beta, dirichlet, uniform, whole
from autotune.train.augment.erase import cutout
from autotune.train.augment.pixels import pixels_of
from autotune.train.augment.transforms import (
    MIXED,
    RANDOM,
    Choice,
    Transform,
    carried,
    chosen,
    wide,
)
from autotune.train.data.base import Dataset

__all__ = ["AugMix", "RandAugment", "TrivialAugment"]

STRENGTHS = 30  # of RandAugment and TrivialAugment; AugMix counts to 10
MOVES = (*MIXED, Transform("identity"))


class Automatic:
    """Flips and crops, then `change` on pixels from 0 to 1, then a hole."""

    def __init__(self, config: configs.PolicyBase, data: Dataset) -> None:
        self.frame = config
        self.pixels = pixels_of(data)

    def __call__(self, x: Tensor, generator: Draws) -> Tensor:
        x = framed(self.frame, x, self.pixels, generator)
        x = self.pixels.leave(self.change(self.pixels.enter(x), generator))
        return cutout(x, self.frame.cutout, generator) if self.frame.cutout else x

    def change(self, p: Tensor, generator: Draws) -> Tensor:
        raise NotImplementedError


class RandAugment(Automatic):
    def __init__(self, config: configs.RandAugment, data: Dataset) -> None:
        super().__init__(config, data)
        self.n, self.level = config.n, config.m / STRENGTHS

    def change(self, p: Tensor, generator: Draws) -> Tensor:
        level = torch.full((len(p),), self.level, device=p.device)
        return carried(p, RANDOM, [chosen(RANDOM, level, generator) for _ in range(self.n)])


class TrivialAugment(Automatic):
    def __init__(self, config: configs.TrivialAugment, data: Dataset) -> None:
        super().__init__(config, data)
        self.transforms = wide(max(data.shape[1:]))

    def change(self, p: Tensor, generator: Draws) -> Tensor:
        level = whole(len(p), 0, STRENGTHS, generator) / STRENGTHS
        return carried(p, self.transforms, [chosen(self.transforms, level, generator)])


class AugMix(Automatic):
    def __init__(self, config: configs.AugMix, data: Dataset) -> None:
        super().__init__(config, data)
        self.config = config

    def change(self, p: Tensor, generator: Draws) -> Tensor:
        config, count = self.config, len(p)
        copies = p.repeat(config.width, 1, 1, 1)  # (width * B, C, H, W)
        chains = carried(copies, MOVES, self.choices(len(copies), generator))
        shares = dirichlet(count, config.width, config.alpha, generator)  # (B, width)
        mean = torch.einsum("nbchw,bn->bchw", chains.view(config.width, *p.shape), shares)
        share = beta(count, config.alpha, generator)[:, None, None, None]
        return torch.lerp(p, mean, share)

    def choices(self, chains: int, generator: Draws) -> list[Choice]:
        """Every chain's transforms, one after the other; a chain that has ended stays as it is."""
        config = self.config
        depth = whole(chains, config.depth or 1, config.depth or 3, generator)
        found = []
        for step in range(config.depth or 3):
            level = uniform(chains, 0.1, config.severity, generator) / 10
            choice = chosen(MIXED, level, generator)
            found.append(Choice(choice.which.where(step < depth, len(MIXED)), choice.amount))
        return found
