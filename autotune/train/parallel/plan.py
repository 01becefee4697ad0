"""Whether a network that several processes hold answers as the whole one did."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from autotune.errors import AutotuneError

__all__ = ["answer", "compare"]

WITHIN = 1e-3
"""Of the largest answer. Rounding is far below it, and a layer that is cut wrongly far above."""


@torch.no_grad()
def answer(
    model: nn.Module, x: Tensor, forward: Callable[[Tensor], Tensor] | None = None
) -> Tensor:
    """What the network says of samples, as it is judged; `forward`: how it is called."""
    training = model.training
    model.eval()
    try:
        return (forward or model)(x)
    finally:
        model.train(training)


def compare(strategy: str, whole: Tensor, cut: Tensor) -> None:
    """Raises AutotuneError where the two answers are not the same but for rounding."""
    apart = float((whole - cut).abs().max())
    most = WITHIN * max(1.0, float(whole.abs().max()))
    if not apart <= most:
        rule = f"`parallel.strategy` {strategy}: in several processes the network answers otherwise"
        raise AutotuneError(f"{rule} than in one, by {apart:.2g}: choose ddp for this network")
