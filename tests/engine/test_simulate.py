"""The simulated engine keeps the contract; its clock, its order and its determinism."""

import hashlib
import math
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from autotune import spec as specs
from autotune.app.runner import drive
from autotune.engine import simulate
from autotune.errors import StudyChanged, StudyFailed
from autotune.spec import StudySpec
from autotune.study.history import History, load
from autotune.study.state_machine import Study, in_memory, start
from autotune.testing.engine import EngineContract, ScriptedStudy, assign, is_alive
from autotune.trial import Assignment, Decision, Reason, Report, State


class TestSimulate(EngineContract):
    @pytest.fixture
    def run(self) -> Any:
        return simulate.run


TEXT = """
name: s
seed: 3
objective: {metric: loss, goal: minimize}
trial: {function: "autotune.testing.trials:learns", epochs: 9}
space:
  - lr: {type: float, low: 1e-3, high: 1, log: true}
  - kind: {type: categorical, choices: [a, b]}
  - y: {type: float, low: 0, high: 1, when: {kind: a}}
search: {name: tpe}
schedule: {name: asha, grace: 1, eta: 3}
budget: {trials: 12}
confirm: {top: 2, seeds: 2}
tracking: {uri: none}
"""


def study_spec(*overrides: str) -> StudySpec:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "study.yaml"
        path.write_text(TEXT)
        return specs.load(path, overrides)


def curve(config: Mapping[str, Any], seed: int) -> Iterator[tuple[dict[str, float], float]]:
    """The same losses as `learns`; the larger lr, the slower."""
    for step in range(1, 10):
        yield {"loss": config["lr"] / step, "depth": float(step)}, 0.1 + config["lr"]


def simulated(workers: int, *overrides: str) -> Study:
    study = in_memory(study_spec(*overrides))
    simulate.run(study, workers, simulate.recorded(curve))
    study.close()
    study.raise_error()
    return study


def picture(history: History) -> list[tuple[Any, ...]]:
    return [
        (
            run.label,
            run.seed,
            dict(run.params),
            run.state,
            run.value,
            {step: dict(report.metrics) for step, report in run.reports.items()},
        )
        for run in history.runs()
    ]


def test_one_simulated_worker_gives_the_study_that_inline_gives(tmp_path: Path) -> None:
    inline = drive(study_spec(), tmp_path, engine="inline")[0]
    assert picture(simulated(1).history) == picture(inline)
    assert {run.state for run in inline.trials} == {State.COMPLETE, State.PRUNED}


MODEL = ("search.name=auto", "budget.trials=40")
"""auto's model, and enough trials for it to propose most of them; the space is conditional."""


def digest(workers: int) -> str:
    """Of all that was simulated, the times as well."""
    history = simulated(workers, *MODEL).history
    stamps = [[dict(stamp) for stamp in run.stamps.values()] for run in history.runs()]
    return hashlib.sha256(repr((picture(history), stamps)).encode()).hexdigest()


def inline_digest() -> str:
    with tempfile.TemporaryDirectory() as folder:
        history = drive(study_spec(*MODEL), Path(folder), engine="inline")[0]
    return hashlib.sha256(repr(picture(history)).encode()).hexdigest()


@pytest.mark.parametrize("call", ["digest(1)", "digest(4)", "digest(16)", "inline_digest()"])
def test_another_process_gives_the_same_study(call: str) -> None:
    code = f"import sys; sys.path[:0] = [{str(Path(__file__).parent)!r}]; import test_simulate as t"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print(t.{call})"],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == eval(call)


def test_reports_come_in_the_order_of_simulated_time() -> None:
    study = simulated(4, "search.name=random")
    stamps = [stamp for run in study.history.trials for stamp in run.stamps.values()]
    assert len({stamp["worker"] for stamp in stamps}) == 4
    for run in study.history.trials:
        times = [stamp["elapsed"] for stamp in run.stamps.values()]
        cost = 0.1 + float(run.params["lr"])  # type: ignore[arg-type]
        assert times[0] == pytest.approx(run.started + cost)
        assert all(b - a == pytest.approx(cost) for a, b in pairwise(times))
    per_worker: dict[str, float] = {}
    for run in [*study.history.trials, *study.history.confirms]:
        worker = run.outcome["worker"]
        per_worker[worker] = per_worker.get(worker, 0.0) + run.seconds
    assert max(per_worker.values()) <= study.elapsed()
    assert study.elapsed() == max(stamp["elapsed"] for stamp in _stamps(study))


def _stamps(study: Study) -> list[Mapping[str, Any]]:
    return [stamp for run in study.history.runs() for stamp in run.stamps.values()]


def test_the_budget_counts_simulated_seconds() -> None:
    study = simulated(2, "budget={time: 30s}", "schedule.name=none", "confirm.top=0")
    started = [run.started for run in study.history.trials]
    assert 25 < max(started) < 30 <= study.elapsed() < 40
    assert study.complete


def test_what_cannot_be_computed_fails_its_trial() -> None:
    def diverges(config: Mapping[str, Any], seed: int) -> Iterator[tuple[dict[str, float], float]]:
        yield {"loss": 1.0}, 1.0
        yield {"loss": math.nan if config["lr"] > 0.1 else 0.5}, 1.0

    study = in_memory(study_spec("search.name=random"))
    simulate.run(study, 3, simulate.recorded(diverges))
    reasons = {run.outcome.get("reason") for run in study.history.trials}
    assert reasons == {None, Reason.NAN}


def test_an_error_of_the_study_ends_the_work_under_way(tmp_path: Path) -> None:
    def decide(assignment: Assignment, report: Report) -> Decision:
        raise StudyFailed("enough")

    study = ScriptedStudy([assign(n, tmp_path, "goes_on", None) for n in range(3)], decide)
    with pytest.raises(StudyFailed):
        simulate.run(study, 3)
    assert all((tmp_path / str(n) / "stopped").exists() for n in range(3))


@pytest.mark.parametrize("schedule", ["{name: asha}", "{name: asha, form: promotion}"])
def test_a_simulated_study_on_disk_is_the_one_in_memory(tmp_path: Path, schedule: str) -> None:
    changes = (f"schedule={schedule}", "budget.trials=6", "confirm.top=0")
    for trials in (3, 6):  # the second goes on where the first ended
        study = start(study_spec(*changes, f"budget.trials={trials}"), tmp_path)
        before = study.elapsed()
        simulate.run(study, 2, simulate.recorded(curve))
        assert study.elapsed() > before
        study.close()
    assert before > 0
    history = load("s", tmp_path)
    assert history.elapsed() == study.elapsed()
    assert len(history.trials) == 6 and all(run.state.finished for run in history.trials)
    driven = start(study_spec(*changes), tmp_path / "whole")
    simulate.run(driven, 2, simulate.recorded(curve))
    driven.close()
    assert picture(driven.history) == picture(simulated(2, *changes).history)


def test_fixed_configurations_come_first_also_after_a_resume(tmp_path: Path) -> None:
    fixed = "search={name: tpe, fixed: [{lr: 0.5, kind: b}, {kind: a, y: 0.25}, {lr: 1}]}"
    changes = (fixed, "confirm.top=0", "budget.trials=6")
    for trials in (2, 6):
        study = start(study_spec(*changes, f"budget.trials={trials}"), tmp_path)
        simulate.run(study, 2, simulate.recorded(curve))
        study.close()
    params = [run.params for run in study.history.trials]
    assert params[0] == {"lr": 0.5, "kind": "b"}
    assert (params[1]["kind"], params[1]["y"], params[2]["lr"]) == ("a", 0.25, 1.0)
    assert picture(load("s", tmp_path)) == picture(study.history)
    whole = simulated(2, *changes).history.trials
    assert [run.params for run in whole[:3]] == params[:3]
    with pytest.raises(StudyChanged, match="search.fixed was .* now is not given"):
        start(study_spec("search={name: tpe}", *changes[1:]), tmp_path)


def test_ctrl_c_in_the_work_is_no_failure_of_it(tmp_path: Path) -> None:
    study = ScriptedStudy([assign(0, tmp_path, "naps", 3, seconds=0.5)])
    handlers = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGALRM: lambda *_: os.kill(os.getpid(), signal.SIGINT),
    }
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            simulate.run(study)  # type: ignore[arg-type]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert study.stopped and study.ended == []


def test_processes_of_work_that_overlaps_end_with_the_last(tmp_path: Path) -> None:
    """The first that ends does not end those of the other."""
    queue = [
        assign(n, tmp_path, "lasts_beside_a_process", epochs) for n, epochs in ((0, 1), (1, 3))
    ]
    study = ScriptedStudy(queue, worker={"cpus": 1, "gpus": 0, "max": 2})
    simulate.run(study, workers=2)  # type: ignore[arg-type]
    assert not study.failures() and len(study.reports[1]) == 3
    pids = [int((tmp_path / str(n) / "process").read_text()) for n in range(2)]
    assert not any(is_alive(pid) for pid in pids)
