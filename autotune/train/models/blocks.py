"""A network seen as a chain: where it is frozen, watched, and where its rates decay."""

from torch import nn

__all__ = ["Block", "blocks", "head"]

Block = tuple[nn.Module, ...]
"""Modules in a row: one with a weight of two or more dimensions, then what belongs to it."""


def blocks(model: nn.Module) -> list[Block]:
    """The network's blocks in the order of registration, from the input to the head.

    Containers are opened, and so is a module that holds most of the network. A normalisation, an
    activation or a pooling belongs to the block before it: the output of a block is that of its
    last module.
    """
    whole = sum(parameter.numel() for parameter in model.parameters())
    found: list[list[nn.Module]] = []
    for module in _parts(model, whole):
        if not found or any(parameter.ndim > 1 for parameter in module.parameters()):
            found.append([module])
        else:
            found[-1].append(module)
    return [tuple(block) for block in found]


def head(model: nn.Module) -> nn.Linear:
    """The last linear layer, which answers the logits; raises LookupError when there is none."""
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not layers:
        raise LookupError("the network has no linear layer")
    return layers[-1]


def _parts(module: nn.Module, whole: int) -> list[nn.Module]:
    found = []
    for child in module.children():
        container = type(child) in (nn.Sequential, nn.ModuleList)
        most = 2 * sum(parameter.numel() for parameter in child.parameters()) > whole
        opened = container or (most and next(child.children(), None) is not None)
        found += _parts(child, whole) if opened else [child]
    return found
