"""What networks for images ask of a sample's shape."""

from torch import nn

from autotune.errors import InvalidInput, Problem

__all__ = ["image", "pad"]


def image(shape: tuple[int, ...], name: str) -> tuple[int, int, int]:
    """Channels, height and width of a sample; raises InvalidInput when it is no image."""
    if len(shape) != 3:
        message = f"`model` {name} needs images (C, H, W), but the samples of `data` are {shape}"
        raise InvalidInput([Problem(message, ("model", "name"))])
    channels, height, width = shape
    return channels, height, width


def pad(height: int, width: int, patch: int) -> list[nn.Module]:
    """Zeros below and to the right, so that patches cover the image: no module or one.

    Raises InvalidInput when a patch is larger than the image.
    """
    if patch > max(height, width):
        message = f"`model.patch` must be at most the image's side, {max(height, width)}"
        raise InvalidInput([Problem(f"{message}, got {patch}", ("model", "patch"))])
    right, below = -width % patch, -height % patch
    return [nn.ZeroPad2d((0, right, 0, below))] if right or below else []
