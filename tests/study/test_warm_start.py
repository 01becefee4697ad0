"""A study that learns from earlier ones: what is carried over, what is kept, what is refused."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune import spec as specs
from autotune.engine import simulate
from autotune.errors import InvalidInput, StudyChanged
from autotune.search import Gp, Mfgp, Random, Tpe
from autotune.search.base import SamplerSettings, TransferSettings
from autotune.space import Space
from autotune.spec import StudySpec
from autotune.study.history import History, load
from autotune.study.journal.journal import Journal, open_storage
from autotune.study.state_machine import Study, in_memory, start
from autotune.study.warm_start import collect
from autotune.study.warm_start.translate import Skipped, carry
from autotune.testing.search import SPACES
from autotune.testing.search import simulate as trials_of
from autotune.trial import Goal, Reason, Report, State, Trial

TEXT = """
name: NAME
seed: 3
objective: {metric: loss, goal: minimize}
trial: {function: "autotune.testing.trials:learns", epochs: 4, width: 32, kind: a}
space:
  lr: {type: float, low: 1e-3, high: 1, log: true}
  depth: {type: int, low: 1, high: 6}
  kind: {type: categorical, choices: [a, b]}
  y: {type: float, low: 0, high: 1, when: {kind: a}}
search: {name: tpe, startup: 2}
schedule: {name: none}
budget: {trials: 12}
confirm: {top: 0}
tracking: {uri: none}
"""
SPACE: Mapping[str, Any] = {
    "lr": {"type": "float", "low": 1e-3, "high": 1, "log": True},
    "depth": {"type": "int", "low": 1, "high": 6},
    "kind": {"type": "categorical", "choices": ["a", "b"]},
    "y": {"type": "float", "low": 0, "high": 1, "when": {"kind": "a"}},
}


def study_spec(name: str = "new", *overrides: str, space: Any = None) -> StudySpec:
    spec = read_spec(name, *overrides)
    return spec if space is None else spec.model_copy(update={"space": Space.parse(space)})


@cache
def read_spec(name: str, *overrides: str) -> StudySpec:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.yaml"
        path.write_text(TEXT.replace("NAME", name))
        return specs.load(path, overrides)


def curve(config: Mapping[str, Any], seed: int) -> Iterator[tuple[dict[str, float], float]]:
    for step in range(1, 5):
        yield {"loss": config["lr"] + config["depth"] / step, "acc": 1.0 / step}, 1.0


def finished(name: str, *overrides: str) -> History:
    study = in_memory(study_spec(name, *overrides))
    simulate.run(study, 2, simulate.recorded(curve))
    return study.history


def old_trial(params: Mapping[str, Any], state: State = State.COMPLETE, **more: Any) -> Trial:
    reports = {step: Report(step, {"loss": 1.0 / step, "acc": 0.1 * step}) for step in (1, 2, 3)}
    return Trial(7, params, state, reports=reports, **more)


PARAMS = {"lr": 0.1, "depth": 3, "kind": "a", "y": 0.5}
CONFIG = {"epochs": 4, "width": 32, **PARAMS}


def skipped(space: Any, params: Mapping[str, Any] = PARAMS, **rename: str) -> str:
    answer = carry(old_trial(params), {**CONFIG, **params}, rename, study_spec(space=space))
    assert isinstance(answer, Skipped)
    return f"{answer.rule} ({answer.example})"


def carried(space: Any, params: Mapping[str, Any] = PARAMS, **rename: str) -> dict[str, Any]:
    answer = carry(old_trial(params), {**CONFIG, **params}, rename, study_spec(space=space))
    assert isinstance(answer, Trial)
    return dict(answer.params)


# -- one trial


def test_the_same_space_gives_the_same_trial() -> None:
    answer = carry(old_trial(PARAMS), CONFIG, {}, study_spec())
    assert isinstance(answer, Trial)
    assert (dict(answer.params), answer.value) == (PARAMS, 1 / 3)
    assert answer.curve == {1: 1.0, 2: 0.5, 3: 1 / 3}


def test_a_renamed_parameter_keeps_its_value() -> None:
    space = {("rate" if name == "lr" else name): p for name, p in SPACE.items()}
    assert carried(space, lr="rate")["rate"] == 0.1
    assert skipped(space) == "had no rate ()"
    swapped = {**SPACE, "rate": SPACE["lr"]}
    assert skipped(swapped, lr="rate") == "had no lr ()"  # what it was called is not what it is


def test_a_narrowed_range_leaves_trials_out_and_a_wider_one_keeps_them() -> None:
    narrow = {**SPACE, "depth": {"type": "int", "low": 4, "high": 6}}
    assert skipped(narrow) == "had a depth that is not a whole number from 4 to 6 (3)"
    assert carried({**SPACE, "depth": {"type": "int", "low": 1, "high": 60}}) == PARAMS
    fewer = {**SPACE, "kind": {"type": "categorical", "choices": ["b", "c"]}}
    assert "had a kind that is not one of 'b', 'c' ('a')" == skipped({**fewer, "y": SPACE["lr"]})


def test_a_new_parameter_takes_what_the_old_config_held() -> None:
    width = {"type": "int", "low": 8, "high": 64}
    assert carried({**SPACE, "width": width})["width"] == 32
    assert "is not a whole number from 8 to 16 (32)" in skipped(
        {**SPACE, "width": {**width, "high": 16}}
    )
    assert skipped({**SPACE, "height": width}) == "had no height ()"


def test_a_removed_choice_must_be_the_fixed_one_and_a_removed_number_is_noise() -> None:
    space = {"lr": SPACE["lr"]}
    assert carried(space) == {"lr": 0.1}
    assert skipped(space, {"lr": 0.1, "depth": 3, "kind": "b"}) == (
        "had another kind, which is 'a' in this study ('b')"
    )
    assert "had another flag, which is not there in this study" in skipped(
        space, {"lr": 0.1, "flag": True}
    )


def test_a_whole_number_becomes_a_float_where_a_float_is_searched() -> None:
    space = {**SPACE, "depth": {"type": "float", "low": 0, "high": 6, "step": 0.5}}
    assert repr(carried(space)["depth"]) == "3.0"
    assert "(2.5)" in skipped(SPACE, {**PARAMS, "depth": 2.5})


def test_another_metric_is_read_from_what_was_reported() -> None:
    objective = "objective={metric: acc, goal: maximize, at: last}"
    answer = carry(old_trial(PARAMS), CONFIG, {}, study_spec("new", objective))
    assert isinstance(answer, Trial) and answer.value == pytest.approx(0.3)
    other = study_spec("new", "objective.metric=f1")
    silent = carry(old_trial(PARAMS), CONFIG, {}, other)
    assert silent == Skipped("did not report f1", "but acc, loss")


@pytest.mark.parametrize(
    ("trial", "rule"),
    [
        (old_trial(PARAMS, State.RUNNING), "had not ended"),
        (old_trial(PARAMS, State.PAUSED), "had not ended"),
        (old_trial(PARAMS, parent=3), "were clones"),
        (old_trial(PARAMS, State.FAILED, reason=Reason.LOST), "failed by accident (lost)"),
        (replace(old_trial(PARAMS, State.PRUNED), reports={}), "did not report loss"),
    ],
)
def test_trials_that_say_too_little_are_left_out(trial: Trial, rule: str) -> None:
    answer = carry(trial, CONFIG, {}, study_spec())
    assert isinstance(answer, Skipped) and rule in answer.rule


@pytest.mark.parametrize(
    ("theirs", "ours", "steps"),
    [
        (1, 1, [1, 2, 3]),
        (1, 4, [4, 8, 12]),
        (2, 1, [1]),
        (2, 4, [2, 4, 6]),
        (2, 3, [3]),
        (3, 2, [2]),
    ],
)
def test_a_curve_is_told_in_the_steps_of_the_new_study(
    theirs: int, ours: int, steps: list[int]
) -> None:
    spec = study_spec()
    trial = {"epochs": 4, "reports_per_epoch": ours}
    spec = spec.model_copy(update={"trial": {**trial, "width": 32, "kind": "a"}})
    answer = carry(old_trial(PARAMS), {**CONFIG, "reports_per_epoch": theirs}, {}, spec)
    assert isinstance(answer, Trial)
    assert list(answer.curve) == steps
    assert all(loss == ours / (step * theirs) for step, loss in answer.curve.items())
    early = replace(old_trial(PARAMS, State.PRUNED), reports={1: Report(1, {"loss": 1.0})})
    said = carry(early, {**CONFIG, "reports_per_epoch": theirs}, {}, spec)
    assert isinstance(said, Skipped if ours % theirs else Trial)


def test_trials_that_were_stopped_or_diverged_say_something() -> None:
    pruned = carry(old_trial(PARAMS, State.PRUNED), CONFIG, {}, study_spec())
    nan = carry(old_trial(PARAMS, State.FAILED, reason=Reason.NAN), CONFIG, {}, study_spec())
    assert isinstance(pruned, Trial) and isinstance(nan, Trial)
    assert (pruned.state, pruned.value, nan.state, nan.value) == ("pruned", 1 / 3, "failed", None)


bounds = st.tuples(st.integers(1, 30), st.integers(1, 30)).map(lambda b: (min(b), max(b) + 1))
parameters = st.one_of(
    bounds.map(lambda b: {"type": "int", "low": b[0], "high": b[1]}),
    bounds.map(lambda b: {"type": "float", "low": b[0], "high": b[1], "log": True}),
    bounds.map(lambda b: {"type": "float", "low": b[0], "high": b[0] + 4 * 0.3, "step": 0.3}),
    st.lists(st.sampled_from(["a", "b", 3, None]), min_size=1, unique=True).map(
        lambda choices: {"type": "categorical", "choices": choices}
    ),
)
spaces = st.dictionaries(st.sampled_from("pqrst"), parameters, min_size=1)


@given(spaces, spaces, st.data())
def test_any_trial_becomes_a_valid_one_or_a_reason(old: Any, new: Any, data: st.DataObject) -> None:
    there = Space.parse(old)
    unit = st.floats(0, 1, exclude_max=True)
    params = there.decode(data.draw(st.tuples(*[unit] * len(old))))
    spec = study_spec(space=new)
    rename = data.draw(st.dictionaries(st.sampled_from(sorted(old)), st.sampled_from(sorted(new))))
    rename = {a: b for a, b in rename.items() if list(rename.values()).count(b) == 1}
    answer = carry(old_trial(params), params, rename, spec)
    called = {b: a for a, b in rename.items()}
    if isinstance(answer, Skipped):
        assert answer.rule
        return
    assert spec.space.contains(answer.params) == []
    assert list(answer.params) == list(spec.space.active(answer.params))
    for name, value in answer.params.items():
        assert value == pytest.approx(params[called.get(name, name)])


@given(spaces, st.data())
def test_nothing_changes_in_the_same_space_and_there_and_back(
    raw: Any, data: st.DataObject
) -> None:
    unit = st.floats(0, 1, exclude_max=True)
    params = Space.parse(raw).decode(data.draw(st.tuples(*[unit] * len(raw))))
    away = {name: f"{name}{name}" for name in raw}
    first = carry(old_trial(params), {}, {}, study_spec(space=raw))
    there = carry(
        old_trial(params), {}, away, study_spec(space={away[n]: p for n, p in raw.items()})
    )
    assert isinstance(first, Trial) and isinstance(there, Trial)
    assert dict(first.params) == params == {n: there.params[away[n]] for n in raw}
    assert first.value == there.value


# -- a study


WARM = "search={name: tpe, startup: 2, warm_start: [old]}"


def warm(old: History, *overrides: str) -> Study:
    study = in_memory(study_spec("new", WARM, *overrides), find={"old": old}.__getitem__)
    simulate.run(study, 1, simulate.recorded(curve))
    return study


def params_of(history: History) -> list[dict[str, Any]]:
    return [dict(run.params) for run in history.trials]


def test_past_trials_are_data_and_no_trials() -> None:
    old = finished("old")
    study, cold = warm(old), finished("new")
    assert len(study.history.trials) == 12
    assert [run.trial for run in study.history.trials] == list(range(12))
    assert params_of(study.history) != params_of(cold)
    assert params_of(study.history)[0] not in (params_of(cold)[0], params_of(old)[0])
    assert params_of(warm(old).history) == params_of(study.history)


def test_a_resume_needs_no_folder_of_the_earlier_study(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for name, change in (("old", "seed=9"), ("new", WARM)):
        study = start(study_spec(name, change, "budget.trials=5"), runs)
        simulate.run(study, 1, simulate.recorded(curve))
        study.close()
    old = load("old", runs)
    shutil.rmtree(runs / "old")
    study = start(study_spec("new", WARM), runs)
    simulate.run(study, 1, simulate.recorded(curve))
    study.close()
    assert params_of(load("new", runs)) == params_of(warm(old).history)
    with pytest.raises(StudyChanged, match="warm_start"):
        start(study_spec("new", "search={name: tpe, startup: 2}"), runs)


def test_what_is_journaled_reads_back_as_it_was(tmp_path: Path) -> None:
    old = finished("old", "schedule={name: asha, grace: 1, eta: 2}")
    spec = study_spec("new", WARM)
    journal = Journal(open_storage(None, tmp_path), "new", [Goal.MINIMIZE])
    (gathered,) = collect.gather(spec, {"old": old}.__getitem__)
    (fresh,) = collect.recall(spec, journal, lambda: [gathered])
    again = Journal(open_storage(None, tmp_path), "new", [Goal.MINIMIZE])
    (kept,) = collect.recall(spec, again, lambda: pytest.fail("reads the old study again"))
    assert kept == fresh
    assert [t.number for t in kept] == list(range(-len(kept), 0))
    bare = [replace(t, number=0) for t in kept]
    assert bare == [replace(t, number=0) for t in gathered.trials]
    assert {t.state for t in kept} == {State.COMPLETE, State.PRUNED}


def test_of_a_large_study_the_best_and_the_worst_are_among_those_taken() -> None:
    old = finished("old", "budget.trials=150", "search={name: random}")
    (gathered,) = collect.gather(study_spec("new", WARM), {"old": old}.__getitem__)
    values = [run.value for run in old.trials if run.value is not None]
    taken = [trial.value for trial in gathered.trials if trial.value is not None]
    assert len(taken) == 100
    assert (min(taken), max(taken)) == (min(values), max(values))
    assert str(gathered) == (
        "warm start: 100 of 150 trials of study 'old', chosen evenly by score from 150"
    )


def problems(*overrides: str, **found: History) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        collect.gather(study_spec("new", *overrides), found.__getitem__)
    assert all(problem.where for problem in caught.value.problems)
    return [problem.message for problem in caught.value.problems]


def test_what_cannot_be_learnt_from_is_said_before_anything_begins(tmp_path: Path) -> None:
    old = finished("old")
    (text,) = problems(WARM, "objective.metric=f1", old=old)
    assert text == (
        "warm_start: no trial of study 'old' can be used: 12 did not report f1 "
        "(trial 0: but acc, loss)"
    )
    lost = "search={name: tpe, warm_start: [{study: old, rename: {rl: lr}}]}"
    (text,) = problems(lost, old=old)
    assert "does not search 'rl'; did you mean 'lr'" in text
    unlike = study_spec("new", WARM, space={"width": {"type": "int", "low": 1, "high": 9}})
    with pytest.raises(InvalidInput, match="searches nothing that this one does: it searches lr"):
        collect.gather(unlike, lambda name: old)
    with pytest.raises(InvalidInput, match="no study 'old' under"):
        start(study_spec("new", WARM), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("config", "name"),
    [
        *[(config, name) for config in (Tpe(startup=2), Mfgp(startup=2)) for name in SPACES],
        (Gp(startup=2), "conditional"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_samplers_that_learn_elsewhere_propose_well(config: SamplerSettings, name: str) -> None:
    space = SPACES[name]
    lives = [trials_of(Random().build(space, Goal.MINIMIZE, seed), space, 8) for seed in (1, 2)]
    ended = [[t for t in life if t.state.finished] for life in lives]
    numbers = iter(range(-sum(map(len, ended)), 0))
    past = [[replace(t, number=next(numbers)) for t in life] for life in ended]
    assert isinstance(config, TransferSettings)
    sampler = config.build(space, Goal.MINIMIZE, 11, past)
    trials = trials_of(sampler, space, 3)
    for trial in trials:
        assert space.contains(trial.params) == []
    anew = config.build(space, Goal.MINIMIZE, 11, past)
    assert anew.propose(trials, 3) == sampler.propose(trials, 3)
    stretched = [[replace(t, value=t.value and 9 * t.value + 5) for t in life] for life in past]
    other = config.build(space, Goal.MINIMIZE, 11, stretched)
    assert other.propose(trials, 3) == sampler.propose(trials, 3)


def test_auto_chooses_a_sampler_that_learns() -> None:
    assert study_spec("new", "search={name: auto, warm_start: [old]}").chosen_search() == Mfgp()
