"""Inline and Ray, one worker and one seed: the same trials, values, decisions and winner."""

from pathlib import Path
from typing import Any

import pytest

from autotune import spec as specs
from autotune.app.runner import drive
from autotune.engine.base import EngineName
from autotune.study.history import History

OVERRIDES = (
    "budget.trials=7",
    "trial.epochs=4",
    "confirm.top=2",
    "confirm.seeds=2",
    "worker.max=1",
)


def picture(history: History) -> list[tuple[Any, ...]]:
    return [
        (
            run.label,
            run.purpose,
            run.seed,
            dict(run.params),
            run.state,
            run.value,
            {step: dict(report.metrics) for step, report in run.reports.items()},
        )
        for run in history.runs()
    ]


@pytest.mark.usefixtures("one_ray")
@pytest.mark.parametrize("form", ["stopping", "promotion"])
def test_inline_and_ray_give_the_same_study(tmp_path: Path, form: str) -> None:
    changes = [*OVERRIDES, "tracking.uri=none", f"schedule.form={form}"]
    spec = specs.load(specs.find("quickstart"), changes)
    engines: tuple[EngineName, ...] = ("inline", "ray")
    told = {engine: drive(spec, tmp_path / engine, engine=engine)[0] for engine in engines}
    assert picture(told["inline"]) == picture(told["ray"])
    best = told["ray"].best()
    assert best and best.test is not None and len(best.seeds) == 2
    assert len({run.state for run in told["ray"].trials}) == 2
