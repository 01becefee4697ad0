"""What a person sees of a running study, from the events a study tells."""

import time
from collections.abc import Mapping
from io import StringIO

from rich.console import Console

from autotune import spec as specs
from autotune.report.live import LiveView, View, view
from autotune.spec import StudySpec
from autotune.tracking.base import FaultPassing, RunFinished, RunReported, RunStarted
from autotune.trial import Purpose, Reason, Report, State

PARAMS = {"optimizer.lr": 0.01}


def quickstart(*overrides: str) -> StudySpec:
    return specs.load(specs.find("quickstart"), ("budget.trials=3", *overrides))


def shown(kind: type[View] = View, *overrides: str) -> tuple[View, StringIO]:
    out = StringIO()
    console = Console(file=out, width=80, force_terminal=False)
    return kind(quickstart(*overrides), console), out


def started(number: int, purpose: Purpose = Purpose.SEARCH) -> RunStarted:
    label = f"{purpose.value}-{number:04d}"
    return RunStarted(label, purpose, number, 7, PARAMS, {"epochs": 27}, time.time())


def finished(
    run: RunStarted,
    value: float | None,
    state: State = State.COMPLETE,
    reason: Reason | None = None,
    at: float | None = None,
) -> RunFinished:
    summary: Mapping[str, float] = {"run/seconds": 1.25}
    if value is not None:
        summary = {**summary, "best/val_accuracy": value, "best/step": 4.0}
    message = "exploded" if reason else ""
    return RunFinished(run.label, state, reason, message, summary, at or time.time())


def tell(view: View, number: int, value: float | None, state: State = State.COMPLETE) -> None:
    run = started(number)
    view.record(run)
    view.record(finished(run, value, state, Reason.EXCEPTION if state == State.FAILED else None))


def test_a_finished_trial_is_a_line_and_an_improvement_is_marked() -> None:
    view, out = shown()
    tell(view, 0, 0.5)
    tell(view, 1, 0.25, State.PRUNED)
    tell(view, 2, 0.75)
    assert out.getvalue().splitlines() == [
        "trial    0  complete  val_accuracy 0.5000 at epoch 4, 1.2 s  <- best so far",
        "trial    1  pruned    val_accuracy 0.2500 at epoch 4, 1.2 s",
        "trial    2  complete  val_accuracy 0.7500 at epoch 4, 1.2 s  <- best so far",
    ]


def test_where_less_is_better_less_is_an_improvement() -> None:
    view, out = shown(View, "objective.goal=minimize")
    tell(view, 0, 0.5)
    tell(view, 1, 0.75)
    tell(view, 2, 0.25)
    assert ["best so far" in line for line in out.getvalue().splitlines()] == [True, False, True]


def test_a_failed_trial_says_why_and_is_never_the_best() -> None:
    view, out = shown()
    tell(view, 0, 0.9, State.FAILED)
    assert out.getvalue() == "trial    0  failed    exception: exploded\n"
    assert view.best == ""


def test_what_was_done_before_is_counted_and_not_told_again() -> None:
    view, out = shown()
    old = started(0)
    view.record(old)
    view.record(finished(old, 0.9, at=view.born - 60))
    assert out.getvalue() == ""
    view.starting("Ray")
    tell(view, 1, 0.5)
    assert out.getvalue().splitlines() == [
        "resumed: 1 of 3 trials done",
        "starting Ray ...",
        "trial    1  complete  val_accuracy 0.5000 at epoch 4, 1.2 s",
    ]
    assert view.finished == 2 and not view.nothing_new


def test_a_fault_that_passes_is_a_line_and_the_start_after_it_another() -> None:
    view, out = shown()
    old = started(0)
    view.record(old)
    view.record(finished(old, 0.9, at=view.born - 60))
    view.starting("Ray")
    view.record(FaultPassing("Ray's raylet died; it is started again"))
    view.starting("Ray")
    assert out.getvalue().splitlines() == [
        "resumed: 1 of 3 trials done",
        "starting Ray ...",
        "Ray's raylet died; it is started again",
        "starting Ray ...",
    ]


def test_a_new_study_resumes_nothing() -> None:
    view, out = shown()
    view.starting("Ray")
    assert out.getvalue() == "starting Ray ...\n"


def drawn(view: LiveView) -> list[str]:
    console = Console(width=100, force_terminal=False)
    with console.capture() as captured:
        console.print(view.render())
    return [line.rstrip() for line in captured.get().splitlines()]


def test_the_live_view_shows_progress_the_best_and_what_runs() -> None:
    view, _ = shown(LiveView)
    with view:
        tell(view, 0, 0.9)
        running = started(1)
        view.record(running)
        view.record(RunReported(running.label, Report(4, {"val_accuracy": 0.5}), time.time()))
        view.record(started(2))
        lines = drawn(view)
    assert lines[0].startswith("quickstart") and "1/3 trials" in lines[0]
    assert "1 complete" in lines[0]
    assert lines[1].startswith("best val_accuracy 0.9000") and "lr 0.01" in lines[1]
    assert lines[2].strip() == "search-0001  epoch 4/27  val_accuracy 0.5000"
    assert lines[3].strip() == "search-0002  starting"


def test_a_running_trial_may_be_the_best_until_it_fails() -> None:
    view, _ = shown(LiveView)
    with view:
        tell(view, 0, 0.8516, State.PRUNED)
        running = started(1)
        view.record(running)
        for step, value in ((14, 0.85), (15, 0.8912), (16, 0.88)):  # its best epoch counts
            told = Report(step, {"val_accuracy": value})
            view.record(RunReported(running.label, told, time.time()))
        assert drawn(view)[1].startswith("best val_accuracy 0.8912  search-0001, still running:")
        tell(view, 2, 0.86)
        assert drawn(view)[1].startswith("best val_accuracy 0.8912  search-0001")
        view.record(finished(running, None, State.FAILED, Reason.NAN))
        assert drawn(view)[1].startswith("best val_accuracy 0.8600  search-0002:")


def test_what_is_no_better_than_a_running_trial_is_not_marked() -> None:
    view, out = shown()
    running = started(1)
    view.record(running)
    view.record(RunReported(running.label, Report(3, {"val_accuracy": 0.9}), time.time()))
    tell(view, 0, 0.8)
    view.record(finished(running, 0.9))
    marks = ["best so far" in line for line in out.getvalue().splitlines()]
    assert marks == [False, True]


def test_of_several_objectives_running_and_stopped_trials_are_in_the_set() -> None:
    goals = "objective=[{metric: val_accuracy, goal: maximize}, {metric: params, goal: minimize}]"
    view, _ = shown(LiveView, goals, "schedule={name: none}", "search={name: random}")
    with view:
        for number, (accuracy, size) in enumerate([(0.9, 10.0), (0.8, 5.0), (0.7, 20.0)]):
            run = started(number)
            view.record(run)
            metrics = {"val_accuracy": accuracy, "params": size}
            view.record(RunReported(run.label, Report(1, metrics), time.time()))
        assert drawn(view)[1] == "Pareto set so far: 2 trials"


def test_steps_are_told_where_an_epoch_has_several() -> None:
    view, out = shown(View, "trial.reports_per_epoch=2")
    tell(view, 0, 0.5)
    assert "val_accuracy 0.5000 at step 4," in out.getvalue()
    live, _ = shown(LiveView, "trial.reports_per_epoch=2")
    with live:
        run = started(1)
        live.record(run)
        live.record(RunReported(run.label, Report(4, {"val_accuracy": 0.5}), time.time()))
        lines = drawn(live)
    assert lines[-1].strip() == "search-0001  step 4/54  val_accuracy 0.5000"


def test_the_live_view_has_no_total_where_the_budget_is_time_alone() -> None:
    view, _ = shown(LiveView)
    view.spec = view.spec.model_copy(
        update={"budget": view.spec.budget.model_copy(update={"trials": None, "time": 60.0})}
    )
    with view:
        tell(view, 0, 0.9)
        assert "1/? trials" in drawn(view)[0]


def test_the_live_view_counts_retrainings_once_they_begin() -> None:
    view, _ = shown(LiveView)
    with view:
        for number in range(3):
            tell(view, number, 0.5)
        view.record(started(0, Purpose.CONFIRM))
        assert "0/9 retrainings" in drawn(view)[0]
        again = started(0, Purpose.VERIFY)
        view.record(again)
        assert "0/3 retrainings" in drawn(view)[0]
        view.record(finished(again, 0.5))
        assert "1/3 retrainings" in drawn(view)[0] and "3 complete" in drawn(view)[0]


def test_lines_for_a_pipe_and_a_live_view_for_a_terminal() -> None:
    spec = quickstart()
    assert type(view(spec, Console(file=StringIO(), force_terminal=True))) is LiveView
    assert type(view(spec, Console(file=StringIO(), force_terminal=False))) is View
