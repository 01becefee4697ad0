"""Who proposes while the model of learning curves has learnt little."""

from dataclasses import replace

import pytest

from autotune.search.evolution import Evolution
from autotune.search.mfgp_sampler import MfgpSampler
from autotune.space import Space
from autotune.testing.search import SPACES, bowl
from autotune.trial import Goal, State, Trial

SPACE = SPACES["conditional"]
MIN_COMPLETE_TRIALS = MfgpSampler.RESULTS_PER_CHOICE * (2 + 1 + 2)
"""Its choices have three, two and three values."""


def study(count: int, space: Space = SPACE) -> list[Trial]:
    """Every third trial complete, the others stopped at their first step."""
    draw = MfgpSampler(space, [Goal.MINIMIZE], 1, 10_000)
    trials: list[Trial] = []
    for number in range(count):
        params = draw.propose(trials, number)
        assert params is not None
        loss = bowl(params, space)
        stopped = Trial(number, params, State.PRUNED, curve={1: loss + 1})
        done = replace(stopped, state=State.COMPLETE, curve={1: loss + 1, 3: loss}, value=loss)
        trials.append(stopped if number % 3 else done)
    return trials


def by_evolution(trials: list[Trial], number: int, space: Space = SPACE) -> bool:
    sampler = MfgpSampler(space, [Goal.MINIMIZE], 0, 8)
    other = Evolution(startup=8).build(space, Goal.MINIMIZE, 0)
    return sampler.propose(trials, number) == other.propose(trials, number)


@pytest.mark.parametrize("count", [8, MIN_COMPLETE_TRIALS - 1])
def test_every_other_proposal_is_evolutions_until_there_are_results_for_each_choice(count):
    trials = study(count)
    odd = count + 1 - count % 2
    assert by_evolution(trials, odd)
    assert not by_evolution(trials, odd + 1)


def test_with_enough_results_all_proposals_are_the_models():
    trials = study(MIN_COMPLETE_TRIALS)
    assert not any(
        by_evolution(trials, number)
        for number in range(MIN_COMPLETE_TRIALS, MIN_COMPLETE_TRIALS + 4)
    )


def test_where_there_are_numbers_alone_all_proposals_are_the_models():
    trials = study(9, SPACES["flat"])
    assert not any(by_evolution(trials, number, SPACES["flat"]) for number in range(9, 13))


def test_where_no_trial_is_stopped_early_all_proposals_are_the_models():
    trials = [trial for trial in study(30) if trial.state == State.COMPLETE]
    trials = [replace(trial, number=number) for number, trial in enumerate(trials)]
    assert not any(by_evolution(trials, number) for number in range(10, 14))


def test_the_doubt_grows_with_the_results_up_to_its_most():
    sampler = MfgpSampler(SPACE, [Goal.MINIMIZE], 0, 8)
    betas = [sampler._beta(study(count)) for count in (5, 8, MIN_COMPLETE_TRIALS, 20)]
    low, high = MfgpSampler.BETA
    assert low < betas[0] < betas[1] < high
    assert betas[2:] == [high, high]
