"""Facts about the training data in an export."""

import hashlib
import json
from pathlib import Path

from autotune.export.input import DataFacts
from autotune.export.sums import digest
from autotune.train.config import TrainConfig
from autotune.train.data.base import Dataset
from autotune.train.data.read import files

__all__ = ["data_facts"]

_HASHED = 4 * 2**30
"""Maximum bytes of data whose content is hashed; for more, names and sizes are."""
_NAMED = 5


def data_facts(config: TrainConfig, data: Dataset) -> DataFacts:
    """The data source, with a hash that identifies it."""
    sources = [path.absolute() for path in sorted(files(config.data))]
    sizes = [len(part.y) for part in (data.train, data.val, data.test)]
    if config.data.use_all:
        sizes[1:] = [0, 0]
    sha256, hashed = _of_files(sources) if sources else (_of_samples(data), "the samples")
    return DataFacts(
        name=config.data.name,
        files=tuple(map(str, sources[:_NAMED])),
        sha256=sha256,
        hashed=hashed,
        samples=tuple(sizes),
        test_sha256="" if config.data.use_all else _of_test(config, data, sha256 * bool(sources)),
    )


def _of_test(config: TrainConfig, data: Dataset, source: str) -> str:
    """The settings that, with the source, determine the test split."""
    drawn = config.data.model_dump(mode="json", include={"name", "seed", "test_fraction", "target"})
    labels = data.test.y.tolist() if data.classes else len(data.test.y)
    facts = [drawn, source, config.loss.task, list(data.labels), labels]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _of_samples(data: Dataset) -> str:
    total = hashlib.sha256()
    for part in (data.train, data.val, data.test):
        for tensor in (part.x, part.y):
            total.update(tensor.cpu().contiguous().numpy().data)
    return total.hexdigest()


def _of_files(sources: list[Path]) -> tuple[str, str]:
    """As `sha256sum FILE` prints for one file; of several, a hash of its lines for all of them."""
    if len(sources) == 1:
        return digest(sources[0]), "the file"
    whole = sum(path.stat().st_size for path in sources) <= _HASHED
    total = hashlib.sha256()
    for path in sources:
        fact = digest(path) if whole else path.stat().st_size
        total.update(f"{fact}  {path.name}\n".encode())
    what = "the content" if whole else "the size"
    return total.hexdigest(), f"{what} and the name of each of {len(sources):,} files"
