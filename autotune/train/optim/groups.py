"""Parameter groups: weight decay, and the share of the learning rate.

As few groups as possible: each costs another launch of an optimizer's kernels.
"""

from collections.abc import Iterable
from math import sqrt
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from autotune.train.models.blocks import blocks, head

if TYPE_CHECKING:
    from autotune.train.optim.config import OptimizerConfig

__all__ = ["batch_scale", "groups", "is_vector"]

Group = dict[str, Any]

USUAL_BATCH = 256  # that of Goyal et al. 2017


def groups(
    model: nn.Module,
    optimizer: "OptimizerConfig",
    layer_decay: float | None = None,
    scale: float = 1.0,
    others: Iterable[Tensor] = (),
) -> list[Group]:
    """The argument of `optimizer.build`: the model's trainable parameters, and `others` (a loss's).

    A group's `scale` multiplies its learning rate; absent if 1. `layer_decay` is the rate of each
    block as a share of the next one's; the head has the full rate (Bao et al. 2022, "BEiT"). Norms,
    biases and other vectors are not decayed (Goyal et al. 2017, section 5.1).
    """
    depths = block_depths(model) if layer_decay is not None else {}
    outer = embeddings_and_head(model) if optimizer.matrices else set()
    found: dict[tuple[object, ...], Group] = {}
    for p in (*model.parameters(), *others):
        if not p.requires_grad:
            continue
        extra: Group = {}
        rate = scale * (layer_decay or 1.0) ** depths.get(id(p), 0)
        if rate != 1.0:
            extra["scale"] = rate
        if optimizer.decays() and is_vector(p):
            extra["weight_decay"] = 0.0
        if optimizer.matrices and (is_vector(p) or id(p) in outer):
            extra["muon"] = False
        found.setdefault(tuple(extra.items()), {"params": [], **extra})["params"].append(p)
    return list(found.values())


def batch_scale(rule: str, batch: int) -> float:
    """The factor for a learning rate that is meant for batches of 256."""
    times = batch / USUAL_BATCH
    return {"none": 1.0, "linear": times, "sqrt": sqrt(times)}[rule]


def is_vector(parameter: Tensor) -> bool:
    """Parameters with one number a channel, whatever their shape: biases, norms, layer scales."""
    shape = parameter.shape
    return len(shape) < 2 or (len(shape) > 2 and sum(size > 1 for size in shape) < 2)


def block_depths(model: nn.Module) -> dict[int, int]:
    """The number of blocks between a parameter, by id, and the head.

    A parameter outside of blocks, such as a class token or a last norm, counts to the block before
    it.
    """
    chain = blocks(model)
    at = {
        id(p): place
        for place, block in enumerate(chain)
        for module in block
        for p in module.parameters()
    }
    depths, place = {}, 0
    for p in model.parameters():
        place = at.get(id(p), place)
        depths[id(p)] = len(chain) - 1 - place
    return depths


def embeddings_and_head(model: nn.Module) -> set[int]:
    """Matrices, by id, outside of hidden layers: their rows are classes or categories."""
    found = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    try:
        return found | {id(head(model).weight)}
    except LookupError:
        return found
