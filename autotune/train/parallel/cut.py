"""Layers of which each process has a part, after Shoeybi et al. 2019, "Megatron-LM".

A layer cut by its outputs gives each process some of them; one cut by its inputs takes what such a
layer gave, and the processes add up what each of them makes of it. A layer cut so keeps its name
and its parameters, which are shorter.

Tensors are plain ones: a DTensor costs its dispatch at every operation, and no optimizer or
clipping takes it beside plain ones.

Shapes: D features in all, of which a process has d.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from autotune.train.parallel.group import Team

__all__ = ["ByInputs", "ByOutputs", "Cut", "cut_by_inputs", "cut_by_outputs", "named_cuts"]


@dataclass(frozen=True)
class Cut:
    """How a tensor is divided: along `dim`, which holds `packed` parts that are each divided."""

    team: Team
    dim: int
    packed: int = 1

    def mine(self, whole: Tensor) -> Tensor:
        parts = whole.chunk(self.packed, self.dim)
        size, place = self.team.size, self.team.place
        return torch.cat([part.chunk(size, self.dim)[place] for part in parts], self.dim)

    def whole(self, mine: Tensor) -> Tensor:
        shares = self.team.joined(mine, [mine.shape[self.dim]] * self.team.size, self.dim)
        each = shares.chunk(self.team.size, self.dim)
        dealt = [share.chunk(self.packed, self.dim) for share in each]
        return torch.cat([part for parts in zip(*dealt, strict=True) for part in parts], self.dim)


def cut_by_outputs(layer: nn.Module, team: Team, packed: int = 1, gathers: bool = False) -> None:
    """gathers: every process gets all outputs"""
    cut = Cut(team, 0, packed)
    _become(layer, ByOutputs, {name: cut for name, _ in layer.named_parameters()}, team)
    layer.gathers = gathers  # type: ignore[assignment]


def cut_by_inputs(layer: nn.Module, team: Team) -> None:
    _become(layer, ByInputs, {"weight": Cut(team, 1)}, team)


def named_cuts(model: nn.Module) -> dict[str, Cut]:
    """By the name of the parameter."""
    parts = [(name, m) for name, m in model.named_modules() if isinstance(m, _Part)]
    return {f"{name}.{key}": cut for name, part in parts for key, cut in part.cuts.items()}


def _become(layer: nn.Module, kind: "type[_Part]", cuts: dict[str, Cut], team: Team) -> None:
    for name, cut in cuts.items():
        # The parameter itself becomes the share: who holds it, holds the share.
        parameter = layer.get_parameter(name)
        parameter.data = cut.mine(parameter.data).clone()
    layer.cuts, layer.team = cuts, team  # type: ignore[assignment]
    layer.__class__ = kind


class _Part(nn.Module):
    """A linear layer, or a convolution of single pixels."""

    weight: nn.Parameter
    bias: nn.Parameter | None
    team: Team
    cuts: dict[str, Cut]

    def product(self, x: Tensor, bias: Tensor | None) -> Tensor:
        if self.weight.ndim == 2:
            return functional.linear(x, self.weight, bias)
        return functional.conv2d(x, self.weight, bias)

    def features(self) -> int:
        """The dimension of the features in what comes out."""
        return -1 if self.weight.ndim == 2 else 1


class ByOutputs(_Part):
    gathers: bool

    def forward(self, x: Tensor) -> Tensor:
        out = self.product(_Copy.apply(x, self.team), self.bias)
        if not self.gathers:
            return out
        gathered: Tensor = _Gather.apply(out, self.team, self.features())
        return gathered


class ByInputs(_Part):
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = _Sum.apply(self.product(x, None), self.team)
        if self.bias is None:
            return out
        return out + (self.bias if self.weight.ndim == 2 else self.bias[:, None, None])


class _Copy(torch.autograd.Function):
    """What all processes are given: its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, team: Team) -> Tensor:
        ctx.team = team
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return ctx.team.add(grad.clone(memory_format=torch.contiguous_format)), None


class _Sum(torch.autograd.Function):
    """(..., D) of which each process has a summand; the gradient is the same for all."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, team: Team) -> Tensor:
        return team.add(x.clone(memory_format=torch.contiguous_format))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None


class _Gather(torch.autograd.Function):
    """d features of each process to D; each has the same gradient, and takes its part."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, team: Team, dim: int) -> Tensor:
        ctx.about = team, dim
        return team.joined(x, [x.shape[dim]] * team.size, dim % x.ndim)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        team, dim = ctx.about
        return grad.chunk(team.size, dim)[team.place], None, None
