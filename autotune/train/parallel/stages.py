"""A chain of layers, cut into stages of about the same work."""

from collections.abc import Iterator
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.flop_counter import FlopCounterMode

from autotune.errors import InvalidInput, Problem

__all__ = ["bounds", "chain", "check_chain", "shapes"]

AT = ("parallel", "strategy")
Layer = tuple[str, nn.Module]


def chain(model: nn.Module) -> list[list[Layer]]:
    """The layers in the order of their calls, each with those after it that have no weights."""
    found: list[list[Layer]] = []
    heavy = False
    for name, layer in model.named_children():
        weighs = any(p.ndim > 1 for p in layer.parameters())
        if not found or (weighs and heavy):
            found.append([])
            heavy = False
        found[-1].append((name, layer))
        heavy = heavy or weighs
    return found


def check_chain(model: nn.Module, stages: int) -> None:
    """Raises InvalidInput where the network cannot be cut so."""
    if type(model) is not nn.Sequential:
        kind = type(model).__name__
        rule = "pipeline cuts between the layers of an nn.Sequential, and the network is a"
        raise misfit(f"{rule} {kind}: choose ddp or fsdp")
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm):
            rule = f"layer {name} is a {type(module).__name__}, which would see parts of a batch"
            raise misfit(f"pipeline: {rule}: choose another normalisation, or ddp")
    if stages > (most := len(chain(model))):
        rule = f"the network has {most} layers or blocks to divide"
        raise misfit(f"pipeline: {rule}, and `parallel.workers` is {stages}: use at most {most}")


def misfit(message: str) -> InvalidInput:
    return InvalidInput([Problem(f"`parallel.strategy` {message}", AT)])


def bounds(model: nn.Module, x: Tensor, stages: int) -> list[list[Layer]]:
    """The layers of each stage: the slowest stage is as fast as can be, by the operations of a
    forward pass, which is one number on every machine."""
    units = chain(model)
    work = list(accumulate(costs(units, x), initial=0.0))
    best: dict[tuple[int, int], tuple[float, list[int]]] = {(0, 0): (0.0, [0])}
    for stage in range(1, stages + 1):
        for end in range(stage, len(units) + 1):
            options = [
                (max(slowest, work[end] - work[begin]), [*cuts, end])
                for begin in range(stage - 1, end)
                if (before := best.get((stage - 1, begin))) is not None
                for slowest, cuts in [before]
            ]
            best[stage, end] = min(options)
    cuts = best[stages, len(units)][1]
    return [
        [layer for unit in units[begin:end] for layer in unit]
        for begin, end in zip(cuts, cuts[1:], strict=False)
    ]


@torch.no_grad()
def costs(units: list[list[Layer]], x: Tensor) -> Iterator[float]:
    """Operations of each; a layer without products counts by its weights."""
    for unit in units:
        counter = FlopCounterMode(display=False)
        with counter:
            for _, layer in unit:
                x = layer(x)
        weights = sum(p.numel() for _, layer in unit for p in layer.parameters())
        yield float(counter.get_total_flops() + weights)


@torch.no_grad()
def shapes(stages: list[list[Layer]], x: Tensor) -> list[torch.Size]:
    """Of one sample: what goes into the first stage, and what comes out of each."""
    found = [x.shape[1:]]
    for stage in stages:
        for _, layer in stage:
            x = layer(x)
        found.append(x.shape[1:])
    return found
