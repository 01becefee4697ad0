"""Studies with several objectives, and with constraints: who wins, who is retrained."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from autotune import spec as specs
from autotune.report import tables, views
from autotune.study import events, history, state_machine
from autotune.trial import Assignment, Purpose, Report, State
from tests.report.test_study_tables import printed

TEXT = """
name: several
objective: [{metric: acc, goal: maximize}, {metric: size, goal: minimize}]
trial: {function: "tests.nowhere:run", epochs: 2}
space: [x: {type: float, low: 0, high: 1}]
search: {name: random}
schedule: {name: none}
budget: {trials: 5}
confirm: {top: 2, seeds: 2}
tracking: {uri: none}
"""
SCORES = [(0.90, 100), (0.99, 1000), (0.98, 200), (0.5, 10), (0.4, 400)]
"""Of each trial: accuracy and size. The last is dominated; trial 2 is the knee."""


def drive(folder: Path, scores: Sequence[tuple[float, float]] = SCORES, text: str = TEXT) -> None:
    (folder / "several.yaml").write_text(text)
    driven = state_machine.start(specs.load(folder / "several.yaml"), folder / "runs")
    while isinstance(assignment := driven.next(), Assignment):
        accuracy, size = scores[assignment.trial]
        for step, gain in ((1, 0.0), (2, -0.2)):  # the second epoch is worse
            metrics = {"acc": accuracy + gain, "size": size + step}
            driven.report(assignment, Report(step, metrics, 0.5))
        driven.finish(assignment)
    assert driven.complete
    driven.close()


def load(folder: Path) -> history.History:
    return history.load("several", folder / "runs")


def constrained(*constraints: str, one: bool = False) -> str:
    text = TEXT.replace(", {metric: size, goal: minimize}", "") if one else TEXT
    return text + f"constraints: [{', '.join(constraints)}]\n"


def test_the_pareto_set_is_told_and_the_knee_is_picked(tmp_path: Path) -> None:
    drive(tmp_path)
    known = load(tmp_path)
    assert [run.trial for run in known.pareto()][0] == 2
    assert {run.trial for run in known.pareto()} == {0, 1, 2, 3}
    best = views.best(known)
    assert (best["trial"], best["values"]) == (2, {"acc": 0.98, "size": 201.0})
    assert (best["pick"], len(best["pareto"]), best["pareto"][0]["trial"]) == ("knee", 4, 2)
    lines = printed(tables.best(known))
    assert lines[0] == "Pareto set: 4 of 5 trials; * is picked: the knee"
    assert any(line.startswith("*  2") and "0.98" in line and "201" in line for line in lines)
    assert any("best: trial 2, acc 0.9800 ± 0.0000 over 2 fresh seeds" in line for line in lines)
    assert "  size 201" in lines


def test_the_picked_one_and_the_next_are_retrained(tmp_path: Path) -> None:
    drive(tmp_path)
    known = load(tmp_path)
    assert [run.trial for run in known.confirms] == [2, 0, 2, 0] and not known.verifies
    assert all(run.purpose == Purpose.CONFIRM for run in known.confirms)


def test_a_pick_may_be_changed_later(tmp_path: Path) -> None:
    drive(tmp_path)
    drive(tmp_path, text=TEXT + "pick: {metric: size, within: 5}\n")
    known = load(tmp_path)
    assert views.best(known)["trial"] == 3
    assert [run.trial for run in known.confirms] == [2, 0, 2, 0, 3, 3]


def test_a_study_is_read_back_as_it_was(tmp_path: Path) -> None:
    drive(tmp_path)
    known = load(tmp_path)
    told = known.snapshots()
    assert [trial.values for trial in told] == [(a, s + 1) for a, s in SCORES]
    assert [trial.value for trial in told] == [a for a, _ in SCORES]
    assert known.trials[0].outcome["values"] == [0.9, 101]
    finished = events.finished(known, known.trials[0])
    assert finished.summary["best/acc"] == 0.9 and finished.summary["best/size"] == 101
    shown = printed(tables.study(known))
    assert "acc" in shown[1] and "size" in shown[1]


def test_infeasible_trials_are_no_part_of_the_set(tmp_path: Path) -> None:
    drive(tmp_path, text=constrained("size <= 150", "acc > 0.6"))
    known = load(tmp_path)
    assert [run.trial for run in known.pareto()] == [0]
    assert events.finished(known, known.trials[1]).summary["feasible"] == 0
    assert events.finished(known, known.trials[0]).summary["feasible"] == 1
    shown = views.study(known)["trials"]
    assert shown[1]["breaks"] == ["size <= 150 (1001)"]
    assert shown[0]["breaks"] == []
    assert known.snapshots()[1].violations[0] == pytest.approx((1001 - 150) / 150)


def test_one_objective_with_constraints_takes_the_best_feasible(tmp_path: Path) -> None:
    drive(tmp_path, text=constrained("size < 501", one=True))
    known = load(tmp_path)
    assert [run.trial for run in known.top(9)] == [2, 0, 3, 4]
    best = known.best()
    assert best and best.trial == 2 and not best.broken
    assert known.leaderboard.best() == 0.98
    assert "values" not in known.trials[0].outcome


@pytest.mark.parametrize("one", [True, False])
def test_where_none_is_feasible_the_least_violating_is_shown(tmp_path: Path, one: bool) -> None:
    drive(tmp_path, text=constrained("size <= 5", one=one))
    known = load(tmp_path)
    best = known.best()
    assert best and best.trial == 3 and best.broken == ("size <= 5 (11)",)
    assert not known.confirms and known.pareto() == known.candidates() == []
    lines = printed(tables.best(known))
    said = "no trial keeps to the constraints; the one that breaks them least: size <= 5 (11)"
    assert said in lines


def test_a_metric_that_is_not_reported_ends_the_study(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(constrained("sise <= 5"))
    driven = state_machine.start(specs.load(tmp_path / "s.yaml"), tmp_path / "runs")
    assignment = driven.next()
    assert isinstance(assignment, Assignment)
    driven.report(assignment, Report(1, {"acc": 0.5, "size": 3}, 0.5))
    with pytest.raises(Exception, match="the metric of constraint sise <= 5 must be .*'size'"):
        driven.raise_error()
    driven.close()


@pytest.mark.parametrize(
    ("metrics", "reason"),
    [({"acc": 0.5, "size": float("nan")}, "nan"), ({"acc": float("inf"), "size": 1.0}, "nan")],
)
def test_what_is_not_finite_fails_the_trial(
    tmp_path: Path, metrics: Mapping[str, float], reason: str
) -> None:
    (tmp_path / "s.yaml").write_text(TEXT)
    driven = state_machine.start(specs.load(tmp_path / "s.yaml"), tmp_path / "runs")
    assignment = driven.next()
    assert isinstance(assignment, Assignment)
    driven.report(assignment, Report(1, metrics, 0.5))
    (trial,) = driven.history.snapshots()
    assert (trial.state, trial.reason, trial.values) == (State.FAILED, reason, ())
    driven.close()
