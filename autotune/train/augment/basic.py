"""The classic augmentations, and what every policy begins and ends with."""

from math import ceil, log, pi, tan

from torch import Tensor

from autotune.train.augment import colour, geometry
from autotune.train.augment.config import Basic as BasicConfig
from autotune.train.augment.config import PolicyBase
from autotune.train.augment.draws import Draws, chance, signed, uniform, whole
from autotune.train.augment.erase import cutout, erase
from autotune.train.augment.pixels import Pixels, pixels_of
from autotune.train.data.base import Dataset

__all__ = ["Basic", "framed", "jittered", "moved", "placed"]

ASPECT = log(4 / 3)  # of a resized crop
JITTER = {
    "brightness": colour.brightness,
    "contrast": colour.contrast,
    "saturation": colour.saturation,
}


class Basic:
    """policy(x, generator): (B, C, H, W), normalised, to the same."""

    def __init__(self, config: BasicConfig, data: Dataset) -> None:
        self.config = config
        self.pixels = pixels_of(data)
        self.bends = (
            bool(config.translate or config.rotate or config.scale or config.shear)
            or config.resized_crop < 1
        )
        self.colours = any(
            (*(getattr(config, name) for name in JITTER), config.hue, config.grayscale)
        )

    def __call__(self, x: Tensor, generator: Draws) -> Tensor:
        config = self.config
        if self.bends:
            matrix = placed(config, x, generator)
            matrix = geometry.compose(matrix, moved(config, x, generator))
            x = geometry.warp(x, matrix, self.pixels.black)
        else:
            x = framed(config, x, self.pixels, generator)
        if self.colours:
            x = self.pixels.leave(jittered(config, self.pixels.enter(x), generator))
        if config.blur:
            sigma = uniform(len(x), 0, config.blur, generator)
            x = colour.blur(x, sigma, ceil(3 * config.blur))
        if config.erase:
            x = erase(x, config.erase, config.erase_area, generator)
        return cutout(x, config.cutout, generator) if config.cutout else x


def framed(config: PolicyBase, x: Tensor, pixels: Pixels, generator: Draws) -> Tensor:
    """The flips and the crops that every policy begins with."""
    if not (config.flip or config.flip_vertical or config.crop_pad):
        return x
    return geometry.warp(x, placed(config, x, generator), pixels.black, whole=True)


def placed(config: PolicyBase, x: Tensor, generator: Draws) -> Tensor:
    """The map of `framed`."""
    count, (height, width) = len(x), x.shape[2:]
    matrix = geometry.identity(count, generator.device)
    if config.flip or config.flip_vertical:
        across = chance(count, config.flip, generator)
        down = chance(count, config.flip_vertical, generator)
        matrix = geometry.flip(across, down)
    if config.crop_pad:
        wide, tall = round(config.crop_pad * width), round(config.crop_pad * height)
        right, down = whole(count, -wide, wide, generator), whole(count, -tall, tall, generator)
        matrix = geometry.compose(matrix, geometry.translate(right, down))
    return matrix


def moved(config: BasicConfig, x: Tensor, generator: Draws) -> Tensor:
    """The map of translate, rotate, scale, shear and resized_crop."""
    count, (height, width) = len(x), x.shape[2:]
    matrix = geometry.identity(count, generator.device)
    if config.resized_crop < 1:
        matrix = cropped(config.resized_crop, x, generator)
    if config.shear:
        top = tan(config.shear * pi / 180)
        slant = geometry.shear(signed(count, top, generator), signed(count, top, generator))
        matrix = geometry.compose(matrix, slant)
    if config.scale:
        factor = 1 + signed(count, config.scale, generator)
        matrix = geometry.compose(matrix, geometry.scale(factor))
    if config.rotate:
        turn = geometry.rotate(signed(count, config.rotate, generator))
        matrix = geometry.compose(matrix, turn)
    if config.translate:
        right = signed(count, config.translate * width, generator)
        down = signed(count, config.translate * height, generator)
        matrix = geometry.compose(matrix, geometry.translate(right, down))
    return matrix


def cropped(smallest: float, x: Tensor, generator: Draws) -> Tensor:
    """A part of `smallest` to all of the area, wholly inside the image, becomes the whole."""
    count, (height, width) = len(x), x.shape[2:]
    area = uniform(count, smallest, 1, generator)
    aspect = signed(count, ASPECT, generator).exp()
    wide, tall = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    right = signed(count, width / 2, generator) * (1 - wide)
    down = signed(count, height / 2, generator) * (1 - tall)
    return geometry.crop(wide, tall, right, down)


def jittered(config: BasicConfig, p: Tensor, generator: Draws) -> Tensor:
    """Pixels in other colours."""
    count = len(p)
    for name, change in JITTER.items():
        if strength := getattr(config, name):
            p = change(p, 1 + signed(count, strength, generator))
    if config.hue:
        p = colour.hue(p, signed(count, config.hue, generator))
    if config.grayscale:
        p = colour.grayscale(p, chance(count, config.grayscale, generator))
    return p
