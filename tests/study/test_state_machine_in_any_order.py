"""A study against a plain model of it: next, report, finish, command, kill, resume in any order.

The model knows what it was told: which runs began, which steps each reported, which have ended.
Whatever the order, the study on disk agrees with it: nothing is lost and nothing happens twice.
"""

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from autotune import spec as specs
from autotune.study import history, state_machine
from autotune.study.state_machine import Done, Wait
from autotune.study.steering import inbox
from autotune.study.steering.commands import AnyCommand, GoOn, Pause, SetBudget, Stop, Try
from autotune.trial import Assignment, Decision, Failure, Purpose, Reason, Report, State

TRIALS, EPOCHS, SLOTS = 6, 4, 3
SPEC = """
name: machine
objective: {{metric: loss, goal: minimize}}
trial: {{function: "autotune.testing.trials:learns", epochs: {epochs}}}
space: {{lr: {{type: float, low: 0.1, high: 1.0}}}}
search: {{name: random}}
schedule: {schedule}
budget: {{trials: {trials}}}
confirm: {{top: 2, seeds: 1}}
tracking: {{uri: none}}
"""
SCHEDULES = [
    "{name: none}",
    "{name: asha, grace: 1, eta: 2}",
    "{name: asha, grace: 1, eta: 2, form: promotion}",
    "{name: median, startup: 2}",
    "{name: pbt, population: 3, every: 2}",
]
FAILURES = [Reason.LOST, Reason.EXCEPTION, Reason.NAN, Reason.TIMEOUT]


class StudyMachine(RuleBasedStateMachine):
    @initialize(schedule=st.sampled_from(SCHEDULES))
    def begin(self, schedule: str) -> None:
        self.scratch = tempfile.TemporaryDirectory()
        self.runs = Path(self.scratch.name) / "runs"
        file = Path(self.scratch.name) / "machine.yaml"
        file.write_text(SPEC.format(schedule=schedule, epochs=EPOCHS, trials=TRIALS))
        self.spec = specs.load(file)
        self.reported: dict[str, dict[int, float]] = {}
        self.ended: set[str] = set()
        self.numbers: set[int] = set()
        self.asked: dict[int, dict[str, float]] = {}
        """Trials that a person was promised, with their values."""
        self.most, self.paused, self.obeyed = TRIALS, False, 0
        self.open()

    def open(self) -> None:
        self.study = state_machine.start(self.spec, self.runs)
        self.study.slots = SLOTS
        self.out: dict[int, Assignment] = {}
        self.leaving: set[int] = set()
        self.done = False

    # What an engine does

    @rule()
    def next(self) -> None:
        answer = self.study.next()
        if isinstance(answer, Assignment):
            assert len(self.out) < SLOTS, "more is out than there are slots"
            assert answer.number not in self.numbers, "two assignments share a number"
            assert answer.label not in self.ended, "a run that has ended is handed out again"
            assert answer.label not in {a.label for a in self.out.values()}, "handed out twice"
            known = self.reported.setdefault(answer.label, {})
            assert answer.from_step >= max(known, default=0) or answer.parent is not None
            self.numbers.add(answer.number)
            self.out[answer.number] = answer
            if answer.from_step == EPOCHS:  # a function that was cut off behind its last report
                self.leaving.add(answer.number)
        else:
            assert isinstance(answer, Wait) == (bool(self.out) or self.paused)
            self.done = self.done or isinstance(answer, Done)

    @precondition(lambda self: set(self.out) - self.leaving)
    @rule(data=st.data(), loss=st.floats(0.0, 10.0))
    def report(self, data: st.DataObject, loss: float) -> None:
        number = data.draw(st.sampled_from(sorted(set(self.out) - self.leaving)))
        assignment = self.out[number]
        known = self.reported[assignment.label]
        step = max(assignment.from_step, *known, 0) + 1 if known else assignment.from_step + 1
        decision = self.study.report(assignment, Report(step, {"loss": loss}, 0.5))
        known[step] = loss
        assert assignment.to_step is not None and step <= assignment.to_step
        if step == EPOCHS:
            assert decision is Decision.CONTINUE, "a function is let run to its own end"
        if decision is not Decision.CONTINUE or step == EPOCHS:
            self.leaving.add(number)
        if decision is Decision.STOP:
            self.ended.add(assignment.label)
        if self.paused and step < EPOCHS:
            assert decision is not Decision.CONTINUE, "what runs waits in a pause"

    @precondition(lambda self: self.leaving)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.leaving)))
        assignment = self.out.pop(number)
        self.study.finish(assignment)
        self.leaving.discard(number)
        if max(self.reported[assignment.label], default=0) == EPOCHS:
            self.ended.add(assignment.label)

    @precondition(lambda self: set(self.out) - self.leaving)
    @rule(data=st.data(), reason=st.sampled_from(FAILURES))
    def fail(self, data: st.DataObject, reason: Reason) -> None:
        number = data.draw(st.sampled_from(sorted(set(self.out) - self.leaving)))
        assignment = self.out.pop(number)
        self.study.finish(assignment, Failure(reason, "on cue"))
        if assignment.label in {run.label for run in self.finished()}:
            self.ended.add(assignment.label)
        else:
            assert reason is Reason.LOST, "only a lost worker is tried again"

    # What people ask for

    @rule(lr=st.floats(0.1, 1.0))
    def try_(self, lr: float) -> None:
        if self.tell(Try(values={"lr": lr})):
            number = len(self.study.history.trials) - 1
            self.asked[number] = {"lr": lr}
            self.most = max(self.most, number + 1)

    @rule()
    def retry_failed(self) -> None:
        before = self.study.history.trials
        failed = {run.trial for run in before if run.state == State.FAILED}
        again = failed - {run.origin.get("again") for run in before}
        assert self.tell(GoOn(retry_failed=True)) == bool(again)
        self.paused = self.paused and not again
        for number in range(len(before) - len(again), len(before)):
            self.asked[number] = dict(before[number].params)
        self.most = max(self.most, len(before))

    @rule(number=st.integers(0, TRIALS))
    def stop_one(self, number: int) -> None:
        known = {run.trial: run for run in self.study.history.trials}
        over = number not in known or known[number].state.finished
        assert self.tell(Stop(trial=number)) != over

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        assert self.tell(Pause() if paused else GoOn())
        self.paused = paused

    @rule()
    def more(self) -> None:
        if self.most < TRIALS + 4:
            assert self.tell(SetBudget(trials="+1"))
            self.spec = self.study.spec
            self.most = max(self.most, self.spec.budget.trials or 0)

    def tell(self, command: AnyCommand) -> bool:
        """Whether it is accepted; what comes between may be the end of the driver."""
        id = inbox.send(self.study.history.folder, command)
        assert self.study.receive() and not inbox.waiting(self.study.history.folder)
        self.obeyed += 1
        return bool(self.study.history.commands[id]["accepted"])

    # What happens to a driver

    @rule()
    def kill(self) -> None:
        """Nothing is written any more; the kernel frees the lock."""
        self.study._workspace.release()
        self.open()

    @rule()
    def interrupt(self) -> None:
        self.study.stop()
        self.study.close()
        self.open()

    # What must hold

    def finished(self):  # type: ignore[no-untyped-def]
        return [run for run in self.study.history.runs() if run.state.finished]

    @invariant()
    def memory_and_model_agree(self) -> None:
        assert len(self.study.history.trials) <= self.most
        assert len(self.study.history.commands) == self.obeyed
        for number, params in self.asked.items():
            assert self.study.history.trials[number].params == params, "a promised trial is another"
        for run in self.study.history.runs():
            told = {step: report.metrics["loss"] for step, report in run.reports.items()}
            assert told == self.reported.get(run.label, {}), run.label
            assert run.value is None or run.state.finished
            if run.label in self.ended:
                assert run.state.finished, run.label

    @rule()
    def disk_and_memory_agree(self) -> None:
        stored = {run.label: run for run in history.load("machine", self.runs).runs()}
        for run in self.study.history.runs():
            there = stored.pop(run.label)
            assert (there.reports, there.value) == (run.reports, run.value)
            assert there.state.finished == run.state.finished
            assert dict(there.params) == dict(run.params)
        assert not stored, "the journal holds runs that the study does not know"

    def teardown(self) -> None:
        if not hasattr(self, "scratch"):
            return
        try:
            self.to_the_end()
        finally:
            self.study.close()
            self.scratch.cleanup()

    def to_the_end(self) -> None:
        """Whatever came before, the study ends with exactly its trials, all of them ended."""
        self.tell(GoOn())
        self.paused = False
        for number in sorted(self.leaving):
            self.study.finish(self.out.pop(number))
        for _ in range(1000):
            answer = self.study.next()
            if isinstance(answer, Done):
                break
            if isinstance(answer, Assignment):
                self.out[answer.number] = answer
                continue
            number, assignment = next(iter(self.out.items()))
            run = next(r for r in self.study.running if r.label == assignment.label)
            decision = Decision.CONTINUE
            while decision is Decision.CONTINUE and run.step < EPOCHS:
                decision = self.study.report(assignment, Report(run.step + 1, {"loss": 1.0}, 0.5))
            self.study.finish(self.out.pop(number))
        trials = self.study.history.trials
        assert [run.trial for run in trials] == list(range(len(trials)))
        assert all(run.state.finished for run in self.study.history.runs())
        given_up = self.study._error is not None
        # The population of pbt may have nothing left to replace: it ends before the budget.
        assert given_up or len(trials) == self.most or self.spec.schedule.name == "pbt"
        self.disk_and_memory_agree()
        if not given_up and any(run.state == State.COMPLETE for run in trials):
            assert any(run.purpose == Purpose.CONFIRM for run in self.study.history.runs())


StudyMachine.TestCase.settings = settings(
    max_examples=10,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
TestStudyMachine = StudyMachine.TestCase
