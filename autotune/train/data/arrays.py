"""A user's own arrays: every mistake in them in one go."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from autotune.errors import DataUnavailable, InvalidInput, Problem, nearest
from autotune.train.data.values import Array, Arrays

__all__ = ["check", "load"]

KEYS = ("x", "y", "x_val", "y_val", "x_test", "y_test")
CHANNELS = (1, 3, 4)


def load(path: Path) -> Arrays:
    at = ("data", "path")
    try:
        if path.is_dir():
            found = {file.stem: np.load(file, allow_pickle=False) for file in path.glob("*.npy")}
            return check(found, str(path), at)
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            return check({key: file[key] for key in file.files}, str(path), at)
    except FileNotFoundError:
        raise DataUnavailable(f"`data.path`: there is no file {str(path)!r}") from None
    except (OSError, ValueError, EOFError, BadZipFile, AttributeError, TypeError) as error:
        # numpy says "allow_pickle" for object arrays and for files that are no arrays at all.
        cure = "numpy.savez writes one; a folder of .npy files would do too"
        why = f"`data.path`: {str(path)!r} is no .npz file of plain arrays ({cure})"
        raise InvalidInput([Problem(why, at)]) from error


def check(given: Any, source: str, at: tuple[str, ...]) -> Arrays:
    """The mapping `given` by `source` as Arrays; raises InvalidInput with the path `at`."""
    if not isinstance(given, Mapping):
        kind = type(given).__name__
        raise InvalidInput([Problem(f"{source} must give a mapping with x and y, got {kind}", at)])
    parts = {key: np.asarray(given[key]) for key in KEYS if given.get(key) is not None}
    found = absent(given, parts)
    for suffix in ("", "_val", "_test"):
        x, y = parts.get(f"x{suffix}"), parts.get(f"y{suffix}")
        if x is not None and y is not None:
            found += wrong(x, y, suffix)
    if not found:
        shapes = {parts[key].shape[1:] for key in parts if key.startswith("x")}
        if len(shapes) > 1:
            found.append(f"samples must have one shape, got {', '.join(map(str, shapes))}")
    if found:
        raise InvalidInput([Problem(f"{source}: {message}", at) for message in found])
    arrays: dict[str, Any] = {
        key: arranged(part) if key.startswith("x") else part for key, part in parts.items()
    }
    return Arrays(**arrays)


def absent(given: Mapping[str, Any], parts: Mapping[str, Array]) -> list[str]:
    found = [f"unknown array {key!r}{nearest(key, KEYS)}" for key in given if key not in KEYS]
    needed = {"x", "y"} | {f"{axis}{key[1:]}" for key in parts for axis in "xy"}
    return found + [
        f"array {key!r} is missing (there are: {', '.join(map(str, given)) or 'none'})"
        for key in sorted(needed - set(parts))
    ]


def wrong(x: Array, y: Array, suffix: str) -> list[str]:
    """What is wrong with one pair of samples and labels."""
    found = []
    if y.ndim != 1:
        found.append(f"y{suffix} must have one dimension, got shape {y.shape}")
    if y.dtype.kind not in "iubf":
        cure = "number the classes from 0"
        found.append(f"y{suffix} must hold whole numbers, got {y.dtype}: {cure}")
    if x.ndim not in (2, 3, 4):
        found.append(f"x{suffix} must be (N, F), (N, H, W) or (N, C, H, W), got shape {x.shape}")
    if x.dtype.kind not in "iubf":
        found.append(f"x{suffix} must hold numbers, got {x.dtype}")
    elif not np.isfinite(x).all():
        found.append(f"x{suffix} must be finite, but holds NaN or infinity")
    if x.ndim and y.ndim and len(x) != len(y):
        found.append(f"x{suffix} and y{suffix} must be of one length, got {len(x)} and {len(y)}")
    return found


def arranged(x: Array) -> Array:
    """Images as (N, C, H, W); anything else as it is."""
    if x.ndim == 3:
        return x[:, None]
    if x.ndim == 4 and x.shape[1] not in CHANNELS and x.shape[3] in CHANNELS:
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    return x
