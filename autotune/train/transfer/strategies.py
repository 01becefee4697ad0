"""What is trained in a network that starts from given weights.

Freezing is `requires_grad`: a parameter without it has no gradient, and no optimizer changes it, by
momentum or weight decay either.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from autotune.train.batch import Batch
from autotune.train.models.blocks import blocks
from autotune.train.weights import head_name

__all__ = [
    "L2SpLoss",
    "Plan",
    "discriminative",
    "freeze",
    "full",
    "gradual",
    "l2_sp",
    "levels",
    "probe",
]

Level = list[nn.Parameter]


class Plan(NamedTuple):
    """What a strategy changes in the training."""

    loss: nn.Module
    changes: tuple[Callable[[int], None], ...] = ()
    """Called before each step with its epoch."""
    layer_decay: float | None = None
    """The rate of each block as a share of the next one's."""


def full(loss: nn.Module) -> Plan:
    return Plan(loss)


def probe(model: nn.Module, loss: nn.Module) -> Plan:
    return freeze(model, loss, len(levels(model)))


def freeze(model: nn.Module, loss: nn.Module, count: int) -> Plan:
    chain = levels(model)
    _hold(model)
    for level in chain[: min(count, len(chain) - 1)]:
        _let(level, False)
    return Plan(loss)


def gradual(model: nn.Module, loss: nn.Module, every: int) -> Plan:
    """Nothing is frozen yet: the optimizer must be built with all parameters that will ever be
    trained."""
    chain = levels(model)
    _hold(model)

    def thaw(epoch: int) -> None:
        moving = 1 + (epoch - 1) // every
        for height, level in enumerate(reversed(chain)):
            _let(level, height < moving)

    return Plan(loss, (thaw,))


def discriminative(loss: nn.Module, factor: float) -> Plan:
    return Plan(loss, layer_decay=factor)


def l2_sp(model: nn.Module, loss: nn.Module, alpha: float, beta: float) -> Plan:
    *below, top = levels(model)
    pulled = [parameter for level in below for parameter in level]
    return Plan(L2SpLoss(loss, pulled, top, (alpha, beta)))


class L2SpLoss(nn.Module):
    """`loss` + alpha / 2 x |w - start|^2 + beta / 2 x |head|^2; the start is the present
    weights."""

    def __init__(
        self, loss: nn.Module, pulled: Level, head: Level, strengths: tuple[float, float]
    ) -> None:
        super().__init__()
        self.plain = loss
        self.alpha, self.beta = strengths
        # In tuples, so that they do not become the loss's own parameters or state.
        self.pairs = tuple((parameter, parameter.detach().clone()) for parameter in pulled)
        self.head = tuple(head)

    def forward(self, output: Tensor, batch: Batch) -> Tensor:
        plain: Tensor = self.plain(output, batch)
        moved = sum((p - start).square().sum() for p, start in self.pairs)
        drawn = sum(p.square().sum() for p in self.head)
        return plain + self.alpha / 2 * moved + self.beta / 2 * drawn


def levels(model: nn.Module) -> list[Level]:
    """All parameters, block by block from the input; the last level is the head.

    A parameter of no block, such as a class token, belongs to the one registered before it.
    """
    chain = [ids for block in blocks(model) if (ids := _ids(block))]
    at = {place: level for level, ids in enumerate(chain) for place in ids}
    found: list[Level] = [[] for _ in chain]
    level, last = 0, len(chain) - 1
    top = head_name(model)
    for name, parameter in model.named_parameters():
        level = at.get(id(parameter), level)
        own = level < last or not top or name.startswith(f"{top}.") or last == 0
        found[level if own else last - 1].append(parameter)
    return [level for level in found if level]


def _ids(block: Sequence[nn.Module]) -> list[int]:
    return [id(parameter) for module in block for parameter in module.parameters()]


def _let(level: Level, moves: bool) -> None:
    for parameter in level:
        parameter.requires_grad_(moves)


def _hold(model: nn.Module) -> None:
    """A batch normalization with frozen weights also keeps its statistics."""
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.register_forward_pre_hook(_keep_statistics)


def _keep_statistics(module: nn.Module, inputs: Any) -> None:
    # Before each pass, because model.train() is called in every step.
    if isinstance(module.weight, nn.Parameter) and not module.weight.requires_grad:
        module.training = False
