"""budget.time and gpu_hours bound the whole study, confirmation included; what is cut is said."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from autotune import spec as specs
from autotune.app.runner import drive
from autotune.engine import simulate
from autotune.report import tables, views
from autotune.search import SamplerConfig
from autotune.spec import StudySpec
from autotune.study import budget, confirmation
from autotune.study.history import ENDED, FIRST_RULES, FITTED, SPENT, History, load
from autotune.study.state_machine import in_memory, start
from autotune.train.base import variants
from autotune.trial import Assignment, Purpose, Report, State
from tests.report.test_study_tables import printed

TEXT = """
name: s
objective: {metric: loss, goal: minimize}
trial: {function: "tests.nowhere:run", epochs: 10}
space: [x: {type: float, low: 0, high: 1}]
search: {name: random}
schedule: {name: none}
budget: {time: 600s}
confirm: {top: 3, seeds: 2}
tracking: {uri: none}
"""
Curve = Callable[[Mapping[str, Any], int], Iterator[tuple[dict[str, float], float]]]


@pytest.fixture(autouse=True)
def in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(*overrides: str, text: str = TEXT) -> StudySpec:
    Path("study.yaml").write_text(text)
    return specs.load("study.yaml", overrides)


def steps(seconds: float = 1.0) -> Curve:
    """Ten steps of `seconds` each."""

    def curve(config: Mapping[str, Any], seed: int) -> Iterator[tuple[dict[str, float], float]]:
        for step in range(1, 11):
            yield {"loss": config["x"] + 1 / step + (seed % 7) / 100}, seconds

    return curve


def simulated(workers: int, *overrides: str, curve: Curve | None = None) -> History:
    study = in_memory(read(*overrides))
    simulate.run(study, workers, simulate.recorded(curve or steps()))
    assert study.complete
    return study.history


def began(history: History, purpose: Purpose) -> list[float]:
    return [run.started for run in history.runs() if run.purpose == purpose]


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_the_limit_bounds_the_study_and_the_winner_is_confirmed_within(workers: int) -> None:
    known = simulated(workers)
    assert 500 < known.elapsed() <= 600
    assert len(known.confirms) == 6 and len(known.verifies) == 2
    assert all(run.state == State.COMPLETE for run in [*known.confirms, *known.verifies])
    rounds = -(-6 // workers) + -(-2 // workers)
    share = known.noted(ENDED)["share"]  # type: ignore[index]
    assert share == pytest.approx(min(200, rounds * 12))  # ten steps, a tenth and a second more
    ended = known.noted(ENDED)["elapsed"]  # type: ignore[index]
    assert 600 - share <= ended < 600 - share + 1
    assert max(began(known, Purpose.SEARCH)) < ended


def test_what_runs_when_the_search_ends_is_stopped_at_its_next_report() -> None:
    known = simulated(3)
    stopped = [run for run in known.trials if run.cut]
    assert stopped and all(run.state == State.PRUNED and run.reports for run in stopped)
    for run in stopped:
        assert run.outcome["message"] == "budget.time ended it"
        assert run.value == min(report.metrics["loss"] for report in run.reports.values())
        assert known.progress(run) == f"stopped at epoch {run.step} of 10 by the budget"
    ended = known.noted(ENDED)["elapsed"]  # type: ignore[index]
    assert all(run.outcome["elapsed"] <= ended + 1 for run in stopped)
    assert min(began(known, Purpose.CONFIRM)) <= ended + 1  # no slot waits
    lines = budget.cut(known)
    trials = "trial was" if len(stopped) == 1 else "trials were"
    assert lines == [
        f"budget.time (10m) ended the search; {len(stopped)} {trials} stopped at the next report"
    ]
    rows = [line.split() for line in printed(tables.study(known))]
    assert sum("pruned(budget)" in row for row in rows) == len(stopped)


def test_what_does_not_fit_is_left_out_and_said() -> None:
    """A training takes 32 s: of 120 s confirmation has 40."""
    known = simulated(2, "budget.time=120s", "confirm.seeds=3", curve=steps(3.0))
    assert known.elapsed() <= 123
    assert (known.plan.top, known.plan.seeds, known.plan.verify) == (1, 2, 0)
    assert len(known.confirms) == 2 and not known.verifies
    said = "confirmation was cut to what fits: 1 of 3 trials, 2 of 3 seeds"
    assert said in budget.cut(known) and said in printed(tables.best(known))
    assert said in views.best(known)["cut"] and said in views.study(known)["cut"]
    best = known.best()
    assert best and not best.selected


def test_no_time_for_any_retraining_is_said() -> None:
    known = simulated(1, "budget.time=20s")
    assert known.elapsed() <= 21 and not known.confirms
    assert "no time was left to retrain any trial: the winner is not confirmed" in budget.cut(known)


def test_a_limit_that_is_far_cuts_nothing() -> None:
    known = simulated(2, "budget={trials: 5, time: 1h}")
    assert not known.noted(ENDED) and not known.noted(SPENT)
    assert budget.cut(known) == [] and len(known.verifies) == 2


def test_retrainings_slower_than_expected_are_stopped_at_the_limit() -> None:
    """The retrained trials take three times as long as in the search."""

    def slower(config: Mapping[str, Any], seed: int) -> Iterator[tuple[dict[str, float], float]]:
        retrained = seed not in {run.seed for run in study.history.trials}
        yield from steps(3.0 if retrained else 1.0)(config, seed)

    study = in_memory(read("budget={trials: 60, time: 200s}"))
    simulate.run(study, 2, simulate.recorded(slower))
    known = study.history
    assert study.complete and 200 <= study.elapsed() <= 205
    assert known.noted(SPENT) and any(run.cut for run in known.confirms)
    whole = [run for run in known.confirms if run.state == State.COMPLETE]
    assert whole and known.best() and all(g.values for g in known.confirmed())
    (line,) = [line for line in budget.cut(known) if "retrainings" in line]
    assert line == "budget.time (3m20s) ended before 6 retrainings were done"
    assert any("ended the search after" in line for line in budget.cut(known))


def test_a_larger_budget_goes_on_with_what_was_cut() -> None:
    """Also with the retrainings: those that were stopped are begun on other seeds."""
    spec = read("budget.time=100s")
    for limit in (100, 100, 400):
        spec = read(f"budget.time={limit}s")
        study = start(spec, Path("runs"))
        before = len(study.history.trials)
        simulate.run(study, 2, simulate.recorded(steps(2.0)))
        assert study.complete
        study.close()
        if limit == 100 and before:
            assert len(study.history.trials) == before  # finished stays finished
    known = load("s", Path("runs"))
    assert views.state(known) == "finished" and 300 < known.elapsed() <= 402
    assert len(known.trials) > before and not known.noted(SPENT)
    best = known.best()
    assert best and best.verified and len(best.seeds) == 2
    assert len({run.label for run in known.runs()}) == len(known.runs())
    assert len({run.seed for run in [*known.trials, *known.confirms, *known.verifies]}) == len(
        [*known.trials, *known.confirms, *known.verifies]
    )


def test_all_sessions_count_and_what_is_left_half_done_has_an_end() -> None:
    """Killed with one trial that had reported and one that had not; time is over at the resume."""
    study = start(read("budget.time=50s"), Path("runs"))
    study.slots = 2
    first, second = study.next(), study.next()
    assert isinstance(first, Assignment) and isinstance(second, Assignment)
    study._before = 49.0  # of an earlier session
    study.report(first, Report(1, {"loss": 0.5}, 1.0))
    study._workspace.release()
    study = start(read("budget.time=49s"), Path("runs"))
    assert not isinstance(study.next(), Assignment) and study.complete
    states = [(run.state, run.cut, run.value) for run in study.history.trials]
    assert states == [(State.PRUNED, True, 0.5), (State.PRUNED, True, None)]
    study.close()
    assert views.state(load("s", Path("runs"))) == "finished"


class Killed(Exception):
    """Stands for kill -9: nothing is closed."""


@pytest.mark.parametrize("schedule", ["{name: asha}", "{name: asha, form: promotion}"])
def test_killed_again_and_again_it_ends_in_its_time(schedule: str) -> None:
    """Each time after 40 steps: a trial that leaves no checkpoint begins anew after each kill."""

    def mortal(config: Mapping[str, Any], seed: int) -> Iterator[tuple[dict[str, float], float]]:
        for metrics, seconds in steps(2.0)(config, seed):
            left.append(0)
            if len(left) % 40 == 0:
                raise Killed
            yield metrics, seconds

    spec, left = read("budget.time=200s", f"schedule={schedule}"), list[int]()
    for _ in range(500):
        study = start(spec, Path("runs"))
        try:
            simulate.run(study, 2, simulate.recorded(mortal))
            break
        except Killed:
            study._workspace.release()
    assert study.complete and study.elapsed() <= 202
    study.close()
    known = load("s", Path("runs"))
    assert views.state(known) == "finished" and known.noted(ENDED)
    assert all(run.state.finished for run in known.runs())
    assert known.best() and known.confirms and len(known.confirms) <= 6
    ended = known.noted(ENDED)["elapsed"]  # type: ignore[index]
    assert all(run.outcome["elapsed"] <= ended + 2 for run in known.trials)


@pytest.mark.parametrize("name", sorted({*variants(SamplerConfig)} - {"grid"}))
def test_no_sampler_minds_a_trial_that_ended_before_it_reported(name: str) -> None:
    study = start(read("budget.time=50s", f"search={{name: {name}}}"), Path("runs"))
    study.slots = 2
    assert isinstance(study.next(), Assignment) and isinstance(study.next(), Assignment)
    study._before = 60.0
    study._workspace.release()
    study = start(read("budget.time=1s", f"search={{name: {name}}}"), Path("runs"))
    study._before = 60.0
    study.next()
    study.close()
    assert all(run.cut for run in study.history.trials)
    study = start(read("budget={trials: 6}", f"search={{name: {name}}}"), Path("runs"))
    simulate.run(study, 2, simulate.recorded(steps()))
    assert study.complete and len(study.history.trials) == 6
    study.close()


def test_paused_trials_end_with_the_search() -> None:
    promotion = "schedule={name: asha, grace: 1, eta: 3, form: promotion}"
    known = simulated(2, promotion, "budget.time=60s")
    assert known.elapsed() <= 61 and all(run.state.finished for run in known.runs())
    assert any(run.cut for run in known.trials)


def test_gpu_hours_bound_the_study_as_well() -> None:
    hour = "budget={gpu_hours: 0.1}"  # 360 GPU seconds, 180 seconds of one trial
    known = simulated(2, hour, "worker.gpus=2")
    used = 2 * sum(run.seconds for run in known.runs())
    assert 250 < used <= 360 + 2 * 2
    assert known.noted(ENDED)["by"] == "gpu_hours"  # type: ignore[index]
    assert known.confirms and budget.cut(known)[0].startswith("budget.gpu_hours (0.1) ended")


def test_without_confirmation_the_search_has_it_all() -> None:
    known = simulated(2, "budget.time=60s", "confirm.top=0")
    assert known.noted(ENDED)["share"] == 0 and 60 <= known.elapsed() <= 61  # type: ignore[index]


def test_a_study_of_the_first_rules_confirms_after_its_time() -> None:
    study = start(read("budget.time=30s"), Path("runs"))
    study._journal.write_note("rules", FIRST_RULES)
    study.history.recall(study._journal)
    simulate.run(study, 2, simulate.recorded(steps()))
    known = study.history
    assert study.complete and study.elapsed() >= 60 and len(known.confirms) == 6
    assert not known.notes and not any(run.cut for run in known.trials)
    study.close()


def test_decisions_hold_for_the_budget_they_were_made_under() -> None:
    known = simulated(2, "budget.time=120s", "confirm.seeds=3", curve=steps(3.0))
    assert known.noted(ENDED) and known.noted(FITTED) and known.plan != known.asked
    known.spec = read("budget.time=120s", "confirm.seeds=2")
    assert known.noted(ENDED) and not known.noted(FITTED) and known.plan == known.asked
    known.spec = read("budget.time=121s", "confirm.seeds=3")
    assert not known.noted(ENDED) and not known.noted(FITTED)


def test_check_says_what_is_kept() -> None:
    assert budget.share_of(read()) == (
        "of the budget, what 6 retrainings and then 2 will take is kept for them, at most 3m20s"
    )
    assert budget.share_of(read("confirm.top=0")) == ""
    assert budget.share_of(read("budget={trials: 3}")) == ""


FUNCTION = """
import time

def run(config, trial):
    for epoch in range(1, 31):
        time.sleep(0.05)
        trial.report(epoch, loss=config["x"] / epoch)
"""


def test_a_real_study_ends_in_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("mine_timed.py").write_text(FUNCTION)
    text = TEXT.replace("tests.nowhere:run", "mine_timed:run").replace("epochs: 10", "epochs: 30")
    spec = read("budget.time=8s", "confirm={top: 2, seeds: 1}", text=text)
    known, _ = drive(spec, Path("runs"), engine="inline")
    assert known.elapsed() < 9.5
    assert known.noted(ENDED) and known.trials[-1].state.finished
    assert views.state(load("s", Path("runs"))) == "finished"


def test_nothing_is_left_where_all_is_done() -> None:
    known = simulated(2, "budget={trials: 4}")
    assert confirmation.left(known, known.asked) == (0, 0)
