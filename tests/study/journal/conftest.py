"""Small studies driven by hand, whose journals are damaged."""

from collections.abc import Callable
from pathlib import Path

import pytest

from autotune import spec as specs
from autotune.spec import StudySpec
from autotune.study.state_machine import Done, Study, start
from autotune.trial import Assignment, Decision, Report

TEXT = """
name: s
seed: 3
objective: {metric: acc, goal: maximize}
trial: {function: "tests.nowhere:run", epochs: 9}
space:
  - x: {type: float, low: 0, high: 1}
  - kind: {type: categorical, choices: [a, b]}
  - y: {type: float, low: 0, high: 1, when: {kind: a}}
search: {name: random}
schedule: {name: asha, grace: 1, eta: 3}
budget: {trials: 8}
confirm: {top: 2, seeds: 2}
tracking: {uri: none}
"""
Ends = Callable[..., Study]


@pytest.fixture
def spec(tmp_path: Path) -> Callable[..., StudySpec]:
    def make(*overrides: str) -> StudySpec:
        path = tmp_path / "study.yaml"
        path.write_text(TEXT)
        return specs.load(path, overrides)

    return make


def accuracy(assignment: Assignment, step: int) -> float:
    return (1 - (float(assignment.config["x"]) - 0.3) ** 2) * (1 - 0.5**step)


@pytest.fixture
def run_to_its_end() -> Ends:
    """Starts the study and runs it, or its first `most` reports of it, one assignment at a time."""

    def run(spec: StudySpec, runs: Path, most: int | None = None) -> Study:
        study, told = start(spec, runs), 0
        while not isinstance(assignment := study.next(), Done):
            assert isinstance(assignment, Assignment)
            for step in range(assignment.from_step + 1, (assignment.to_step or 9) + 1):
                if told == most:
                    study._workspace.release()  # as the kernel does for a killed process
                    return study
                told += 1
                report = Report(step, {"acc": accuracy(assignment, step)}, 0.5)
                if study.report(assignment, report) != Decision.CONTINUE:
                    break
            study.finish(assignment)
        study.close()
        return study

    return run
