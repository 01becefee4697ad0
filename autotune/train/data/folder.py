"""Images in the folders of their classes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from autotune.errors import DataUnavailable, InvalidInput, Problem
from autotune.train.data.values import Array, Arrays
from autotune.train.missing_path import absent

__all__ = ["images", "load"]

ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
MODES = {1: "L", 3: "RGB"}


def images(root: Path) -> list[Path]:
    """All images below `root`."""
    return sorted(path for path in root.rglob("*") if path.suffix.lower() in ENDINGS)


def load(root: Path, size: int | None, channels: int, most: int | None = None) -> Arrays:
    """`most`: of each class so many images alone are read, but all labels are given."""
    if not root.is_dir():
        raise DataUnavailable([problem(absent(root, "folder"))])
    parts = {"train": root}
    if (root / "train").is_dir():
        parts = {name: root / name for name in ("train", "val", "test") if (root / name).is_dir()}
    if len(parts) == 1:
        parts = {"train": root}  # one class may well be called `train`
    read = {name: labelled(folder, most) for name, folder in parts.items()}
    same_size = size or common_size([path for paths, _ in read.values() for path in paths])
    held: dict[str, Any] = {
        f"{axis}_{name}": values
        for name, (paths, labels) in read.items()
        if name != "train"
        for axis, values in (("x", pixels(paths, same_size, channels)), ("y", labels))
    }
    paths, labels = read["train"]
    return Arrays(pixels(paths, same_size, channels), labels, **held)


def labelled(folder: Path, most: int | None = None) -> tuple[list[Path], Array]:
    """The images of the folders of classes in `folder`, at most so many of each, and the name of
    the class of each that there is."""
    paths, labels = [], []
    for below in classes(folder):
        found = images(below)
        if not found:
            raise wrong(f"{str(below)!r} must hold the images of a class, but holds none")
        paths += found[:most]
        labels += [below.name] * len(found)
    if not paths:
        raise wrong(f"{str(folder)!r} must hold a folder for each class, but holds none")
    return paths, np.array(labels)


def classes(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if path.is_dir() and path.name[0] != ".")


def common_size(paths: list[Path]) -> tuple[int, int]:
    """(width, height) of all images; only their heads are read."""
    first = None
    for path in paths:
        with opened(path) as image:
            first = first or (image.size, path)
            if image.size != first[0]:
                one, other = ("{} x {}".format(*size) for size in (first[0], image.size))
                shown = f"{first[1].name} has {one} pixels, {path.name} has {other}"
                message = f"`data.size` must be set where images differ in size: {shown}"
                raise InvalidInput([Problem(message, ("data", "size"))])
    assert first is not None
    return first[0]


def pixels(paths: list[Path], size: int | tuple[int, int], channels: int) -> Array:
    """(N, C, H, W), uint8"""
    wide, high = (size, size) if isinstance(size, int) else size
    result = np.empty((len(paths), channels, high, wide), np.uint8)
    for place, path in enumerate(paths):
        with opened(path) as image:
            try:
                mode = image.convert(MODES[channels])
            except OSError as error:
                raise wrong(f"{str(path)!r} is no whole image ({error})") from error
        if mode.size != (wide, high):
            mode = mode.resize((wide, high), Image.Resampling.BILINEAR)
        result[place] = np.asarray(mode).reshape(high, wide, channels).transpose(2, 0, 1)
    return result


def opened(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except (UnidentifiedImageError, OSError) as error:
        raise wrong(f"{str(path)!r} is no image") from error


def wrong(message: str) -> InvalidInput:
    return InvalidInput([problem(message)])


def problem(message: str) -> Problem:
    return Problem(f"`data.path`: {message}", ("data", "path"))
