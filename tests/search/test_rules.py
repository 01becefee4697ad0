"""What single samplers promise beyond the contract."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.search import Auto, Cmaes, Gp, Grid, Mfgp
from autotune.search.distributions import distribution
from autotune.search.encode import encode
from autotune.space import Categorical, Float, Int, Space
from autotune.testing.search import SPACES, simulate
from autotune.trial import Goal, Reason, State, Trial

NUMBERS = Space.parse(
    {
        "x": {"type": "float", "low": 0.0, "high": 1.0},
        "y": {"type": "float", "low": 1e-3, "high": 10.0, "log": True},
    }
)


@pytest.mark.parametrize(
    ("space", "trials", "choice"),
    [
        ("tiny", 5, Grid),
        ("tiny", 4, Mfgp),
        ("tiny", None, Mfgp),
        ("flat", 60, Mfgp),
        ("conditional", None, Mfgp),
    ],
)
def test_auto_follows_its_written_rule(space, trials, choice):
    assert Auto().choose(SPACES[space], trials) == choice()


def test_grid_proposes_every_combination_once_in_order_and_then_nothing():
    sampler = Grid().build(SPACES["tiny"], Goal.MINIMIZE, 0)
    trials = simulate(sampler, SPACES["tiny"], 99)
    assert [trial.params for trial in trials] == list(SPACES["tiny"].combinations())
    assert sampler.propose(trials, len(trials)) is None


def test_grid_fills_the_gap_that_a_foreign_trial_left():
    combinations = list(SPACES["tiny"].combinations())
    trials = [Trial(0, combinations[1], State.FAILED, reason=Reason.LOST)]
    sampler = Grid().build(SPACES["tiny"], Goal.MINIMIZE, 0)
    assert sampler.propose(trials, 1) == combinations[0]
    assert (
        sampler.propose([*trials, Trial(1, combinations[0], State.RUNNING)], 2) == combinations[2]
    )


def test_grid_and_cmaes_say_what_they_need():
    (problem,) = Grid().check(NUMBERS.parse({"x": {"type": "float", "low": 0.0, "high": 1.0}}))
    assert problem.path == ("space", "x")
    assert "`points: 5` or a `step`" in problem.message
    (problem,) = Cmaes().check(SPACES["choices"])
    assert problem.path == ("search", "name")
    assert "choose tpe" in problem.message


def test_limits_name_what_is_not_used():
    assert Gp().limits(SPACES["flat"], stops_early=False) == []
    stopped, drawn = Gp().limits(SPACES["conditional"], stops_early=True)
    assert "stopped early" in stopped
    assert "optimizer.momentum" in drawn
    assert Cmaes().limits(SPACES["mixed"], True) == ["cmaes draws at random: choice"]


def scored(count: int) -> list[Trial]:
    rng = random.Random(4)
    points = [NUMBERS.sample(rng) for _ in range(count)]
    return [
        Trial(number, params, State.COMPLETE, value=params["x"])
        for number, params in enumerate(points)
    ]


def test_cmaes_learns_from_full_generations_and_from_ranks_alone():
    sampler = Cmaes(population=6).build(NUMBERS, Goal.MINIMIZE, 5)
    trials = scored(12)
    answer = sampler.propose(trials, 20)
    assert sampler.propose([*trials, *scored(17)[12:]], 20) == answer
    stretched = [replace(trial, value=trial.value**3 + 7) for trial in trials]
    assert sampler.propose(stretched, 20) == answer
    maximize = Cmaes(population=6).build(NUMBERS, Goal.MAXIMIZE, 5)
    assert maximize.propose([replace(t, value=-t.value) for t in trials], 20) == answer


def test_cmaes_ranks_stopped_trials_behind_and_leaves_lost_ones_out():
    sampler = Cmaes(population=6).build(NUMBERS, Goal.MINIMIZE, 5)
    trials = scored(6)
    answer = sampler.propose(trials, 9)
    worst = max(trials, key=lambda trial: trial.value).number
    pruned = replace(trials[worst], state=State.PRUNED, value=None, curve={1: -1.0})
    nan = replace(trials[worst], state=State.FAILED, value=None, reason=Reason.NAN)
    for end in (pruned, nan):
        assert sampler.propose([*trials[:worst], end, *trials[worst + 1 :]], 9) == answer
    lost = Trial(6, {"x": 0.5, "y": 0.5}, State.FAILED, reason=Reason.LOST)
    assert sampler.propose([*trials, *[replace(lost, number=6 + i) for i in range(6)]], 9) == answer


PARAMETERS = [
    Float(low=-3.0, high=5.0),
    Float(low=1e-6, high=1.0, log=True),
    Float(low=0.0, high=0.6, step=0.1),
    Int(low=-4, high=9),
    Int(low=1, high=1000, log=True),
    Int(low=2, high=64, step=2),
]


@pytest.mark.parametrize("parameter", PARAMETERS, ids=repr)
@given(unit=st.floats(0, 1, exclude_max=True))
def test_encode_is_the_inverse_of_decode(parameter, unit):
    value = parameter.decode(unit)
    place = encode(parameter, value)
    assert 0 <= place <= 1 + 1e-12
    assert parameter.decode(place) == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize(
    "parameter", [*PARAMETERS, Categorical(choices=("a", None, True, 0.5, 7))], ids=repr
)
@given(unit=st.floats(0, 1, exclude_max=True))
def test_distributions_keep_every_value_as_it_is(parameter, unit):
    value = parameter.decode(unit)
    theirs = distribution(parameter)
    back = theirs.to_external_repr(theirs.to_internal_repr(value))
    assert theirs._contains(theirs.to_internal_repr(value))
    assert (type(back), back) == (type(value), value)
