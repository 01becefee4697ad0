"""A whole study, one trial and the winner as a person reads them."""

import io
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console, RenderableType

from autotune import spec as specs
from autotune.errors import UserError
from autotune.report import comparison, explain, plain, relevance, tables, views
from autotune.report.columns import chosen
from autotune.study import history, state_machine
from autotune.trial import Assignment, Failure, Reason, Report, State

TEXT = """
name: told
objective: {metric: acc, goal: maximize}
trial: {function: "tests.nowhere:run", epochs: 3}
space:
  - x: {type: float, low: 0, high: 1}
  - kind: {type: categorical, choices: [a, b]}
search: {name: random}
budget: {trials: 4}
confirm: {top: 1, seeds: 2}
tracking: {uri: none}
"""


def printed(what: RenderableType, width: int = 100) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width).print(what)
    return [line.rstrip() for line in file.getvalue().splitlines()]


@pytest.fixture(autouse=True)
def in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def drive(tmp_path: Path, until: int = 99) -> history.History:
    """A study whose trial 1 diverges, left after `until` assignments."""
    (tmp_path / "told.yaml").write_text(TEXT)
    driven = state_machine.start(specs.load(tmp_path / "told.yaml"), Path("runs"))
    while until and isinstance(assignment := driven.next(), Assignment):
        until -= 1
        if assignment.label == "trial-0001":
            driven.finish(assignment, Failure(Reason.NAN, "loss is nan"))
            continue
        for step in (1, 2, 3):
            value = (assignment.trial + 1) / 10 + step / 100
            driven.report(assignment, Report(step, {"acc": value}, 0.5))
        driven.finish(assignment)
    driven.close()
    return history.load("told", Path("runs"))


def test_the_headline_says_budget_sampler_and_scheduler() -> None:
    spec = specs.load(specs.find("quickstart"), ["worker.gpus=0.5", "budget.gpu_hours=2"])
    assert tables.headline(spec) == (
        "quickstart: 60 trials, at most 5m, at most 2 GPU hours; 9 parameters; "
        f"sampler {spec.chosen_search().name} (auto), scheduler asha, 1 CPU, 0.5 GPU a trial"
    )


def test_a_finished_study_begins_with_its_best_trials(tmp_path: Path) -> None:
    lines = printed(tables.study(drive(tmp_path)))
    assert lines[0] == "study told, finished: 3 complete, 1 failed"
    assert lines[1].split() == ["trial", "state", "acc", "steps", "seconds", "params"]
    assert [line.split()[:3] for line in lines[2:6]] == [
        ["3", "complete", "0.4300"],
        ["2", "complete", "0.3300"],
        ["0", "complete", "0.1300"],
        ["1", "failed(nan)", "-"],
    ]
    assert [line.split()[0] for line in lines[8:]] == ["3", "3"]


def test_rows_that_do_not_fit_are_cut_and_never_wrapped(tmp_path: Path) -> None:
    lines = printed(tables.study(drive(tmp_path)), width=48)
    assert lines[2].endswith("…") and lines[3].split()[0] == "2"


def test_no_more_rows_than_asked_for(tmp_path: Path) -> None:
    lines = printed(tables.study(drive(tmp_path), most=2))
    assert lines[4] == "... and 2 more: autotune show told | less"


def test_an_interrupted_study_says_how_to_go_on(tmp_path: Path) -> None:
    told = drive(tmp_path, until=1)
    assert printed(tables.study(told))[-1] == "go on with: autotune resume told"
    best = printed(tables.best(told))
    assert best[0] == "best: trial 0, acc 0.1300 (not confirmed)"
    assert best[2] == "the study is interrupted: this is the best so far"


def test_a_study_that_has_just_begun(tmp_path: Path) -> None:
    told = drive(tmp_path, until=0)
    assert printed(tables.study(told))[0] == "study told, interrupted: no trials yet"
    with pytest.raises(UserError, match="no trial of study 'told' has a value yet"):
        tables.best(told)
    with pytest.raises(UserError, match="it has no trials yet"):
        tables.trial(told, 0)


def test_one_trial(tmp_path: Path) -> None:
    told = drive(tmp_path)
    lines = dict(line.split(maxsplit=1) for line in printed(tables.trial(told, 2))[1:-1])
    assert lines["state"] == "complete" and lines["acc"] == "0.3300  ▁▄█"
    assert lines["steps"] == "3, 1.5 s" and lines["x"] == str(told.trials[2].params["x"])
    failed = dict(line.split(maxsplit=1) for line in printed(tables.trial(told, 1))[1:-1])
    assert failed["reason"] == "nan: loss is nan" and failed["acc"] == "-"


def test_the_winner(tmp_path: Path) -> None:
    lines = printed(tables.best(drive(tmp_path)))
    assert lines[0] == "best: trial 3, acc 0.4300 ± 0.0000 over 2 fresh seeds"
    assert lines[1] == "  the search saw 0.4300 (+0.0000 on retraining)"
    assert lines[-1] == "export it: autotune export told -o best/"


def test_what_is_said_to_do_next_works_in_another_runs_folder(tmp_path: Path) -> None:
    drive(tmp_path)
    (tmp_path / "runs").rename(tmp_path / "elsewhere")
    told = history.load("told", Path("elsewhere"))
    assert printed(tables.best(told))[-1] == (
        "export it: autotune export told --runs elsewhere -o best/"
    )


def test_chosen_columns_stand_in_the_order_asked_for(tmp_path: Path) -> None:
    told = drive(tmp_path)
    rows = views.study(told)["trials"]
    found = chosen(told, rows, ["kind", "acc"], "-acc")
    assert found.names == ("kind", "value")
    values = [row["value"] for row in found.rows if row["value"] is not None]
    assert values == sorted(values, reverse=True) and found.rows[-1]["value"] is None
    assert set(chosen(told, rows).names) == {"state", "value", "steps", "seconds", "x", "kind"}
    with pytest.raises(UserError, match="no column 'kinds'; did you mean 'kind'"):
        chosen(told, rows, ["kinds"])


def test_parameters_that_go_with_the_score_come_first() -> None:
    runs = [
        SimpleNamespace(params={"c": 1, "noise": n * 7 % 5, "x": n}, state=State.COMPLETE, v=n)
        for n in range(8)
    ]
    space = SimpleNamespace(parameters=dict.fromkeys(("c", "noise", "x")))
    told = SimpleNamespace(
        trials=runs, spec=SimpleNamespace(space=space), value=lambda r: r.v, better=lambda v: -v
    )
    assert relevance.columns(told) == ["x", "noise", "c"]  # type: ignore[arg-type]


def test_two_studies_are_compared(tmp_path: Path) -> None:
    told = drive(tmp_path)
    text = plain.plain(comparison.table(told, told))
    assert "the specs say the same" in text and "best acc" in text and "winner" in text
    assert comparison.as_values(told)["trials"] == 4


def test_a_key_is_explained_with_its_variants() -> None:
    found, searched = explain.meanings("optimizer.lr")
    assert {"adam", "adamw"} <= set(next(m for m in found if m.default == "0.001").variants)
    assert searched and searched[0].startswith("optimizer.yaml: {type: float")
    assert explain.meanings("budget.trials")[0][0].path == "budget.trials"
    with pytest.raises(UserError, match="did you mean 'optimizer'"):
        explain.meanings("optimizr.lr")
    with pytest.raises(UserError, match="did you mean 'lr'"):
        explain.meanings("optimizer.lrr")
