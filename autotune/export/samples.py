"""A file of samples as input of an exported network: rows of a table, images, arrays. Anything that
does not fit is an error; nothing is guessed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from autotune.errors import UserError
from autotune.export.input import Input
from autotune.export.rows import encoded, frame_of
from autotune.train.data.arrays import BROKEN, arranged
from autotune.train.data.folder import images
from autotune.train.data.raw import Pixels
from autotune.train.missing_path import absent

__all__ = ["Samples", "read_samples"]

_AT_ONCE = 256
_ARRAYS = (".npy", ".npz")


@dataclass(frozen=True)
class Samples:
    batches: Iterator[Tensor]
    """Raw samples, float32; images are read on demand."""
    count: int
    files: tuple[str, ...] = ()
    """Of images: each one's name."""
    notes: list[str] = field(default_factory=list)


def read_samples(input: Input, path: Path) -> Samples:
    """Raises UserError for a file that the network cannot take."""
    if not path.exists():
        raise UserError(absent(path))
    if input.columns:
        x, notes = encoded(input, frame_of(path, input), str(path))
        return Samples(iter(torch.from_numpy(x).split(_AT_ONCE)), len(x), notes=notes)
    if path.suffix.lower() in _ARRAYS:
        x = _array(path, input.sample)
        return Samples(iter(torch.from_numpy(x).split(_AT_ONCE)), len(x))
    if input.pixels is None:
        shape = " x ".join(map(str, input.sample))
        rule = f"the network learnt from arrays of {shape} values, whose scale no other file tells"
        raise UserError(f"{path}: {rule}: give a .npy file of samples in that scale")
    paths = images(path) if path.is_dir() else [path]
    if not paths:
        raise UserError(f"{path} holds no image")
    named = tuple(str(one.relative_to(path)) if path.is_dir() else one.name for one in paths)
    return Samples(_images(paths, input.pixels), len(paths), named)


def _array(path: Path, sample: Sequence[int]) -> Any:
    """(N, *sample), float32; one sample alone is a batch of one."""
    packed = path.suffix.lower() == ".npz"
    try:
        given = np.load(path, allow_pickle=False)
        x = given["x"] if packed else given
        kind = x.dtype.kind
    except BROKEN as error:
        what = "an array `x`" if packed else "one array"
        raise UserError(f"{path} does not hold {what} of numbers, written by numpy") from error
    if kind not in "iubf" or not np.isfinite(x).all():
        raise UserError(f"{path}: samples must be finite numbers")
    shape = tuple(sample)
    batch = x.reshape(1, *shape) if x.shape in (shape, shape[1:]) else arranged(x)
    if batch.shape[1:] != shape or not len(batch):
        raise UserError(f"{path}: samples must be (N, {str(shape)[1:-1]}), got {x.shape}")
    return batch.astype(np.float32)


def _images(paths: Sequence[Path], pixels: Pixels) -> Iterator[Tensor]:
    for start in range(0, len(paths), _AT_ONCE):
        batch = np.stack([_image(path, pixels) for path in paths[start : start + _AT_ONCE]])
        yield torch.from_numpy(batch) * (pixels.white / 255)


def _image(path: Path, pixels: Pixels) -> Any:
    """(C, H, W), float32, 0 to 255, as a training reads it."""
    try:
        with Image.open(path) as file:
            image = file.convert(pixels.mode)
    except OSError as error:  # Pillow's own, too
        raise UserError(f"{path} is no whole image") from error
    size = (pixels.width, pixels.height)
    if image.size != size and not pixels.resized:
        one, other = ("{} x {}".format(*pair) for pair in (size, image.size))
        cure = "cut or resize it as the training's images were"
        raise UserError(f"{path} must have {one} pixels, got {other}: {cure}")
    if image.size != size:
        image = image.resize(size, Image.Resampling.BILINEAR)
    x = np.asarray(image, np.float32).reshape(pixels.height, pixels.width, -1)
    return np.ascontiguousarray(x.transpose(2, 0, 1))
