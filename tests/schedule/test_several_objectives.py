"""Schedulers that compare trials by several objectives."""

import random

import pytest

from autotune.schedule import Asha, Curves, Hyperband
from autotune.testing.schedule import SimulatedTrials, context, schedulers
from autotune.trial import Decision

SEVERAL = [config for config in schedulers() if config.several]


def race(config, seed, trials=30):
    return SimulatedTrials(config.build(context()), seed, trials, several=True).run()


@pytest.mark.parametrize("config", SEVERAL, ids=repr)
def test_contract(config):
    """Grace, the end, the one that dominates all, and that every trial ends."""
    for seed in range(3):
        run = race(config, seed)
        assert all(step >= getattr(config, "grace", 1) for step in run.stopped.values())
        assert 5 in run.complete
        assert sorted([*run.complete, *run.stopped]) == list(range(30))
        assert bool(run.stopped) == config.stops_early


@pytest.mark.parametrize("config", SEVERAL, ids=repr)
def test_only_the_curves_count(config):
    run = race(config, 3, 15)
    curves = Curves()
    trials = sorted({number for number, *_ in run.told})
    for number in random.Random(0).sample(trials, len(trials)):
        for trial, step, *losses in run.told:
            if trial == number:
                curves.add(int(trial), int(step), *losses)
    for number, step, *_ in run.told:
        answer = config.build(context()).decide(int(number), int(step), curves)
        assert run.scheduler.decide(int(number), int(step), run.curves) == answer


def test_the_first_front_goes_on_and_what_it_dominates_stops():
    points = [(1.0, 9.0), (9.0, 1.0), (4.0, 4.0), (5.0, 5.0), (6.0, 9.0), (9.0, 9.0)]
    curves = Curves()
    for trial, point in enumerate(points):
        curves.add(trial, 1, *point)
    scheduler = Asha(eta=2).build(context())
    decisions = [scheduler.decide(trial, 1, curves) for trial in range(6)]
    assert decisions == [Decision.CONTINUE] * 3 + [Decision.STOP] * 3
    scarce = Asha(eta=3).build(context())
    # Two of the first front: the best by the first objective, and the one farthest from it.
    assert scarce.decide(2, 1, curves) == Decision.STOP
    assert scarce.decide(1, 1, curves) == scarce.decide(0, 1, curves) == Decision.CONTINUE


def test_those_that_break_a_constraint_stand_behind_all_and_alike():
    for config in (Asha(), Hyperband()):
        curves = Curves()
        for trial in range(9):
            losses = (1.0, float(trial)) if trial < 3 else (float("inf"),) * 2
            curves.add(trial, 1, *losses)
        scheduler = config.build(context())
        assert scheduler.decide(0, 1, curves) == Decision.CONTINUE
    decisions = {Asha().build(context()).decide(trial, 1, curves) for trial in range(3, 9)}
    assert decisions == {Decision.STOP}
