import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.pruners import BasePruner, MedianPruner, SuccessiveHalvingPruner
from optuna.trial import TrialState
from pydantic import ValidationError

from autotune.schedule import Asha, Curves, Median
from autotune.testing.schedule import SCHEDULER_CHECKS, frame, schedulers
from autotune.trial import Decision


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
    assert_same_decisions(Asha(grace=grace, eta=eta).build(frame(STEPS)), pruner, study)


@settings(max_examples=60, deadline=None)
@given(studies(), st.integers(3, 4), st.integers(2, 4))
def test_asha_agrees_where_reports_leave_out_the_rungs(study, grace, eta):
    """Every third step is reported: at most one rung is passed by a report."""
    pruner = SuccessiveHalvingPruner(min_resource=grace, reduction_factor=eta)
    assert_same_decisions(Asha(grace=grace, eta=eta).build(frame(STEPS)), pruner, study, stride=3)


@settings(max_examples=120, deadline=None)
@given(studies(), st.integers(1, 6), st.integers(1, 3))
def test_median_decides_as_the_median_pruner_of_optuna(study, grace, startup):
    pruner = MedianPruner(n_startup_trials=startup, n_warmup_steps=grace)
    assert_same_decisions(Median(grace=grace, startup=startup).build(frame(STEPS)), pruner, study)


def test_one_report_past_several_rungs_is_one_comparison():
    """Three trials that report every ninth step only: one in three goes on, not one in 27."""
    curves = Curves({number: {9: float(number)} for number in range(9)})
    scheduler = Asha(grace=1, eta=3).build(frame(27))
    decisions = [scheduler.decide(number, 9, curves) for number in curves]
    assert decisions.count(Decision.CONTINUE) == 3


def test_rungs_of_a_broken_eta_never_stand_still():
    scheduler = Asha(grace=1, eta=1.1).build(frame(None))
    curves = Curves({n: {step: float(n) for step in range(1, 20)} for n in range(3)})
    assert scheduler.decide(2, 1, curves) == Decision.STOP
    assert scheduler.decide(0, 19, curves) == Decision.CONTINUE


def test_grace_must_leave_something_to_stop():
    for config in (Asha(grace=9), Median(grace=9)):
        (problem,) = config.check(frame(9))
        assert problem.path == ("schedule", "grace")
        assert "below the trial's 9 epochs, but got 9" in problem.message
        assert config.check(frame(10)) == config.check(frame(None)) == []


@pytest.mark.parametrize("raw", [{"eta": 1}, {"eta": "nan"}, {"grace": 0}, {"rungs": 3}])
def test_asha_refuses(raw):
    with pytest.raises(ValidationError):
        Asha(**raw)
