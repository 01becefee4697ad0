"""Layers whose numbers depend on the whole batch, in several processes.

They take the place of a network's own by their class alone: weights, names and hooks stay. While
nothing is learnt they are what they were.

Shapes: B samples of this process, C channels.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from autotune.train.models.norms import BatchNorm1d, BatchNorm2d, by_history
from autotune.train.parallel.group import Team
from autotune.train.parallel.share import Share

__all__ = ["SharedBatchNorm", "SharedDropout", "share_modules"]


def share_modules(model: nn.Module, share: Share, masks: bool) -> None:
    """`masks`: dropout and stochastic depth too. Not of a network that draws in ways of its own,
    whose order of draws would not be one process's."""
    for module in model.modules():
        if type(module) in (nn.BatchNorm1d, nn.BatchNorm2d, BatchNorm1d, BatchNorm2d):
            become(module, SharedBatchNorm, share)
        elif masks and type(module) is nn.Dropout:
            become(module, SharedDropout, share)
        elif masks and type(module).__name__ == "StochasticDepth":
            become(module, SharedDepth, share)


def become(module: nn.Module, kind: type[nn.Module], share: Share) -> None:
    module.was, module.share = type(module), share  # type: ignore[assignment]
    module.__class__ = kind


class SharedDropout(nn.Dropout):
    """The mask of one process, cut."""

    share: Share
    wide: Team | None = None
    """Those among whom the features are divided."""

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and self.p and self.share.whole):
            return super().forward(x)
        return x * self.share.kept(x, self.p, self.wide)


class SharedDepth(nn.Module):
    """torchvision.ops.StochasticDepth in mode "row", likewise."""

    share: Share
    p: float

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and self.p and self.share.whole):
            return x
        each = x.new_empty((len(x), *[1] * (x.ndim - 1)))
        return x * self.share.kept(each, self.p)


class SharedBatchNorm(_BatchNorm):
    """Statistics of all samples: the mean first, then the squared deviations from it.

    The difference of two large numbers, E[x^2] - mean^2, would lose most digits.
    """

    share: Share
    was: type[_BatchNorm]

    def _check_input_dim(self, input: Tensor) -> None:
        pass  # the layer that it was has seen such samples

    def forward(self, x: Tensor) -> Tensor:
        learning = self.training and self.share.whole
        count = self.share.whole if learning else len(x)
        values = count * (x[0].numel() // self.num_features)  # of a channel, in all
        if self.training and values == 1 and issubclass(self.was, BatchNorm1d | BatchNorm2d):
            return by_history(self, x)
        if not learning:
            return super().forward(x)
        mine = self.share.mine(self.share.whole)
        wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        out, mean, variance = _normalised(wide, self.eps, values, mine > 0, self.share.team)
        self._remember(mean, variance * (values / max(1, values - 1)))
        if self.affine:
            shape = (1, -1, *[1] * (x.ndim - 2))
            out = out * self.weight.view(shape) + self.bias.view(shape)
        rounded: Tensor = out.to(x.dtype)
        return rounded

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        part = self.momentum
        if part is None:  # the mean of all so far
            part = 1 / float(self.num_batches_tracked)
        self.running_mean.mul_(1 - part).add_(mean, alpha=part)
        self.running_var.mul_(1 - part).add_(variance, alpha=part)


def _normalised(x: Tensor, eps: float, values: int, counts: bool, team: Team) -> Any:
    return _Normalise.apply(x, eps, values, counts, team)


class _Normalise(torch.autograd.Function):
    """(x - mean) / sqrt(variance + eps), with the mean and the variance of each channel."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, eps: float, values: int, counts: bool, team: Team
    ) -> tuple[Tensor, Tensor, Tensor]:
        """counts: whether this process's samples are any of the batch's"""
        over = [0, *range(2, x.ndim)]
        weight = 1.0 if counts else 0.0
        mean = team.add(x.sum(over, keepdim=True) * weight) / values  # (1, C, ...)
        apart = x - mean
        variance = team.add(apart.square().sum(over, keepdim=True) * weight) / values
        scale = (variance + eps).rsqrt()
        out = apart * scale
        ctx.save_for_backward(out, scale)
        ctx.about = over, values, weight, team
        ctx.mark_non_differentiable(flat := mean.flatten(), spread := variance.flatten())
        return out, flat, spread

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        out, scale = ctx.saved_tensors
        over, values, weight, team = ctx.about
        sums = torch.stack([grad.sum(over, keepdim=True), (grad * out).sum(over, keepdim=True)])
        sums = team.add(sums * weight) / values
        return (grad - sums[0] - out * sums[1]) * scale * weight, None, None, None, None
