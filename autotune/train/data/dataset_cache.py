"""Prepared data on disk: made once on a machine, then mapped by every process that trains on it.

A mapped file is memory that processes share: the kernel holds one copy of its pages, read when
they are touched. The mapping is private, so a write would stay in the process that made it.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from autotune.train.cache import once
from autotune.train.data.config import DataConfig
from autotune.train.data.raw import Raw
from autotune.train.data.values import Dataset, Split, Task

__all__ = ["kept"]

FORMAT = 2  # another number after any change of how data is prepared
WORTH = 4 * 2**20  # bytes of source files; less is prepared in the time of a few steps
NAME = "data.safetensors"
PARTS = ("train", "val", "test")
FACTS = ("labels", "columns", "y_mean", "y_std", "categories")


def kept(
    config: DataConfig, task: Task, sources: Iterable[Path], make: Callable[[], Dataset]
) -> Dataset:
    """What `make` makes; from the cache where the source files are large and have not changed."""
    files = sorted(sources)
    if sum(path.stat().st_size for path in files) < WORTH:
        return make()
    key = f"data-{config.name}-{fingerprint(config, task, files)}"
    return read(once(key, lambda folder: write(folder, make())) / NAME)


def fingerprint(config: DataConfig, task: Task, files: Iterable[Path]) -> str:
    facts = [FORMAT, config.model_dump_json(), task]
    for path in files:
        status = path.stat()
        facts.append((str(path.absolute()), status.st_size, status.st_mtime_ns))
    return hashlib.blake2b(json.dumps(facts).encode(), digest_size=10).hexdigest()


def write(folder: Path, data: Dataset) -> None:
    tensors = {"mean": data.mean, "std": data.std}
    for part in PARTS:
        split = getattr(data, part)
        tensors |= {f"{part}.x": split.x, f"{part}.y": split.y}
    facts = {name: getattr(data, name) for name in FACTS} | {"raw": data.raw.model_dump()}
    save_file(tensors, folder / NAME, {"autotune": json.dumps(facts)})


def read(path: Path) -> Dataset:
    with safe_open(path, framework="pt") as file:
        tensors: dict[str, torch.Tensor] = {
            name: file.get_tensor(name)
            for name in file.keys()  # noqa: SIM118
        }
        facts = json.loads(file.metadata()["autotune"])
    train, val, test = (Split(tensors[f"{part}.x"], tensors[f"{part}.y"]) for part in PARTS)
    labels = tuple(facts["labels"])
    return Dataset(
        train,
        val,
        test,
        classes=len(labels),
        outputs=len(labels) or 1,
        mean=tensors["mean"],
        std=tensors["std"],
        labels=labels,
        columns=tuple(facts["columns"]),
        y_mean=facts["y_mean"],
        y_std=facts["y_std"],
        categories=tuple(facts["categories"]),
        raw=Raw.model_validate(facts["raw"]),
    )
