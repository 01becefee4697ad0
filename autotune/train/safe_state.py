"""States that can be read back without running code from disk."""

from collections.abc import Mapping
from typing import Any

__all__ = ["check_plain"]


def check_plain(state: Any, path: str) -> None:
    """Raises TypeError, naming the place, unless `state` is of tensors, numbers, strings, None,
    and dicts, lists and tuples of them."""
    import torch

    if isinstance(state, Mapping):
        for key, value in state.items():
            check_plain(value, f"{path}[{key!r}]")
    elif isinstance(state, list | tuple):
        for index, value in enumerate(state):
            check_plain(value, f"{path}[{index}]")
    elif not isinstance(state, torch.Tensor | str | bytes | int | float | bool | None):
        raise TypeError(
            f"{path} must be a tensor, a number, a string or None, but it is"
            f" {type(state).__name__}; convert it (torch.as_tensor for arrays)"
        )
