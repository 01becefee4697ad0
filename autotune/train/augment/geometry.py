"""Moves of pixels: one affine map an image, composed from simple ones and sampled once.

A map is a (B, 2, 3) matrix from where a pixel of the result lies to where it is fetched from. Both
are counted in pixels from the image's centre, x to the right and y down.
"""

from math import pi

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

__all__ = ["compose", "crop", "flip", "identity", "rotate", "scale", "shear", "translate", "warp"]


def identity(count: int, device: torch.device) -> Tensor:
    return torch.eye(2, 3, device=device).expand(count, 2, 3)


def translate(right: Tensor, down: Tensor) -> Tensor:
    """By (B,) pixels."""
    matrix = identity(len(right), right.device).clone()
    matrix[:, 0, 2], matrix[:, 1, 2] = -right, -down
    return matrix


def rotate(degrees: Tensor) -> Tensor:
    """Counter-clockwise, as torch.rot90 does."""
    angle = degrees * (pi / 180)
    cos, sin = angle.cos(), angle.sin()
    return linear(cos, -sin, sin, cos)


def scale(factor: Tensor) -> Tensor:
    """Enlarged about the centre."""
    zero = torch.zeros_like(factor)
    return linear(1 / factor, zero, zero, 1 / factor)


def shear(x: Tensor, y: Tensor) -> Tensor:
    """Pixels move right by x for each pixel down, and down by y for each pixel right (tangents)."""
    one = torch.ones_like(x)
    return compose(linear(one, -x, 0 * one, one), linear(one, 0 * one, -y, one))


def flip(across: Tensor, down: Tensor) -> Tensor:
    """Mirrored left to right, and top to bottom, where true."""
    zero = torch.zeros(len(across), device=across.device)
    return linear(1 - 2 * across.float(), zero, zero, 1 - 2 * down.float())


def crop(width: Tensor, height: Tensor, right: Tensor, down: Tensor) -> Tensor:
    """A part of these shares of the sides, its centre off the image's, becomes the whole."""
    zero = torch.zeros_like(width)
    matrix = linear(width, zero, zero, height)
    matrix[:, 0, 2], matrix[:, 1, 2] = right, down
    return matrix


def linear(xx: Tensor, xy: Tensor, yx: Tensor, yy: Tensor) -> Tensor:
    zero = torch.zeros_like(xx)
    return torch.stack((xx, xy, zero, yx, yy, zero), 1).view(-1, 2, 3)


def compose(first: Tensor, then: Tensor) -> Tensor:
    """The map that does `first` to an image, and `then` to the result."""
    turn = first[:, :, :2]
    shift = turn @ then[:, :, 2:] + first[:, :, 2:]
    return torch.cat((turn @ then[:, :, :2], shift), 2)


def warp(x: Tensor, matrix: Tensor, fill: Tensor | float = 0.0, whole: bool = False) -> Tensor:
    """The images (B, C, H, W) under their maps; what comes in from outside is `fill`.

    Interpolated between four pixels, unless the moves are by `whole` pixels, which are then copied
    bit for bit. An image whose map does nothing stays as it is, bit for bit.
    """
    grid = places(matrix, x.shape[2], x.shape[3])
    if whole:
        inside = grid.abs().amax(3) < 1  # (B, H, W)
        copied = grid_sample(x, grid, "nearest", "border", align_corners=False)
        return torch.where(inside[:, None], copied, fill)
    plain = isinstance(fill, float) and fill == 0
    # grid_sample takes 0 for what is outside: so 0 is made to stand for `fill`.
    shifted = x if plain else x - fill
    moved = grid_sample(shifted, grid, "bilinear", "zeros", align_corners=False)
    moved = moved if plain else moved.add_(fill)
    still = (matrix == identity(1, matrix.device)).flatten(1).all(1)
    return torch.where(still[:, None, None, None], x, moved)


def places(matrix: Tensor, height: int, width: int) -> Tensor:
    """(B, H, W, 2): where each pixel is fetched from, in grid_sample's -1 to 1."""
    across = torch.arange(width, device=matrix.device) - (width - 1) / 2
    down = torch.arange(height, device=matrix.device) - (height - 1) / 2
    # From pixels of the centre to halves of the sides; two adds, as a matrix product is slower.
    rows = matrix * torch.tensor([[2 / width], [2 / height]], device=matrix.device)
    along = rows[:, :, 0, None] * across + rows[:, :, 2:]  # (B, 2, W)
    beside = rows[:, :, 1, None] * down  # (B, 2, H)
    return (along[:, :, None, :] + beside[:, :, :, None]).permute(0, 2, 3, 1)
