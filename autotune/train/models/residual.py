"""Branches beside a path that goes straight through."""

import torch
from torch import Tensor, nn

from autotune.train.models.config import ResidualModel

__all__ = ["Concatenate", "Residual"]

LAYER_SCALE = 0.1
"""Where LayerScale starts: CaiT's value for up to 18 blocks (Touvron et al. 2021, section 2)."""


class Residual(nn.Module):
    """after(shortcut(x) + drop(scale * branch(x))), with x = before(input)."""

    def __init__(
        self,
        branch: nn.Sequential,
        config: ResidualModel,
        place: float,
        before: nn.Module | None = None,
        shortcut: nn.Module | None = None,
        after: nn.Module | None = None,
    ) -> None:
        """`place` is the block's in the network, above 0 at the first and 1 at the last: stochastic
        depth drops later blocks more often (Huang et al. 2016)."""
        super().__init__()
        last = final(branch)
        self.scale = scale(config.residual_scale, last)
        self.flat = isinstance(last, nn.Linear)  # channels come last, not before height and width
        self.before = before or nn.Identity()
        self.branch = branch
        self.shortcut = shortcut or nn.Identity()
        self.drop = drop_path(config.stochastic_depth * place)
        self.after = after or nn.Identity()
        self.zero_last = config.zero_last
        self.start()

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        y = self.branch(x)
        if self.scale is not None:
            y = y * (self.scale if self.flat else self.scale[:, None, None])
        out: Tensor = self.after(self.shortcut(x) + self.drop(y))
        return out

    def start(self) -> None:
        """Where it is asked for, the branch's last layer answers 0 (Goyal et al. 2017, 5.1)."""
        if self.zero_last:
            for parameter in final(self.branch).parameters():
                nn.init.zeros_(parameter)


class Concatenate(nn.Module):
    """Hands on its input, with what `branch` makes of it beside it (Huang et al. 2017)."""

    def __init__(self, branch: nn.Sequential) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.branch(x)], 1)


def scale(kind: str, last: nn.Module) -> nn.Parameter | None:
    """A factor on the branch: one number from 0 (ReZero: Bachlechner et al. 2021), or one a
    channel (LayerScale: Touvron et al. 2021)."""
    if kind == "none":
        return None
    if kind == "rezero":
        return nn.Parameter(torch.zeros(1))
    assert isinstance(last.weight, Tensor)
    # One dimension, also for images: what has more is taken for a weight, and decays.
    return nn.Parameter(torch.full((len(last.weight),), LAYER_SCALE))


def drop_path(rate: float) -> nn.Module:
    """Drops whole samples of what comes in; those that stay are scaled up to make up for it."""
    if not rate:
        return nn.Identity()
    from torchvision.ops import StochasticDepth

    dropping: nn.Module = StochasticDepth(rate, "row")
    return dropping


def final(branch: nn.Sequential) -> nn.Module:
    """The last module of a branch that has a weight."""
    return [module for module in branch.modules() if hasattr(module, "weight")][-1]
