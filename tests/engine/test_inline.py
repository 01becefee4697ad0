"""The inline engine keeps the contract; Ctrl-C cuts nothing in half."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autotune.engine import inline
from autotune.engine.worker import work_thread
from autotune.errors import Hanging
from autotune.testing.engine import EngineContract, ScriptedStudy, assign, go_to_end
from autotune.trial import Assignment, Decision, Reason, Report


class TestInline(EngineContract):
    @pytest.fixture
    def run(self) -> Any:
        return inline.run


@pytest.fixture(autouse=True)
def a_terminals_ctrl_c() -> Iterator[None]:
    """A shell ignores it for what it starts in the background, and pytest inherits that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_in_a_report_lets_it_be_written_first(tmp_path: Path) -> None:
    written = []

    def decide(assignment: Assignment, report: Report) -> Decision:
        interrupt()
        written.append(report.step)
        return go_to_end(assignment, report)

    study = ScriptedStudy([assign(n, tmp_path, "goes_on", 3) for n in range(2)], decide)
    with pytest.raises(KeyboardInterrupt):
        inline.run(study)
    assert written == [1] and study.stopped
    assert study.ended == [], "what ran is left for a resume"
    assert (tmp_path / "0" / "stopped").exists(), "its thread has ended"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_thread, "UNWIND", 0.1)
    monkeypatch.setattr(work_thread, "RELENT", 0.3)


@pytest.mark.usefixtures("impatient")
def test_a_hang_that_cannot_be_interrupted_ends_the_run(tmp_path: Path) -> None:
    """With the trial's outcome written."""
    hanging = replace(assign(0, tmp_path, "hangs_in_c"), silence=0.5)
    study = ScriptedStudy([hanging, assign(1, tmp_path, "learns")])
    with pytest.raises(Hanging, match=r"trial-0000 \(.*hangs_in_c\) hangs where it cannot"):
        inline.run(study)
    assert [(trial, failure.reason) for trial, failure in study.ended if failure] == [
        (0, Reason.TIMEOUT)
    ]


@pytest.mark.usefixtures("impatient")
def test_a_function_that_hangs_when_it_is_stopped_is_interrupted(tmp_path: Path) -> None:
    queue = [assign(0, tmp_path, "hangs_when_stopped"), assign(1, tmp_path, "learns")]
    study = ScriptedStudy(queue, lambda *_: Decision.STOP)
    inline.run(study)
    assert study.ended == [(0, None), (1, None)]


@pytest.mark.usefixtures("impatient")
def test_ctrl_c_does_not_wait_for_what_hangs(tmp_path: Path) -> None:
    study = ScriptedStudy([assign(0, tmp_path, "hangs_in_c")])
    before = signal.signal(signal.SIGALRM, lambda *_: interrupt())
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            inline.run(study)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert study.stopped and study.ended == []


def test_ctrl_c_in_the_work_strikes_at_once(tmp_path: Path) -> None:
    class Interrupted(ScriptedStudy):
        def next(self) -> Any:
            answer = super().next()
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            return answer

    before = signal.signal(signal.SIGALRM, lambda *_: interrupt())
    study = Interrupted([assign(0, tmp_path, "says_nothing", 3, seconds=0.8)])
    try:
        with pytest.raises(KeyboardInterrupt):
            inline.run(study)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert study.stopped and study.ended == []
