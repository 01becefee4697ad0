"""A fault that passes: the study is started again from its journal, and nothing is told twice."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autotune import spec as specs
from autotune.app.runner import drive
from autotune.engine import inline
from autotune.errors import MachineFault, Passing, StudyBusy
from autotune.study.state_machine import Study, take_lock
from autotune.tracking.base import Event, FaultPassing, RunFinished, RunReported, StudyOpened
from autotune.trial import State

STUDY = """
name: passing
objective: {metric: loss, goal: minimize}
trial: {function: "autotune.testing.trials:counts", epochs: 3}
space:
  - x: {type: float, low: 0, high: 1}
search: {name: random}
schedule: {name: none}
budget: {trials: 4}
confirm: {top: 1, seeds: 2}
tracking: {uri: none}
""".replace("loss", "total")


class Away(Passing):
    cure = "it is asked again"
    waited = 0

    def wait(self) -> None:
        type(self).waited += 1


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """After how many reports of a session the fault strikes, session by session."""
    sessions: list[int] = []
    run, Away.waited = inline.run, 0

    def faulty(study: Study, *given: Any) -> None:
        left = sessions.pop(0) if sessions else 10**9
        tell = study.report

        def report(*about: Any) -> Any:
            nonlocal left
            decision, left = tell(*about), left - 1
            if left == 0:
                raise Away("the database is away")
            return decision

        monkeypatch.setattr(study, "report", report)
        run(study, *given)

    monkeypatch.setattr(inline, "run", faulty)
    yield sessions


def test_a_study_gets_over_a_fault_that_passes(tmp_path: Path, faults: list[int]) -> None:
    faults += [5]
    (tmp_path / "study.yaml").write_text(STUDY)
    told: list[Event] = []
    history, _ = drive(specs.load(tmp_path / "study.yaml"), tmp_path, [told.append], "inline")
    assert Away.waited == 1
    assert [run.state for run in history.trials] == [State.COMPLETE] * 4
    assert [run.reports[3].metrics["total"] for run in history.trials] == [6] * 4
    assert len(history.confirms) == 2
    (fault,) = (event for event in told if isinstance(event, FaultPassing))
    assert fault.why == "the database is away; it is asked again"
    reports = Counter((e.label, e.report.step) for e in told if isinstance(e, RunReported))
    assert len(reports) == 6 * 3 and set(reports.values()) == {1}
    ended = Counter(event.label for event in told if isinstance(event, RunFinished))
    assert set(ended.values()) == {1}
    assert sum(isinstance(event, StudyOpened) for event in told) == 2


def test_a_fault_that_comes_again_ends_the_run(tmp_path: Path, faults: list[int]) -> None:
    faults += [5, 3]
    (tmp_path / "study.yaml").write_text(STUDY)
    spec = specs.load(tmp_path / "study.yaml")
    with pytest.raises(MachineFault, match="the database is away"):
        drive(spec, tmp_path, engine="inline")
    try:
        take_lock(tmp_path / "passing").release()
    except StudyBusy:
        pytest.fail("the study is still locked")
    history, _ = drive(spec, tmp_path, engine="inline")
    assert [run.reports[3].metrics["total"] for run in history.trials] == [6] * 4
