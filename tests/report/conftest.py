"""Studies for reports, driven by hand: no engine, no training, curves by a formula."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from autotune import spec as specs
from autotune.study import history, state_machine
from autotune.trial import Assignment, Decision, Failure, Purpose, Reason, Report

PLAIN = """
name: plain
objective: {metric: val_accuracy, goal: maximize}
trial: {function: "tests.nowhere:run", epochs: 9}
space:
  - lr: {type: float, low: 1e-4, high: 1, log: true, prior: 0.01}
  - depth: {type: int, low: 1, high: 4}
  - kind: {type: categorical, choices: [adam, sgd, "<b>odd</b>"]}
  - momentum: {type: float, low: 0.5, high: 0.99, when: {kind: sgd}}
search: {name: mfgp}
schedule: {name: asha, grace: 1, eta: 3}
budget: {trials: 40}
confirm: {top: 2, seeds: 3}
tracking: {uri: none}
"""
PARETO = """
name: pareto
objective:
  - {metric: val_accuracy, goal: maximize}
  - {metric: cost, goal: minimize}
trial: {function: "tests.nowhere:run", epochs: 3}
space:
  - lr: {type: float, low: 1e-4, high: 1, log: true}
  - depth: {type: int, low: 1, high: 4}
search: {name: random}
schedule: {name: none}
budget: {trials: 20}
confirm: {top: 1, seeds: 2}
tracking: {uri: none}
"""


def metrics(config: Mapping[str, Any], seed: int, step: int) -> dict[str, float]:
    """Best at lr 0.05; a deeper one is better, and costs more."""
    off = abs(math.log10(config["lr"]) + 1.3) / 2
    noise = (seed * 7919 % 1000) / 1e5
    score = (0.9 - 0.3 * off + 0.03 * config["depth"]) * (1 - 0.5 / step) + noise
    return {"val_accuracy": score, "cost": config["depth"] + off, "train_loss": 1 / step}


def drive(text: str, folder: Path, until: int = 10**9, **budget: Any) -> history.History:
    """The study after `until` assignments. lr above 0.3 diverges at once, and half of the trials
    with 4 layers do not fit."""
    path = folder / "study.yaml"
    path.write_text(text)
    spec = specs.load(path, [f"budget.{key}={value}" for key, value in budget.items()])
    driven = state_machine.start(spec, folder / "runs")
    while until and isinstance(assignment := driven.next(), Assignment):
        until -= 1
        driven.finish(assignment, _train(driven, assignment))
    driven.close()
    return history.load(spec.name, folder / "runs")


def _train(driven: state_machine.Study, assignment: Assignment) -> Failure | None:
    config = assignment.config
    if config["depth"] == 4 and assignment.trial % 2 and assignment.purpose == Purpose.SEARCH:
        return Failure(Reason.OOM, "<script>alert(1)</script> out of memory")
    for step in range(assignment.from_step + 1, (assignment.to_step or config["epochs"]) + 1):
        if config["lr"] > 0.3:
            return Failure(Reason.NAN, "loss is nan at step 1")
        report = Report(step, metrics(config, assignment.seed, step), 0.25)
        if driven.report(assignment, report, "host:1") != Decision.CONTINUE:
            return None
    return None


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> history.History:
    """One objective, a condition, stopped and failed trials, a winner that was retrained."""
    return drive(PLAIN, tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="session")
def pareto(tmp_path_factory: pytest.TempPathFactory) -> history.History:
    return drive(PARETO, tmp_path_factory.mktemp("pareto"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path
