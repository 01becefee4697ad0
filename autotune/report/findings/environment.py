"""Where a study ran, and the commands that run, read and export it again."""

import os
import platform
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata

from autotune import spec as specs
from autotune.report.tables import headline
from autotune.study.history import History

__all__ = ["EnvironmentFacts", "of_study"]

_PACKAGES = ("autotune", "optuna", "ray", "mlflow", "torch", "plotly")


@dataclass(frozen=True, slots=True)
class EnvironmentFacts:
    headline: str
    uid: str
    began: float
    """Seconds since the epoch; 0: unknown."""
    ended: float
    hosts: tuple[str, ...]
    """Machines whose workers reported; empty where they have no name."""
    sampler: str
    """Why another one proposed, where `auto` switched."""
    versions: Mapping[str, str]
    """Of the Python that writes the report."""
    commands: tuple[tuple[str, str], ...]
    """What it does, and the command."""
    spec: str
    """The study file, without secrets."""


def of_study(history: History) -> EnvironmentFacts:
    workers = {str(s.get("worker", "")) for run in history.runs() for s in run.stamps.values()}
    hosts = sorted({worker.rpartition(":")[0] for worker in workers} - {""})
    return EnvironmentFacts(
        headline=headline(history.spec),
        uid=history.uid,
        began=min((run.started for run in history.trials), default=0.0),
        ended=history.ended_at(),
        hosts=tuple(hosts),
        sampler=history.sampler_switch.why or "",
        versions={"python": platform.python_version(), **_versions()},
        commands=tuple(_commands(history)),
        spec=specs.dump_shown(history.spec),
    )


def _versions() -> dict[str, str]:
    return {package: metadata.version(package) for package in _PACKAGES}


def _commands(history: History) -> list[tuple[str, str]]:
    name, best = shlex.quote(history.spec.name), history.best()
    runs = os.path.relpath(history.folder.parent)
    where = "" if runs == "runs" else f" --runs {shlex.quote(runs)}"
    folder = f"{shlex.quote(runs)}/{name}"
    found = [
        ("Run the study again, or go on with it", f"autotune run {folder}/study.yaml{where}"),
        ("Show all trials", f"autotune show {name}{where}"),
        ("Browse it in MLflow", f"autotune ui {name}{where}"),
        ("Write this report again", f"autotune report {name}{where} -o report.html"),
    ]
    if best is not None:
        rerun = os.path.relpath(history.config_file(best.source))
        found += [
            ("Export the winner", f"autotune export {name}{where} -o best/"),
            ("Train the winner again", f"autotune train {shlex.quote(rerun)}"),
        ]
    return found
