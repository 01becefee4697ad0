"""Averages of the weights, each in a model of its own; called after every optimizer step."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

__all__ = ["Ema", "Swa"]

REFRESH_ELEMENTS = 2**20  # input values that batch normalisation sees at once


class Ema:
    """As torch.optim.swa_utils.AveragedModel with get_ema_multi_avg_fn and use_buffers.

    But whole numbers among the buffers, such as the places of a windowed attention, are copied:
    torch would round their average down.
    """

    def __init__(self, model: nn.Module, decay: float, warmup: bool) -> None:
        self.model = twin(model)
        self.decay, self.warmup, self.steps = decay, warmup, 0
        pairs = list(zip(tensors(self.model), tensors(model), strict=True))
        self.moving = [pair for pair in pairs if pair[0].is_floating_point()]
        self.others = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def __call__(self) -> None:
        averages, weights = ([pair[at] for pair in self.moving] for at in (0, 1))
        torch._foreach_lerp_(averages, weights, 1 - self.decay_now())
        for ours, theirs in self.others:
            ours.copy_(theirs)
        self.steps += 1

    def decay_now(self) -> float:
        """The first step leaves nothing of the initial weights."""
        if self.steps == 0:
            return 0.0
        return min(self.decay, (1 + self.steps) / (10 + self.steps)) if self.warmup else self.decay

    def state_dict(self) -> dict[str, Any]:
        return {"model": self.model.state_dict(), "steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.steps = state["steps"]


class Swa:
    """The mean of the weights at the ends of epochs after epoch `start`; the plain weights until
    then.

    `ends`: after which batches of an epoch the network is evaluated; the last one ends it.
    """

    def __init__(self, model: nn.Module, start: int, ends: Sequence[int], x: Tensor) -> None:
        self.source, self.model = model, twin(model)
        self.start, self.ends, self.steps = start, ends, 0
        self.x = x  # (N, ...), the train split

    @torch.no_grad()
    def __call__(self) -> None:
        self.steps += 1
        epoch, within = divmod(self.steps, self.ends[-1])
        if within and (epoch > self.start or within not in self.ends):
            return
        averaged = max(0, epoch - self.start - 1)  # epochs in the mean before this one
        if averaged:
            means, weights = self.model.parameters(), self.source.parameters()
            torch._foreach_lerp_([*means], [*weights], 1 / (averaged + 1))
            update_bn(self.batches(), self.model)
        else:
            self.model.load_state_dict(self.source.state_dict())

    def batches(self) -> Iterator[Tensor]:
        """The training split in parts; a single sample has no variance and is left out."""
        rows = max(2, REFRESH_ELEMENTS // max(1, self.x[0].numel()))
        device = next(self.model.parameters()).device  # the data may be too large for it
        return (part.to(device) for part in self.x.split(rows) if len(part) > 1)

    def state_dict(self) -> dict[str, Any]:
        return {"model": self.model.state_dict(), "steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.steps = state["steps"]


def twin(model: nn.Module) -> nn.Module:
    return deepcopy(model).requires_grad_(False)


def tensors(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]
