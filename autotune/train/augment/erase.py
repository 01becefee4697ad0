"""Rectangles in images: where things are blanked, or pasted."""

from math import log

import torch
from torch import Tensor

from autotune.train.augment.draws import Draws, chance, uniform, whole

__all__ = ["cutout", "erase", "inside", "rectangles"]

SMALLEST = 0.02  # share of the image, and sides as 0.3:1 to 1:0.3 (Zhong et al. 2020, section 4)
ASPECT = 0.3


def erase(x: Tensor, probability: float, area: float, generator: Draws) -> Tensor:
    """Random erasing (Zhong et al. 2020): a rectangle becomes 0, which is the mean pixel."""
    count, (height, width) = len(x), x.shape[2:]
    share = uniform(count, min(SMALLEST, area), area, generator)
    aspect = uniform(count, log(ASPECT), -log(ASPECT), generator).exp()
    hit = chance(count, probability, generator)
    tall = ((share * aspect).sqrt() * height).round().clamp(1, height)
    wide = ((share / aspect).sqrt() * width).round().clamp(1, width)
    top = (uniform(count, 0, 1, generator) * (height - tall + 1)).floor()
    left = (uniform(count, 0, 1, generator) * (width - wide + 1)).floor()
    box = torch.stack((top, top + tall, left, left + wide), 1)
    return x.masked_fill(inside(box, height, width) & hit[:, None, None, None], 0)


def cutout(x: Tensor, side: float, generator: Draws) -> Tensor:
    """A square of `side`, a share of the image's, becomes 0 (DeVries & Taylor 2017).

    Its centre is any pixel, so that a part of it may lie outside.
    """
    count, (height, width) = len(x), x.shape[2:]
    tall, wide = round(side * height), round(side * width)
    top = whole(count, 0, height - 1, generator) - tall // 2
    left = whole(count, 0, width - 1, generator) - wide // 2
    box = torch.stack((top, top + tall, left, left + wide), 1)
    return x.masked_fill(inside(box, height, width), 0)


def rectangles(share: Tensor, height: int, width: int, generator: Draws) -> Tensor:
    """(B, 4): top, bottom, left, right of rectangles shaped as the image, about any pixel as their
    centre; (B,) `share` is their area, what lies outside included (Yun et al. 2019)."""
    count, side = len(share), share.sqrt()
    tall, wide = (side * height).floor(), (side * width).floor()
    top = whole(count, 0, height - 1, generator) - (tall / 2).floor()
    left = whole(count, 0, width - 1, generator) - (wide / 2).floor()
    return torch.stack((top, top + tall, left, left + wide), 1)


def inside(box: Tensor, height: int, width: int) -> Tensor:
    """(B, 1, H, W): whether a pixel lies in its image's box (B, 4)."""
    rows = torch.arange(height, device=box.device)[:, None]
    columns = torch.arange(width, device=box.device)
    top, bottom, left, right = box[:, :, None, None].unbind(1)  # (B, 1, 1) each
    down = (rows >= top) & (rows < bottom)  # (B, H, 1)
    across = (columns >= left) & (columns < right)  # (B, 1, W)
    return (down & across)[:, None]
