"""The parts of the model of learning curves, each against an independent reference."""

import math
import random
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import approx_fprime
from scipy.stats import norm

from autotune.search import Mfgp
from autotune.search.surrogate.acquisition_optimizer import (
    Perturbation,
    local_search,
    log_improvement,
)
from autotune.search.surrogate.features import Features
from autotune.search.surrogate.fidelities import Fidelities, observe
from autotune.search.surrogate.gaussian_process import (
    Data,
    Hyperparameters,
    Posterior,
    _likelihood,
    _prior,
)
from autotune.search.surrogate.priors import Priors
from autotune.search.surrogate.targets import objectives
from autotune.space import Categorical, Space
from autotune.testing.search import SPACES, bowl, simulate
from autotune.trial import Goal, Reason, State, Trial


def apart(space, one, other):
    features = Features(space)
    a, b = (features.of(features.units(params)[None])[0] for params in (one, other))
    return np.bincount(features.block, (a - b) ** 2)


def test_an_inactive_parameter_is_as_far_from_every_value():
    space = SPACES["conditional"]
    base = {"optimizer.name": "sgd", "optimizer.lr": 0.01, "model.depth": 1}
    index = list(space.parameters).index("optimizer.momentum")
    one, other = (
        base | {"optimizer.name": "momentum", "optimizer.momentum": m} for m in (0.51, 0.79)
    )
    assert apart(space, base, base).tolist() == pytest.approx([0] * 6)
    assert apart(space, base, one)[index] == pytest.approx(0.5)
    assert apart(space, base, other)[index] == pytest.approx(0.5)
    assert 0.2 < apart(space, one, other)[index] < 0.5
    assert apart(space, one, base | {"optimizer.name": "adam"})[0] == pytest.approx(1)


@pytest.mark.parametrize("name", SPACES)
def test_features_of_a_point_are_those_of_the_values_it_decodes_to(name):
    space, features, rng = SPACES[name], Features(SPACES[name]), random.Random(3)
    for _ in range(50):
        unit = [rng.random() for _ in space.parameters]
        params = space.decode(unit)
        place = features.of(np.array([unit]))
        assert place == pytest.approx(features.of(features.units(params)[None]), abs=1e-9)
        active = features.active(np.array([unit]))[0]
        assert [n for n, a in zip(features.names, active, strict=True) if a] == list(params)


(LOSS,) = objectives([Goal.MINIMIZE])


def trial(number, losses, state=State.COMPLETE, reason=None):
    curve = {step: loss for step, loss in enumerate(losses, 1)}
    value = min(losses) if state == State.COMPLETE else None
    return Trial(number, {}, state, reason=reason, value=value, curve=curve)


def test_levels_follow_the_steps_at_which_trials_were_stopped():
    whole = trial(0, [1.0] * 51)
    assert Fidelities.of([]).steps == (1,)
    assert Fidelities.of([whole]).steps == (51,)
    assert Fidelities.of([whole, trial(1, [2.0], State.PRUNED)]).steps == (1, 3, 9, 27, 51)
    assert Fidelities.of([whole, trial(1, [2.0] * 4, State.PRUNED)]).steps == (4, 12, 51)


@pytest.mark.parametrize("steps", [(1,), (2,), (1, 2), (1, 3, 9, 27, 51)])
def test_a_whole_training_ends_the_scale_however_short_it_is(steps):
    assert Fidelities(steps).places()[-1] == 1  # where the posterior is asked


def test_what_failed_by_its_parameters_is_the_worst_of_its_level():
    trials = [
        *(trial(i, [0.1 * i + 1, 0.1 * i, 0.1 * i]) for i in range(4)),
        trial(4, [9.0], State.PRUNED),
        trial(5, [0.0], State.FAILED, Reason.NAN),
        trial(6, [], State.FAILED, Reason.OOM),
        trial(7, [], State.FAILED, Reason.LOST),
    ]
    seen = observe(trials, Fidelities.of(trials), LOSS)
    score = {(t, x): s for t, x, s in zip(seen.trial, seen.fidelity, seen.score, strict=True)}
    first, last = 0, 1
    assert score[6, first] == score[4, first] == max(s for (_, x), s in score.items() if x == first)
    assert score[5, last] == score[3, last]
    assert {t for t, _ in score} == {0, 1, 2, 3, 4, 5, 6}


def test_a_higher_level_keeps_its_distances_in_the_scale_of_the_one_below():
    trials = [
        trial(i, [loss + 30, loss**2, loss**2]) for i, loss in enumerate((1.0, 2.0, 3.0, 5.0))
    ]
    trials.append(trial(4, [38.0], State.PRUNED))
    seen = observe(trials, Fidelities.of(trials), LOSS)
    low, high = (seen.score[seen.fidelity == fidelity][:4] for fidelity in (0, 1))
    assert (low.mean(), low.std()) == pytest.approx((high.mean(), high.std()))
    assert (high[3] - high[2]) / (high[1] - high[0]) == pytest.approx((25 - 9) / (4 - 1))


def test_of_one_level_alone_the_better_half_keeps_its_distances():
    losses = (1.0, 2.0, 6.0, 7.0, 8.0, 1e6)
    trials = [trial(i, [loss]) for i, loss in enumerate(losses)]
    score = observe(trials, Fidelities.of(trials), LOSS).score
    assert (score[2] - score[1]) / (score[1] - score[0]) == pytest.approx(4)
    assert (np.diff(score) > 0).all()
    assert score[5] < 3  # a rank: how bad it is says nothing


def drawn(count=12):
    rng = np.random.default_rng(0)
    place = rng.choice([0.0, 0.5, 1.0], count)
    score, study = rng.standard_normal(count), rng.integers(0, 3, count)
    return Data(rng.random((count, 4)), place, score, study)


BLOCK = np.array([0, 1, 1, 2])


def test_the_likelihoods_gradient_is_its_slope():
    mean, _ = _prior(3)
    point = mean + 0.2
    _, gradient = _likelihood(point, drawn(), BLOCK)
    slope = approx_fprime(point, lambda x: _likelihood(x, drawn(), BLOCK)[0], 1e-6)
    assert gradient == pytest.approx(slope, rel=1e-3, abs=1e-3)


def test_the_posterior_passes_through_whole_trainings_and_pending_ones_take_the_doubt_away():
    data = drawn()
    hyper = Hyperparameters(np.zeros(3), 0.0, 0.0, math.log(1e-2), math.log(1e-6), 0.0)
    data = replace(data, study=np.zeros(12, int))
    posterior = Posterior(data, hyper, BLOCK, np.empty((0, 4)))
    whole = data.place == 1
    mean, spread = posterior(data.features[whole])
    assert mean == pytest.approx(data.score[whole], abs=1e-2)
    assert (spread < 0.01).all()
    points = np.random.default_rng(1).random((5, 4))
    before = posterior(points)
    after = Posterior(data, hyper, BLOCK, points[:1])(points)
    assert after[0] == pytest.approx(before[0])
    assert after[1][0] < 0.01 < before[1][0]
    assert (after[1] <= before[1] + 1e-9).all()


@pytest.mark.parametrize("best", [1.0, 0.0, -3.0])
def test_log_improvement_is_the_integral(best):
    expected, _ = quad(lambda y: (best - y) * norm.pdf(y, 0.3, 0.8), best - 20, best)
    (found,) = log_improvement(np.array([0.3]), np.array([0.8]), best)
    assert found == pytest.approx(math.log(expected), rel=1e-6)


def test_log_improvement_falls_where_the_integral_underflows():
    values = log_improvement(np.linspace(0, 60, 200), np.ones(200), 0.0)
    assert np.isfinite(values).all()
    assert (np.diff(values) < 0).all()


def believing(at, confidence):
    return Space.parse(
        {
            name: {"type": "float", "low": 0.0, "high": 1.0, "prior": at, "confidence": confidence}
            for name in ("x", "y", "z")
        }
    )


@pytest.mark.parametrize("dimensions, near", [(7, 0.01), (24, 1.0)])
def test_the_climb_comes_near_a_best_point_on_the_walls_of_the_cube(dimensions, near):
    rng = np.random.default_rng(9)
    best = rng.random(dimensions)
    best[::3] = np.round(best[::3])
    missed = []
    for seed in range(20):
        moves = Perturbation(np.zeros(dimensions, bool), np.random.default_rng(seed))
        start = rng.random((450, dimensions))
        _, values = local_search(lambda p: -((p - best) ** 2).sum(axis=1), start, moves, 12)
        missed.append(-values.max())
    assert np.mean(missed) < near


def test_draws_follow_the_priors():
    space = believing(0.8, "medium")
    priors = Priors(space)
    assert priors.centre(np.zeros((1, 3))) == pytest.approx(np.full((1, 3), 0.8))
    points = priors.bend(np.random.default_rng(0).random((2000, 3)))
    assert points.mean(axis=0) == pytest.approx([0.77] * 3, abs=0.03)
    narrow = Priors(believing(0.5, "high")).bend(np.random.default_rng(0).random((2000, 3)))
    assert narrow.std(axis=0) == pytest.approx([0.07] * 3, abs=0.01)
    assert not Priors(SPACES["mixed"])


def test_the_first_trial_is_what_the_user_believes_in():
    sampler = Mfgp().build(believing(0.8, "low"), Goal.MINIMIZE, 0)
    assert sampler.propose([], 0) == pytest.approx({"x": 0.8, "y": 0.8, "z": 0.8})


def test_where_nothing_is_believed_the_first_trial_is_in_the_middle():
    space = SPACES["mixed"]
    first = [Mfgp().build(space, Goal.MINIMIZE, seed).propose([], 0) for seed in range(8)]
    for name, parameter in space.parameters.items():
        values = {params[name] for params in first}
        if isinstance(parameter, Categorical):
            assert len(values) > 1
        else:
            assert values == {parameter.decode(0.5)}


def test_a_proposal_costs_no_more_when_the_study_is_long():
    """The model sees at most so many observations, however many trials there are."""
    space = SPACES["conditional"]
    sampler = Mfgp().build(space, Goal.MINIMIZE, 0)
    trials = simulate(Mfgp(startup=10_000).build(space, Goal.MINIMIZE, 0), space, 400)
    fidelities = Fidelities.of(trials)
    (kept,) = sampler._seen(trials, fidelities, 0)
    assert len(kept.score) <= 100 + 50 * (len(fidelities.steps) - 1)
    assert bowl(sampler.propose(trials, 400), space) < 0.5
