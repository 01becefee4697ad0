"""Objectives, constraints and picks: how they are read, written, refused and measured."""

from collections.abc import Callable
from pathlib import Path

import pytest

from autotune.errors import InvalidInput
from autotune.spec import Constraint, StudySpec, check, differences, dump, load
from autotune.trial import Goal, Report

STUDY = """\
name: tiny
seed: 0
objective: {metric: val_accuracy, goal: maximize}
trial:
  data: {name: digits}
  model: {name: mlp}
  epochs: 9
space:
  - optimizer.lr: {type: float, low: 1e-4, high: 1e-1, log: true}
    model.depth: {type: int, low: 1, high: 3}
search: {name: tpe}
budget: {trials: 20}
"""
ONE = "{metric: val_accuracy, goal: maximize}"
TWO = "[{metric: val_accuracy, goal: maximize}, {metric: params, goal: minimize}]"
Study = Callable[..., Path]


@pytest.fixture
def study(tmp_path: Path) -> Study:
    def write(text: str) -> Path:
        (tmp_path / "study.yaml").write_text(text)
        return tmp_path / "study.yaml"

    return write


@pytest.fixture
def spec(study: Study) -> Callable[..., StudySpec]:
    def read(objective: str, more: str = "", old: str = "", new: str = "") -> StudySpec:
        text = STUDY.replace(ONE, objective).replace("{name: tpe}", "{name: random}") + more
        return load(study(text.replace(old, new) if old else text), ["schedule.name=none"])

    return read


def test_several_objectives_are_read_and_written(spec):
    read = spec(
        TWO, "constraints: [params <= 1e4, 'val_loss<2']\npick: {metric: params, within: 9}"
    )
    assert [o.metric for o in read.objectives] == ["val_accuracy", "params"]
    assert read.scoring.goals == (Goal.MAXIMIZE, Goal.MINIMIZE)
    assert [str(c) for c in read.constraints] == ["params <= 10000", "val_loss < 2"]
    assert "objective: [{metric: val_accuracy, goal: maximize, at: best}, {" in dump(read)
    check(read)


def test_what_is_written_is_read_back(spec, study):
    read = spec(TWO, "constraints: [params <= 1e4]\npick: knee")
    assert load(study(dump(read))) == read
    one = spec(ONE)
    assert "pick" not in dump(one) and "constraints" not in dump(one)


def test_a_cost_is_asked_for_by_itself(spec):
    assert "metrics" not in spec(ONE).base_config()
    assert spec(TWO).base_config()["metrics"] == ["params"]
    asked = spec(ONE, "constraints: [params <= 1]", "epochs: 9", "epochs: 9\n  metrics: [f1]")
    assert asked.base_config()["metrics"] == ["f1", "params"]
    assert asked.base_config()["monitor"]["metric"] == "val_accuracy"


def test_objectives_and_constraints_may_not_change(spec):
    (line,) = differences(spec(ONE), spec(ONE, "constraints: [params <= 1]"))
    assert line.startswith("constraints was")
    assert differences(spec(ONE), spec(TWO))
    assert not differences(spec(TWO), spec(TWO, "pick: {metric: params, within: 1}"))


WRONG = [
    ("[]", "", ["`objective`", "at least 1"]),
    (
        ONE,
        "constraints: [params = 5]",
        ["`constraints.0` must be a metric", "params = 5"],
    ),
    (ONE, "constraints: [5]", ["`constraints.0` must be a metric"]),
    (ONE, "constraints: [params <= 1e999]", ["`constraints.0` must be"]),
    (ONE, "constraints: ['__import__(\"os\") <= 5']", ["`constraints.0` must be"]),
    (ONE, "constraints: [val_accurcy >= 0.5]", ["`constraints` must be one", "'val_accuracy'"]),
    (ONE, "constraints: [val_f1 >= 0.5]", ["add `f1` to `trial.metrics`"]),
    (ONE, "pick: knee", ["`pick` chooses among several objectives"]),
    (TWO, "pick: elbow", ["`pick` must be knee, or a mapping"]),
    (TWO, "pick: {metric: parms, within: 1}", ["`pick.metric` must be one of", "'params'"]),
    (TWO, "pick: {metric: params, within: -1}", ["`pick.within` must be >= 0"]),
    (ONE.replace("maximize", "max"), "", ["`objective.goal` must be maximize or minimize"]),
    (TWO.replace("minimize", "min"), "", ["`objective.1.goal` must be maximize or minimize"]),
    (TWO.replace("minimize", "minimize, at: last"), "", ["`at` belongs to the first objective"]),
    (TWO.replace("params", "val_accuracy"), "", ["must not name a metric twice"]),
    (TWO.replace("params", "parms"), "", ["must be one that a trial reports"]),
    (
        "[{metric: params, goal: minimize}, {metric: val_loss, goal: minimize}]",
        "",
        ["learnt first"],
    ),
]


@pytest.mark.parametrize(("objective", "more", "said"), WRONG)
def test_what_is_wrong_is_said_in_one_line(spec, objective, more, said):
    with pytest.raises(InvalidInput) as caught:
        spec(objective, more)
    lines = str(caught.value).splitlines()
    assert len(lines) == 1, lines
    line = STUDY.count("\n") + 1 if more else 3
    assert f":{line}:" in lines[0]
    assert all(words in lines[0] for words in said), lines[0]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("search.name=cmaes", "cmaes pursues one objective; choose random or grid or sobol"),
        ("schedule.name=median", "median compares trials by one objective; choose none"),
    ],
)
def test_who_cannot_pursue_several_is_refused(study, setting, said):
    text = STUDY.replace(ONE, TWO).replace("{name: tpe}", "{name: random}")
    with pytest.raises(InvalidInput, match=said):
        load(study(text), ["schedule.name=none", setting])


@pytest.mark.parametrize(
    ("sign", "met", "broken"),
    [("<=", [5, 4], [5.1]), ("<", [4.9], [5, 6]), (">=", [5, 6], [4.9]), (">", [5.1], [5, 4])],
)
def test_a_violation_is_positive_where_a_constraint_is_broken(sign, met, broken):
    constraint = Constraint(metric="m", sign=sign, bound=5)
    assert all(constraint.violation(value) <= 0 for value in met)
    assert all(constraint.violation(value) > 0 for value in broken)


def test_violations_are_shares_of_the_bound():
    assert Constraint(metric="m", sign="<=", bound=200).violation(300) == 0.5
    assert Constraint(metric="m", sign=">=", bound=0).violation(-3) == 3


def test_all_values_are_of_the_epoch_that_the_first_objective_chooses(spec):
    scores = [(0.5, 10), (0.9, 30), (0.9, 20), (0.7, 5)]
    reports = {
        step: Report(step, {"val_accuracy": accuracy, "params": params})
        for step, (accuracy, params) in enumerate(scores, 1)
    }
    scoring = spec(TWO, "constraints: [params <= 20]").scoring
    assert (scoring.values(reports), scoring.violations(reports)) == ((0.9, 30), (0.5,))
    assert scoring.losses((0.9, 30)) == (-0.9, 30)
    last = spec(TWO.replace("maximize", "maximize, at: last")).scoring
    assert last.values(reports) == (0.7, 5)
    assert (scoring.values({}), scoring.violations({})) == ((), ())
