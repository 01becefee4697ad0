from dataclasses import replace

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.pruners import BasePruner, MedianPruner, SuccessiveHalvingPruner
from optuna.trial import TrialState
from pydantic import ValidationError

from autotune.schedule import (
    Asha,
    Curves,
    Hyperband,
    Median,
    Patience,
    Pbt,
    StudyContext,
    Threshold,
)
from autotune.schedule.pbt import perturbable
from autotune.schedule.state import Paused, SchedulerState
from autotune.space import Space
from autotune.testing.schedule import SCHEDULER_CHECKS, SimulatedTrials, context, schedulers
from autotune.trial import Decision, Goal


@pytest.mark.parametrize("check", SCHEDULER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("config", schedulers(), ids=repr)
def test_contract(config, check):
    check(config)


STEPS = 12

# Losses of few different values, so that ties are common.
losses = st.one_of(st.integers(0, 5).map(float), st.floats(-1e6, 1e6))


@st.composite
def studies(draw):
    """Whole curves of some trials and the order in which the trials report."""
    count = draw(st.integers(1, 9))
    curves = draw(
        st.lists(st.lists(losses, min_size=STEPS, max_size=STEPS), min_size=count, max_size=count)
    )
    order = draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=count * STEPS))
    return curves, order


def assert_same_decisions(scheduler, pruner: BasePruner, study, stride: int = 1) -> None:
    """Both are fed the same reports, one at a time, and obeyed."""
    curves, order = study
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    oracle = optuna.create_study(direction="minimize", pruner=pruner)
    theirs = [oracle.ask() for _ in curves]
    ours = Curves()
    open_trials = set(range(len(curves)))
    for number in order:
        if number not in open_trials:
            continue
        step = max(ours.get(number, {}), default=0) + stride
        loss = curves[number][step - 1]
        ours.add(number, step, loss)
        theirs[number].report(loss, step)
        stopped = step < STEPS and theirs[number].should_prune()
        decision = scheduler.decide(number, step, ours)
        assert (decision == Decision.STOP) == stopped, (number, step, ours)
        if stopped:
            oracle.tell(theirs[number], state=TrialState.PRUNED)
        elif step == STEPS:
            oracle.tell(theirs[number], loss)
        if stopped or step == STEPS:
            open_trials.remove(number)


@settings(max_examples=120, deadline=None)
@given(studies(), st.integers(1, 4), st.integers(2, 4))
def test_asha_decides_as_successive_halving_of_optuna(study, grace, eta):
    pruner = SuccessiveHalvingPruner(min_resource=grace, reduction_factor=eta)
    assert_same_decisions(Asha(grace=grace, eta=eta).build(context(STEPS)), pruner, study)


@settings(max_examples=60, deadline=None)
@given(studies(), st.integers(3, 4), st.integers(2, 4))
def test_asha_agrees_where_reports_leave_out_the_rungs(study, grace, eta):
    """Every third step is reported: at most one rung is passed by a report."""
    pruner = SuccessiveHalvingPruner(min_resource=grace, reduction_factor=eta)
    assert_same_decisions(Asha(grace=grace, eta=eta).build(context(STEPS)), pruner, study, stride=3)


@settings(max_examples=120, deadline=None)
@given(studies(), st.integers(1, 6), st.integers(1, 3))
def test_median_decides_as_the_median_pruner_of_optuna(study, grace, startup):
    pruner = MedianPruner(n_startup_trials=startup, n_warmup_steps=grace)
    assert_same_decisions(Median(grace=grace, startup=startup).build(context(STEPS)), pruner, study)


def test_one_report_past_several_rungs_is_one_comparison():
    """Three trials that report every ninth step only: one in three goes on, not one in 27."""
    curves = Curves({number: {9: float(number)} for number in range(9)})
    scheduler = Asha(grace=1, eta=3).build(context(27))
    decisions = [scheduler.decide(number, 9, curves) for number in curves]
    assert decisions.count(Decision.CONTINUE) == 3


def test_rungs_of_a_broken_eta_never_stand_still():
    scheduler = Asha(grace=1, eta=1.1).build(context(None))
    curves = Curves({n: {step: float(n) for step in range(1, 20)} for n in range(3)})
    assert scheduler.decide(2, 1, curves) == Decision.STOP
    assert scheduler.decide(0, 19, curves) == Decision.CONTINUE


@pytest.mark.parametrize(
    ("config", "key", "said"),
    [
        (Asha(grace=9), "grace", "9"),
        (Median(grace=9), "grace", "9"),
        (Hyperband(grace=12), "grace", "12"),
        (Patience(steps=9), "steps", "9"),
        (Threshold(value=1, by=10), "by", "10"),
        (Pbt(every=9), "every", "9"),
    ],
)
def test_something_must_be_left_to_stop(config, key, said):
    (problem,) = config.check(context(9))
    assert problem.path == ("schedule", key)
    assert problem.message.endswith(f"below the trial's 9 epochs, but got {said}")
    assert config.check(context(13)) == []
    (problem,) = config.check(replace(context(8), per_epoch=4))
    assert problem.message.endswith(f"below the trial's 8 steps (4 an epoch), but got {said}")


def test_brackets_and_populations_need_an_end():
    for config in (Hyperband(), Pbt()):
        (problem,) = config.check(context(None))
        assert "needs `trial.epochs`" in problem.message


def test_a_population_needs_numbers_that_may_change():
    space = Space.parse({"model.depth": {"type": "int", "low": 1, "high": 3}})
    (problem,) = Pbt().check(StudyContext(9, space, Goal.MINIMIZE))
    assert "such as optimizer.lr" in problem.message
    assert Pbt(perturb=("model.depth",)).check(StudyContext(9, space, Goal.MINIMIZE)) == []
    (problem,) = Pbt(perturb=("model.dept",)).check(StudyContext(9, space, Goal.MINIMIZE))
    assert "got 'model.dept'; did you mean 'model.depth'?" in problem.message
    one = {"type": "float", "low": 0.1, "high": 1.0}
    names = ("optimizer.momentum", "optimizer.lr", "clip_norm", "layer_decay", "model.dropout")
    assert perturbable(Space.parse(dict.fromkeys(names, one))) == ["optimizer.lr", "clip_norm"]


def test_brackets_take_the_shares_of_the_paper():
    """27 steps at eta 3: 27, 12, 6 and 4 configurations start with 1, 3, 9 and 27 steps."""
    scheduler = Hyperband().build(context(27))
    groups = [bracket.group for bracket in scheduler.brackets]
    assert [bracket.grace for bracket in scheduler.brackets] == [1, 3, 9, 27]
    for count in (49, 490):
        shares = [sum(map(group, range(count))) for group in groups]
        assert sum(shares) == count
        expected = [n * count / 49 for n in (27, 12, 6, 4)]
        assert all(abs(a - b) <= 2 for a, b in zip(shares, expected, strict=True))


def test_a_threshold_is_in_the_units_of_the_objective():
    config = Threshold(value=0.5, by=3)
    low = config.build(StudyContext(9, context().space, Goal.MINIMIZE))
    assert low.decide(0, 3, Curves({0: {3: 0.6}})) == Decision.STOP
    assert low.decide(0, 3, Curves({0: {2: 0.4, 3: 0.6}})) == Decision.CONTINUE
    high = config.build(
        StudyContext(9, context().space, Goal.MAXIMIZE)
    )  # losses are negated scores
    assert high.decide(0, 2, Curves({0: {2: -0.4}})) == Decision.CONTINUE
    assert high.decide(0, 4, Curves({0: {2: -0.4, 4: -0.4}})) == Decision.STOP
    assert high.decide(0, 4, Curves({0: {4: -0.5}})) == Decision.CONTINUE


def test_patience_counts_from_the_best_step():
    scheduler = Patience(steps=3, margin=0.1).build(context(20))
    curve = {1: 1.0, 2: 0.5, 3: 0.45, 4: 0.42, 5: 0.41, 6: 0.1}
    decisions = [scheduler.decide(0, step, Curves({0: curve})) for step in curve]
    assert decisions.index(Decision.STOP) == 4 and decisions[5] == Decision.CONTINUE


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(schedulers()), st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 9))
def test_no_race_stops_before_grace_or_loses_a_trial(config, seed, trials, workers):
    race = SimulatedTrials(config.build(context()), seed, trials, workers).run()
    assert all(step >= getattr(config, "grace", 1) for step in race.stopped.values())
    assert sorted([*race.complete, *race.stopped]) == list(range(len(race.levels)))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(schedulers()), st.integers(0, 10_000), st.integers(1, 12), st.randoms())
def test_the_order_in_which_curves_came_changes_no_answer(config, seed, trials, rng):
    """Neither who is stopped nor who goes on, where trials wait at any of their rungs."""
    race = SimulatedTrials(config.build(context()), seed, trials, 3).run()
    waits = {n: rng.choice(steps) for n in race.curves if (steps := pauses(race, n))}
    known = {
        n: {step: loss for step, loss in curve.items() if step <= waits.get(n, step)}
        for n, curve in race.curves.items()
    }
    answers = []
    for order in (sorted(known), rng.sample(sorted(known), len(known))):
        curves, paused, fresh = Curves(), Paused(), config.build(context())
        for n in order:
            for step, loss in known[n].items():
                curves.add(n, step, loss)
            if n in waits:
                paused.add(n, waits[n], known[n][waits[n]])
        stands = [SchedulerState(curves, paused, {}, trials, closing) for closing in (False, True)]
        answers.append(
            (
                {(n, step): fresh.decide(n, step, curves) for n in known for step in known[n]},
                [fresh.next_action(standing) for standing in stands],
            )
        )
    assert answers[0] == answers[1]


def pauses(race, number):
    """The steps at which the trial was paused."""
    decided = {s: race.scheduler.decide(number, s, race.curves) for s in race.curves[number]}
    return [step for step, decision in decided.items() if decision is Decision.PAUSE]


@settings(max_examples=60, deadline=None)
@given(studies())
def test_a_comparison_kept_up_to_date_is_one_made_afresh(study):
    curves, order = study
    kept = Curves()
    for number in order:
        step = max(kept.get(number, {}), default=0) + 1
        if step > STEPS:
            continue
        kept.add(number, step, curves[number][step - 1])
        for rung in (1, 3, 7):
            assert kept.rung(rung).ranked == Curves(dict(kept)).rung(rung).ranked


@pytest.mark.parametrize("raw", [{"eta": 1}, {"eta": "nan"}, {"grace": 0}, {"rungs": 3}])
def test_asha_refuses(raw):
    with pytest.raises(ValidationError):
        Asha(**raw)
