"""Which data a study learns from, with a digest by which it is known again."""

import hashlib
import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from autotune.errors import AutotuneError
from autotune.spec import StudySpec
from autotune.train.config import TrainConfig, apply, is_own

__all__ = ["data_identity"]

_HASHED = 256 * 2**20
"""Bytes of data whose content is hashed; of more, names and sizes are."""
_LENGTH = 32
"""Hexadecimal digits; MLflow takes 36 at most."""


def data_identity(spec: StudySpec) -> Mapping[str, str]:
    """Name, digest, source and profile; empty where a function of the user's own reads the data, or
    it is not there."""
    if is_own(spec.trial):
        return {}
    from autotune.train.data.read import files  # torch, which takes seconds

    try:
        config = apply(spec.base_config(), {})
        assert isinstance(config, TrainConfig), "it is not the user's own"
        data = config.data
        sources = sorted(files(data))
        digest, what = _of_files(sources) if sources else _of_settings(data.model_dump(mode="json"))
    except (AutotuneError, OSError):
        return {}
    return {
        "name": sources[0].name if len(sources) == 1 else data.name,
        "digest": digest[:_LENGTH],
        "source_type": "local" if sources else "code",
        "source": json.dumps({"uri": _place(sources) if sources else _package(data.name)}),
        "profile": json.dumps({"digest of": what, "files": len(sources)}),
    }


def _place(sources: list[Path]) -> str:
    folder = sources[0] if len(sources) == 1 else sources[0].parent
    return str(folder.absolute())


def _package(name: str) -> str:
    return f"scikit-learn {metadata.version('scikit-learn')}" if name != "custom" else "a function"


def _of_files(sources: list[Path]) -> tuple[str, str]:
    whole = sum(path.stat().st_size for path in sources) <= _HASHED
    total = hashlib.sha256()
    for path in sources:
        fact = path.read_bytes() if whole else str(path.stat().st_size).encode()
        total.update(path.name.encode() + b"\0" + fact)
    return total.hexdigest(), "names and contents" if whole else "names and sizes"


def _of_settings(settings: Mapping[str, object]) -> tuple[str, str]:
    facts = [settings, _package(str(settings["name"]))]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest(), "its settings and its source"
