"""The generated samples that all trials share, made once for a data set and cached."""

import hashlib
from functools import lru_cache
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from autotune.train import cache
from autotune.train.augment.pixels import Pixels, pixels_of
from autotune.train.augment.synthetic.config import SyntheticConfig
from autotune.train.augment.synthetic.train import fit, sample
from autotune.train.data.base import Dataset

__all__ = ["Pool", "build"]

VERSION = 1  # version of the format: a change makes old pools unused
SAMPLES = 10_000  # in all, evenly over the classes
FILE = "samples.safetensors"


class Pool:
    """pool(x, y, generator): the first `ratio` of the samples replaced by generated ones of their
    own classes, so labels and class counts stay."""

    def __init__(self, images: Tensor, pixels: Pixels, ratio: float) -> None:
        """images: (classes, S, C, H, W), 0 to 255"""
        self.images, self.pixels, self.ratio = images, pixels, ratio

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Tensor:
        count = round(self.ratio * len(x))  # of a batch that is in random order already
        device = generator.device
        which = torch.randint(self.images.shape[1], (count,), generator=generator, device=device)
        made = self.images[y[:count], which].to(x.dtype) / 255
        return torch.cat((self.pixels.leave(made), x[count:]))


def build(config: SyntheticConfig, data: Dataset) -> Pool:
    """The pool of a data set, training its generator first if it is not cached. It depends on the
    training split only, whose hash names the pool."""
    return Pool(
        images(config.model_copy(update={"ratio": 1.0}), data), pixels_of(data), config.ratio
    )


@lru_cache(maxsize=2)
def images(config: SyntheticConfig, data: Dataset) -> Tensor:
    """(classes, S, C, H, W), uint8; read once for a data set in this process."""
    folder = cache.once(key(config, data), lambda folder: make(config, data, folder))
    return load_file(folder / FILE, str(data.mean.device))["images"]


def key(config: SyntheticConfig, data: Dataset) -> str:
    digest = hashlib.blake2b(f"{VERSION} {config.model_dump_json()}".encode(), digest_size=16)
    for tensor in (data.train.x, data.train.y):
        digest.update(str(tuple(tensor.shape)).encode())
        digest.update(tensor.contiguous().cpu().view(torch.uint8).numpy().data)
    return f"synthetic-{digest.hexdigest()}"


def make(config: SyntheticConfig, data: Dataset, folder: Path) -> None:
    x, y = data.train.x, data.train.y
    x = pixels_of(data).to(x.device).enter(x) * 2 - 1
    maker = fit(x, y, data.classes, config)
    each = max(1, SAMPLES // data.classes)
    classes = torch.arange(data.classes, device=y.device).repeat_interleave(each)
    made = ((sample(maker, classes, config.seed) + 1) * 127.5).round().to(torch.uint8)
    save_file({"images": made.view(data.classes, each, *made.shape[1:]).cpu()}, folder / FILE)
