"""What a session of a study runs with: engine, machine, versions and git commit."""

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from autotune.engine.gpus import gpus

__all__ = ["provenance"]

_PACKAGES = ("autotune", "optuna", "ray", "mlflow", "torch")
_PATIENCE = 5.0
"""Seconds that git may take, as in a large repository on a slow disk."""


def provenance(engine: str) -> Mapping[str, str]:
    """As tags of the study's run. The commit is that of the working directory's repository."""
    versions = {"python": platform.python_version(), **{p: metadata.version(p) for p in _PACKAGES}}
    return {**versions, "engine": engine, "machine": _machine(), **_commit(Path.cwd())}


def _machine() -> str:
    cpus, count = os.cpu_count() or 1, gpus()
    devices = [f"{cpus} CPU{'s' * (cpus != 1)}"] + [f"{count} GPU{'s' * (count != 1)}"] * (
        count > 0
    )
    return f"{platform.node()}: {', '.join(devices)}, {platform.system()} {platform.machine()}"


def _commit(folder: Path) -> dict[str, str]:
    """Empty outside a repository."""
    asked = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        said = subprocess.run(
            asked, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return {}
    commit, _, dirty = said.partition("-")
    return {"mlflow.source.git.commit": commit, "git.uncommitted": "yes" if dirty else "no"}
