"""The state of an optimizer, tensor by tensor."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

__all__ = ["changed", "parameters_of"]

Change = Callable[[Tensor, Tensor], Tensor]


def parameters_of(optimizer: Optimizer) -> list[Tensor]:
    """In the order by which its state counts them."""
    return [p for group in optimizer.param_groups for p in group["params"]]


def changed(state: dict[str, Any], parameters: list[Tensor], change: Change) -> dict[str, Any]:
    """A copy of the state in which `change(parameter, tensor)` has made every tensor."""
    states = {
        index: {
            key: change(parameters[index], value) if isinstance(value, Tensor) else value
            for key, value in of_one.items()
        }
        for index, of_one in state["state"].items()
    }
    return {**state, "state": states}
