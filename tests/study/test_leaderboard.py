"""Every trial that has reported counts: stopped, paused and running ones by their value so far."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from autotune import spec as specs
from autotune.errors import UserError
from autotune.export.bundle import export
from autotune.report import tables, views
from autotune.spec import StudySpec
from autotune.study.history import FIRST_RULES, History, load
from autotune.study.state_machine import Study, start
from autotune.trial import Assignment, Decision, Failure, Purpose, Reason, Report, State
from tests.report.test_study_tables import printed

TEXT = """
name: s
objective: {metric: acc, goal: maximize}
trial: {function: "tests.nowhere:run", epochs: 27}
space: [x: {type: float, low: 0, high: 1}]
search: {name: random}
schedule: {name: threshold, below: 0.5, at: 3}
budget: {trials: 4}
confirm: {top: 2, seeds: 2}
tracking: {uri: none}
"""
NEVER = "{name: none}"


@pytest.fixture(autouse=True)
def in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(*overrides: str, text: str = TEXT) -> StudySpec:
    Path("study.yaml").write_text(text)
    return specs.load("study.yaml", overrides)


def assigned(study: Study) -> Assignment:
    assignment = study.next()
    assert isinstance(assignment, Assignment)
    return assignment


def report(study: Study, assignment: Assignment, curve: Sequence[float]) -> Decision:
    """From step 1 on, as far as the study lets it."""
    decision = Decision.CONTINUE
    for step, value in enumerate(curve, 1):
        decision = study.report(assignment, Report(step, {"acc": value, "seconds": step}, 1.0))
        if decision != Decision.CONTINUE:
            study.finish(assignment)
            break
    else:
        if len(curve) == assignment.to_step:
            study.finish(assignment)
    return decision


def stops_early(number: int) -> str:
    return f"schedule={{name: patience, steps: {number}}}"


STOPPED = [0.8, 0.8516, 0.85, 0.85]
RUNNING = [0.5 + step / 50 for step in range(15)]


def interrupted(study: Study, last: float = 0.8912) -> None:
    """Trial 0 is stopped at 0.8516, trial 1 runs and is at `last` in epoch 15."""
    study.slots = 2
    first, second = assigned(study), assigned(study)
    assert report(study, first, STOPPED) == Decision.STOP
    assert report(study, second, [*RUNNING[:14], last]) == Decision.CONTINUE


def test_the_best_may_still_run_and_how_far_it_is_is_said() -> None:
    study = start(read(stops_early(2)), Path("runs"))
    interrupted(study)
    told = load("s", Path("runs"))
    (line, *_) = printed(tables.best(told))
    assert line == "best: trial 1, acc 0.8912 (epoch 15 of 27, still running, not confirmed)"
    study.close()
    told = load("s", Path("runs"))
    (line, *_) = printed(tables.best(told))
    assert line == "best: trial 1, acc 0.8912 (epoch 15 of 27, interrupted, not confirmed)"
    best = views.best(told)
    assert (best["trial"], best["value"], best["state"], best["steps"]) == (
        1,
        0.8912,
        "waiting",
        15,
    )
    assert "0.8912 (the best of 2 trials; epoch 15 of 27, interrupted)" in best_text(told)
    shown = views.study(told)["trials"]
    assert (shown[1]["value"], shown[1]["so_far"]) == (None, 0.8912)
    assert "so_far" not in shown[0]
    rows = printed(tables.study(told))
    assert rows[2].split()[:3] == ["1", "waiting", "0.8912"]
    assert views.studies(Path("runs"))[0]["best"] == 0.8912


def best_text(told: History) -> str:
    best = told.best()
    assert best
    return told.best_text(best)


def test_a_trial_that_fails_is_worth_nothing_any_more() -> None:
    study = start(read(stops_early(2)), Path("runs"))
    interrupted(study)
    (running,) = study._working
    study.finish(study_assignment(study, running), Failure(Reason.NAN, "loss is nan"))
    study.close()
    best = load("s", Path("runs")).best()
    assert best and (best.trial, best.progress) == (0, "stopped at epoch 4 of 27")


def study_assignment(study: Study, number: int) -> Assignment:
    run = study._working[number]
    return Assignment(number, run.trial, Purpose.SEARCH, {}, run.seed, 0, 27, "", run.label)


def confirm(study: Study) -> list[int]:
    """Runs all retrainings; whose they were."""
    found = []
    while isinstance(assignment := study.next(), Assignment):
        assert assignment.purpose != Purpose.SEARCH
        found.append(assignment.trial)
        report(study, assignment, [0.8] * 27)
    return found


def searched(*overrides: str) -> Study:
    """Three trials: one is complete at 0.8447, one was stopped at 0.8568, one at 0.81."""
    study = start(read(stops_early(5), "budget.trials=3", *overrides), Path("runs"))
    whole = [0.7 + step * (0.8447 - 0.7) / 26 for step in range(27)]
    for curve in (whole, [0.8, 0.8568, *[0.85] * 25], [0.81, *[0.8] * 26]):
        report(study, assigned(study), curve)
    assert [run.state for run in study.history.trials] == ["complete", "pruned", "pruned"]
    return study


def test_stopped_trials_are_retrained_and_as_many_as_asked() -> None:
    study = searched()
    assert [run.trial for run in study.history.candidates()] == [1, 0]
    assert set(confirm(study)) == {0, 1} and study.complete
    study.close()


def test_all_that_have_a_value_are_retrained_where_more_are_asked_for() -> None:
    study = searched("confirm.top=5")
    assert [run.trial for run in study.history.candidates()] == [1, 0, 2]
    study.close()


def test_a_study_keeps_the_rule_it_began_with() -> None:
    study = searched()
    study._journal.write_note("rules", FIRST_RULES)
    study.close()
    study = start(read(stops_early(5), "budget.trials=3"), Path("runs"))
    assert study.history.rules == FIRST_RULES
    assert [run.trial for run in study.history.candidates()] == [0]
    assert confirm(study) == [0, 0] and study.complete
    study.close()
    best = load("s", Path("runs")).best()
    assert best and best.trial == 0


def test_what_grows_with_training_is_not_compared_with_what_was_stopped() -> None:
    study = searched("constraints=[seconds <= 40]")
    assert [run.trial for run in study.history.candidates()] == [0, 1]
    study.close()


def test_several_objectives_fill_up_from_the_next_front() -> None:
    goals = "objective=[{metric: acc, goal: maximize}, {metric: size, goal: minimize}]"
    study = start(read(goals, "schedule={name: none}", "confirm.top=4"), Path("runs"))
    study.slots = 4
    for acc, size, steps in ((0.9, 1, 27), (0.8, 2, 27), (0.7, 0.5, 3), (0.6, 3, 27)):
        assignment = assigned(study)
        for step in range(1, steps + 1):
            study.report(assignment, Report(step, {"acc": acc, "size": size}))
        if steps == 27:
            study.finish(assignment)
    known = study.history
    assert {run.trial for run in known.pareto()} == {0, 2}  # trial 2 still runs
    order = [run.trial for run in known.candidates()]
    assert set(order[:2]) == {0, 2} and order[2:] == [1, 3]
    study.close()


@pytest.mark.parametrize("seed", range(5))
def test_what_is_kept_up_to_date_is_what_a_fresh_look_finds(seed: int) -> None:
    """Reports, stops, failures and pauses in any order; at: last, so that values fall too."""
    rng = random.Random(seed)
    study = start(read(f"schedule={NEVER}", "objective.at=last", "budget.trials=30"), Path("runs"))
    study.slots = 5
    out: dict[int, Assignment] = {}
    for _ in range(150):
        if len(out) < 5 and isinstance(assignment := study.next(), Assignment):
            out[assignment.number] = assignment
        if not out:
            break
        assignment = rng.choice(list(out.values()))
        run = study.history.trials[assignment.trial]
        if rng.random() < 0.2:
            failure = Failure(Reason.NAN, "") if rng.random() < 0.5 else None
            study.finish(out.pop(assignment.number), failure)
        elif run.step < 26:
            study.report(assignment, Report(run.step + 1, {"acc": rng.random()}))
        kept = study.history
        values = {run.trial: value for run in kept.trials if (value := kept.value(run)) is not None}
        expected = sorted(values, key=lambda number: -values[number])
        assert [run.trial for run in kept.top(99)] == expected
    study.close()
    assert [run.trial for run in load("s", Path("runs")).top(99)] == expected


DIGITS = """
name: d
objective: {metric: val_accuracy, goal: maximize}
trial: {data: {name: digits}, model: {name: mlp}, epochs: 6}
space: [optimizer.lr: {type: float, low: 1e-3, high: 1e-1, log: true}]
search: {name: random}
schedule: {name: none}
budget: {trials: 2}
confirm: {top: 0}
tracking: {uri: none}
"""


def killed_at(step: int, monkeypatch: pytest.MonkeyPatch, every: float) -> History:
    """A study killed after the first trial's report of `step`; `every` seconds a checkpoint."""
    from autotune.engine.worker.work import work
    from autotune.train import loop

    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", every)
    study = start(read(text=DIGITS), Path("runs"))
    assignment = assigned(study)
    replies = work(assignment)
    for reply in replies:
        assert isinstance(reply, Report)
        study.report(assignment, reply)
        if reply.step == step:
            break
    replies.close()
    study.close()
    return load("d", Path("runs"))


def test_an_unfinished_winner_is_exported_with_the_weights_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = killed_at(3, monkeypatch, every=0.0)
    done = export(told, Path("best"))
    best = told.best()
    assert best and best.progress == "epoch 3 of 6, interrupted"
    metrics = (Path("best") / "metrics.json").read_text()
    assert f'"value": {best.value}' in metrics and '"search_progress": "epoch 3 of 6' in metrics
    assert "(epoch 3 of 6, interrupted)" in (Path("best") / "README.md").read_text()
    assert not [note for note in done.notes if "model.safetensors" in note]


def test_one_that_has_no_weights_yet_is_told_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = killed_at(3, monkeypatch, every=1e9)
    with pytest.raises(UserError, match=r"trial 0, .*epoch 3 of 6, interrupted.*autotune resume d"):
        export(told, Path("best"))
    run = told.trials[0]
    run.state, run.value = State.PRUNED, 0.5
    with pytest.raises(UserError, match=r"stopped at epoch 3 of 6.*autotune train .*0\.yaml -o"):
        export(told, Path("best"))


def test_weights_of_an_earlier_step_are_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    told = killed_at(2, monkeypatch, every=0.0)
    run = told.trials[0]
    run.reports[3] = Report(3, {**run.reports[2].metrics, "val_accuracy": 1.0})
    told.leaderboard.changed(run)
    done = export(told, Path("best"))
    (note,) = [note for note in done.notes if "model.safetensors" in note]
    assert "of step 2 (" in note and "those of step 3 (1) were not kept" in note
