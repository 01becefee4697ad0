"""A user's own arrays: every mistake in them in one go."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile, ZipFile

import numpy as np

from autotune.errors import DataUnavailable, InvalidInput, Problem, nearest
from autotune.train.data.values import Array, Arrays
from autotune.train.missing_path import absent as nothing

__all__ = ["beginning", "check", "load"]

KEYS = ("x", "y", "x_val", "y_val", "x_test", "y_test")
CHANNELS = (1, 3, 4)
AT = ("data", "path")
BROKEN = (OSError, ValueError, EOFError, BadZipFile, AttributeError, TypeError, LookupError)
"""What numpy and zipfile raise at files that are no arrays."""


def load(path: Path) -> Arrays:
    with readable(path):
        if path.is_dir():
            found = {file.stem: np.load(file, allow_pickle=False) for file in path.glob("*.npy")}
        else:
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                found = {key: file[key] for key in file.files}
    return check(found, str(path), AT)


def beginning(path: Path, rows: int) -> Arrays:
    """The first rows of x, with all of y."""
    with readable(path):
        found = dict(begun(path, rows))
    lengths = {key: length for key, (_, length) in found.items()}
    read = check({key: part[:rows] for key, (part, _) in found.items()}, str(path), AT)
    for suffix in ("", "_val", "_test"):
        if (x := lengths.get(f"x{suffix}")) != (y := lengths.get(f"y{suffix}")):
            rule = f"x{suffix} and y{suffix} must be of one length, got {x} and {y}"
            raise InvalidInput([Problem(f"{path}: {rule}", AT)])
    whole: dict[str, Any] = {key: part for key, (part, _) in found.items() if key[0] == "y"}
    return replace(read, **whole)


def begun(path: Path, rows: int) -> Iterator[tuple[str, tuple[Array, int]]]:
    """The arrays by name, of those of samples the first rows, with the number of all rows."""
    if path.is_dir():
        for file in path.glob("*.npy"):
            part = np.load(file, mmap_mode="r", allow_pickle=False)
            yield file.stem, (part, len(part))
        return
    with ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as raw:
                key = name.removesuffix(".npy")
                yield key, first_rows(raw, rows if key[0] == "x" else None)


def first_rows(raw: IO[bytes], rows: int | None) -> tuple[Array, int]:
    """Of one .npy file: the first rows, or all of them, and how many there are."""
    version = np.lib.format.read_magic(raw)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else None
    shape, by_columns, kind = (header or np.lib.format.read_array_header_2_0)(raw)
    if kind.hasobject:
        raise ValueError("objects")
    count = shape[0] if rows is None else min(rows, shape[0])
    if by_columns and len(shape) > 1:  # its rows lie apart: their values matter little
        return np.zeros((count, *shape[1:]), kind), shape[0]
    size = count * math.prod(shape[1:])
    part = np.frombuffer(raw.read(size * kind.itemsize), kind, size)
    return part.reshape(count, *shape[1:]), shape[0]


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Raises InvalidInput where what is read within is not there, or no arrays."""
    try:
        yield
    except FileNotFoundError:
        raise DataUnavailable([Problem(f"`data.path`: {nothing(path)}", AT)]) from None
    except BROKEN as error:
        # numpy says "allow_pickle" for object arrays and for files that are no arrays at all.
        cure = "numpy.savez writes one; a folder of .npy files would do too"
        why = f"`data.path`: {str(path)!r} is no .npz file of plain arrays ({cure})"
        raise InvalidInput([Problem(why, AT)]) from error


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
