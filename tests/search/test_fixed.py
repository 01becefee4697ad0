"""Configurations tried first: in order, completed, as trials like any other."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.search.fixed import FixedFirst, complete, fixed_problems
from autotune.space import Space
from autotune.testing.search import SPACES, ended, samplers, simulate
from autotune.trial import Goal, Reason, State, Trial

CONDITIONAL = SPACES["conditional"]
FIXED: Mapping[str, list[dict[str, Any]]] = {
    "conditional": [
        {"optimizer.name": "momentum", "optimizer.momentum": 0.9, "optimizer.nesterov": True},
        {"optimizer.lr": 1},
        {"model.depth": 1},
    ],
    "tiny": [{"depth": 3, "skip": False}, {"depth": 1}],
}


@pytest.mark.parametrize(
    ("config", "name"),
    [(c, n) for c in samplers() for n in FIXED if not c.check(SPACES[n])],
    ids=lambda value: getattr(value, "name", value),
)
def test_every_sampler_is_asked_behind_the_fixed_ones(config, name):
    space, fixed = SPACES[name], FIXED[name]
    sampler = FixedFirst(config.build(space, Goal.MINIMIZE, 11), fixed, space, 11)
    trials = simulate(sampler, space, 5)
    for trial, wanted in zip(trials, fixed, strict=False):
        assert space.contains(trial.params) == []
        assert wanted.items() <= trial.params.items()
    later = config.build(space, Goal.MINIMIZE, 11)
    assert sampler.propose(trials, 5) == later.propose(trials, 5)
    assert len({tuple(sorted(t.params.items())) for t in trials}) == len(trials)


def test_a_number_has_the_type_of_its_parameter():
    (first, second) = (complete(one, CONDITIONAL, 0, 0) for one in FIXED["conditional"][1:])
    assert (type(first["optimizer.lr"]), type(second["model.depth"])) == (float, int)
    assert list(second) == list(CONDITIONAL.active(second))


def test_what_is_left_out_takes_its_prior_or_is_drawn_by_the_seed():
    space = Space.parse(
        {
            "x": {"type": "float", "low": 0.0, "high": 1.0},
            "lr": {"type": "float", "low": 1e-4, "high": 1.0, "log": True, "prior": 1e-2},
            "c": {"type": "categorical", "choices": [None, 1], "prior": None, "confidence": "low"},
            "d": {"type": "int", "low": 1, "high": 9},
        }
    )
    made = [complete({"d": 2}, space, 5, index) for index in range(4)]
    assert made == [complete({"d": 2}, space, 5, index) for index in range(4)]
    assert {(values["lr"], values["c"], values["d"]) for values in made} == {(1e-2, None, 2)}
    assert len({values["x"] for values in made}) == 4


def test_clones_do_not_stand_for_a_fixed_configuration():
    space = SPACES["flat"]
    fixed = [{"c": 3}, {"c": 4}]
    sampler = FixedFirst(samplers()[1].build(space, Goal.MINIMIZE, 0), fixed, space, 0)
    first = Trial(0, sampler.propose([], 0), State.RUNNING)
    clone = Trial(1, first.params, State.RUNNING, parent=0)
    assert sampler.propose([first, clone], 2)["c"] == 4


@given(st.sampled_from(sorted(SPACES)), st.integers(0, 2**32 - 1), st.data())
def test_any_part_of_a_valid_point_is_completed_to_one(name, seed, data):
    space = SPACES[name]
    unit = st.floats(0, 1, exclude_max=True)
    point = space.decode(data.draw(st.tuples(*[unit] * len(space.parameters))))
    kept = data.draw(st.sets(st.sampled_from(sorted(point)), min_size=1))
    part = {key: value for key, value in point.items() if key in kept}
    problems = fixed_problems([part], space)
    assert all("exists only with" in problem.message for problem in problems)
    if not problems:
        values = complete(part, space, seed, 0)
        assert space.contains(values) == []
        assert part.items() <= values.items()


@pytest.mark.parametrize(
    ("given", "where", "fragment"),
    [
        ({"optimizer.momentum": 0.9}, "optimizer.momentum", "with `optimizer.name: momentum`: giv"),
        (
            {"optimizer.name": "adam", "optimizer.momentum": 0.9},
            "optimizer.momentum",
            "inactive: it exists only with `optimizer.name: momentum`, and here optimizer.name is",
        ),
        ({"model.depth": 1, "model.residual": True}, "model.residual", "`model.depth: >= 2`"),
        ({"model.depht": 1}, "model.depht", "did you mean 'model.depth'"),
        ({"optimizer.lr": 2.0}, "optimizer.lr", "a number from 0.0001 to 1, but got 2.0"),
        ({"optimizer.lr": True}, "optimizer.lr", "but got true"),
    ],
)
def test_a_mistake_has_its_place_and_its_cure(given, where, fragment):
    (problem,) = fixed_problems([{"model.depth": 2}, given], CONDITIONAL)
    assert problem.path == ("search", "fixed", 1, where)
    assert fragment in problem.message


def test_a_failed_fixed_trial_is_not_tried_again():
    space, fixed = SPACES["tiny"], FIXED["tiny"]
    sampler = FixedFirst(samplers()[1].build(space, Goal.MINIMIZE, 0), fixed, space, 0)
    failed = Trial(0, sampler.propose([], 0), State.FAILED, reason=Reason.NAN)
    assert sampler.propose([failed], 1)["depth"] == 1
    done = ended(Trial(1, sampler.propose([failed], 1), State.RUNNING), space)
    assert sampler.propose([failed, done], 2) not in (failed.params, done.params)
