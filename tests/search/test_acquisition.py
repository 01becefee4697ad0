"""What a training is worth by several objectives and under constraints."""

import math
from dataclasses import replace

import numpy as np
import pytest

from autotune.search import Mfgp
from autotune.search.surrogate.acquisition import Acquisition, log_hypervolume
from autotune.search.surrogate.fidelities import Fidelities
from autotune.search.surrogate.targets import feasible, objectives, violated
from autotune.space import Space
from autotune.trial import Goal, Report, Scalar, State, Trial, ValueAtStep

SPACE = Space.parse({name: {"type": "float", "low": 0.0, "high": 1.0} for name in ("x", "y")})


def whole(number: int, params: dict[str, Scalar], values: tuple[float, ...], violations=()):
    stages = {1: ValueAtStep(values, violations)}
    reports = {1: Report(1, {"loss": values[0]})}
    known = {"value": values[0], "values": values, "violations": violations}
    curve = {1: values[0]}
    return Trial(
        number, params, State.COMPLETE, curve=curve, values_by_step=stages, reports=reports, **known
    )


def study(count: int, goals, ask) -> list[Trial]:
    """One worker's; `ask` answers the values and the violations of a point."""
    sampler = Mfgp().build_several(SPACE, goals, 4)
    trials: list[Trial] = []
    for number in range(count):
        params = sampler.propose(trials, number)
        trials.append(whole(number, params, *ask(params)))
    return trials


def test_expected_hypervolume_is_what_draws_of_the_scores_add() -> None:
    """Along many rays, against plain Monte Carlo of the dominated area."""
    rng = np.random.default_rng(0)
    seen = np.array([[0.0, 1.0], [0.5, 0.4], [1.0, 0.0]])
    rays = np.abs(rng.standard_normal((4000, 2)))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    mean = np.array([[0.3, 0.3], [0.9, 0.9], [-0.5, 1.0]])
    spread = np.array([[0.3, 0.2], [0.1, 0.1], [0.2, 0.4]])
    found = np.exp(log_hypervolume(mean, spread, seen, rays))
    grid = rng.uniform(-2, 1.1, (20_000, 2))
    free = grid[~(seen[None] <= grid[:, None]).all(axis=2).any(axis=1)]
    drawn = mean[:, None] + spread[:, None] * rng.standard_normal((3, 400, 2))
    added = [np.mean([(point <= free).all(axis=1).sum() for point in row]) for row in drawn]
    assert found / found.sum() == pytest.approx(np.array(added) / sum(added), abs=0.03)


def test_far_from_the_front_the_gain_still_falls() -> None:
    mean = np.stack([np.linspace(0, 30, 50)] * 2, axis=1)
    rays = np.full((1, 2), 0.5**0.5)
    values = log_hypervolume(mean, np.ones((50, 2)), np.zeros((1, 2)), rays)
    assert np.isfinite(values).all()
    assert (np.diff(values) < 0).all()


def test_while_nothing_is_feasible_the_chance_is_all_that_counts() -> None:
    def model(features):
        return features[:, 0], np.ones(len(features))

    acquisition = Acquisition([model, model], 1, np.random.default_rng(0), beta=None)
    chance = acquisition(np.array([[0.0], [1.0]]))
    assert chance[0] == pytest.approx(math.log(0.5))
    assert chance[1] < chance[0]
    acquisition.seen = np.array([[0.0]])
    assert (acquisition(np.array([[0.0], [1.0]])) < chance).all()


def test_a_bound_stays_at_zero_on_every_level() -> None:
    trial = replace(
        whole(0, {}, (1.0,), (-2.0,)),
        curve={1: 1.0, 2: 0.5},
        values_by_step={1: ValueAtStep((1.0,), (-2.0,)), 2: ValueAtStep((0.5,), (1000.0,))},
    )
    seen = violated([trial], Fidelities((1, 2)), 0)
    assert seen.score[0] < 0 < seen.score[1] < 10
    assert violated([Trial(0, {}, State.RUNNING)], Fidelities((1, 2)), 0).score.tolist() == []


def test_values_are_those_of_the_stage_a_trial_was_in() -> None:
    first, second = objectives([Goal.MINIMIZE, Goal.MAXIMIZE])
    trial = replace(whole(0, {}, (1.0, 7.0)), values_by_step={2: ValueAtStep((1.0, 7.0), ())})
    assert (first(trial, 3), second(trial, 3)) == (1.0, -7.0)
    assert first(trial, 1) is None


def test_who_told_of_no_constraint_is_not_taken_for_feasible() -> None:
    trials = [whole(0, {}, (1.0,), (-1.0,)), whole(1, {}, (1.0,), (0.5,)), whole(2, {}, (1.0,))]
    assert feasible(trials, 1).tolist() == [True, False, False]
    assert feasible(trials[2:], 0).tolist() == [True]


def test_two_objectives_are_covered_from_end_to_end() -> None:
    """The front is the line from (0, 0.5) to (1, 0.5); off it both values grow."""

    def ask(params):
        away = (params["y"] - 0.5) ** 2
        return ((params["x"] + away, 1 - params["x"] + away), ())

    trials = study(30, [Goal.MINIMIZE, Goal.MINIMIZE], ask)
    near = sorted(t.params["x"] for t in trials if abs(t.params["y"] - 0.5) < 0.1)
    gaps = np.diff([0.0, *near, 1.0])
    assert len(near) >= 12
    assert gaps.max() < 0.2


def test_the_best_feasible_point_is_found_at_the_bound() -> None:
    """The loss falls with x and y; their sum must not pass 1/2."""

    def ask(params):
        total = params["x"] + params["y"]
        return ((-params["x"] - 2 * params["y"],), (2 * total - 1,))

    trials = study(30, [Goal.MINIMIZE], ask)
    best = min(t.value for t in trials if t.violation == 0)
    assert best < -0.9
