"""The transforms that RandAugment and similar policies choose from, their ranges, and the choice.

The ranges are those of torchvision, which are the papers' own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from autotune.train.augment import colour, geometry
from autotune.train.augment.draws import Draws, chance, whole

__all__ = ["COLOURS", "MIXED", "RANDOM", "Choice", "Transform", "carried", "chosen", "wide"]


@dataclass(frozen=True)
class Transform:
    name: str
    weakest: float = 0.0
    """Amount at level 0. Of brightness, colour, contrast and sharpness: above or below a factor of
    1; of shear, a tangent; of translation, a share of the side; of rotation, degrees; of posterize,
    bits removed; of solarize, the threshold."""
    strongest: float = 0.0
    """Amount at level 1."""
    signed: bool = False
    """Whether the amount is drawn to either side."""


def pictured(shear: float, translate: float, rotate: float) -> tuple[Transform, ...]:
    return (
        Transform("identity"),
        Transform("shear_x", 0, shear, True),
        Transform("shear_y", 0, shear, True),
        Transform("translate_x", 0, translate, True),
        Transform("translate_y", 0, translate, True),
        Transform("rotate", 0, rotate, True),
        Transform("autocontrast"),
        Transform("equalize"),
        Transform("solarize", 1, 0),
    )


def coloured(top: float) -> tuple[Transform, ...]:
    return tuple(
        Transform(name, 0, top, True) for name in ("brightness", "colour", "contrast", "sharpness")
    )


RANDOM = (*pictured(0.3, 150 / 331, 30), *coloured(0.9), Transform("posterize", 0, 4))
"""Of RandAugment."""
MIXED = (*pictured(0.3, 1 / 3, 30)[1:], Transform("posterize", 4, 7))
"""Of AugMix: no move that ImageNet-C tests for."""


def wide(side: int) -> tuple[Transform, ...]:
    """Of TrivialAugment, for images of `side` pixels; translation is by up to 32 of them."""
    return (*pictured(0.99, min(1, 32 / side), 135), *coloured(0.99), Transform("posterize", 0, 6))


Change = Callable[[Tensor, Tensor], Tensor]

COLOURS: dict[str, Change] = {
    "brightness": lambda p, amount: colour.brightness(p, 1 + amount),
    "colour": lambda p, amount: colour.saturation(p, 1 + amount),
    "contrast": lambda p, amount: colour.contrast(p, 1 + amount),
    "sharpness": lambda p, amount: colour.sharpness(p, 1 + amount),
    "posterize": colour.posterize,
    "solarize": colour.solarize,
    "autocontrast": colour.autocontrast,
    "equalize": colour.equalize,
}


@dataclass(frozen=True)
class Choice:
    """One move for each image."""

    which: Tensor
    """(B,): its place among the transforms"""
    amount: Tensor
    """(B,)"""


def chosen(transforms: Sequence[Transform], level: Tensor, generator: Draws) -> Choice:
    """A move for each image, all equally likely, of strength `level` (B,), from 0 to 1."""
    count, device = len(level), generator.device
    which = whole(count, 0, len(transforms) - 1, generator)
    weakest, strongest, signed = torch.tensor(
        [[move.weakest, move.strongest, move.signed] for move in transforms], device=device
    )[which].unbind(1)
    amount = weakest + level * (strongest - weakest)
    minus = chance(count, 0.5, generator) & signed.bool()
    return Choice(which, torch.where(minus, -amount, amount))


def carried(p: Tensor, transforms: Sequence[Transform], choices: Sequence[Choice]) -> Tensor:
    """The pixels (B, C, H, W) after one choice after the other.

    Colours change first; what transforms pixels is then one map an image, sampled once.
    """
    p, matrix = p.clone(), geometry.identity(len(p), p.device)
    for choice in choices:
        recolour(p, transforms, choice)
        matrix = geometry.compose(matrix, placed(p, transforms, choice))
    return geometry.warp(p, matrix)


def recolour(p: Tensor, transforms: Sequence[Transform], choice: Choice) -> None:
    """Each change of colour, in place, computed for those images alone that chose it."""
    # The one place where the host waits for the device: it must know how many chose what.
    sizes = choice.which.bincount(minlength=len(transforms)).tolist()
    for rows, move in zip(choice.which.argsort().split(sizes), transforms, strict=True):
        change = COLOURS.get(move.name)
        if change is not None and len(rows):
            p[rows] = change(p[rows], choice.amount[rows])


def placed(p: Tensor, transforms: Sequence[Transform], choice: Choice) -> Tensor:
    """The map of each image's move; no move for those that change colours."""
    height, width = p.shape[2:]
    places = {move.name: place for place, move in enumerate(transforms)}

    def of(name: str) -> Tensor:
        return choice.amount * (choice.which == places[name])

    # Of one image all but one are 0, so that their maps can be added up instead of composed.
    matrix = geometry.rotate(of("rotate"))
    matrix[:, 0, 1] -= of("shear_x")
    matrix[:, 1, 0] -= of("shear_y")
    matrix[:, 0, 2] -= of("translate_x") * width
    matrix[:, 1, 2] -= of("translate_y") * height
    return matrix
