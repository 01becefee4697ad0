"""What every engine must do, and a study of plain values to try it on."""

import os
import random
import re
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from autotune.errors import MachineFault, StudyFailed
from autotune.study.state_machine import Done, Wait
from autotune.train.artifacts import load
from autotune.trial import Assignment, Decision, Failure, Fault, Purpose, Reason, Report, Share

__all__ = ["EngineContract", "ScriptedStudy", "assign", "go_to_end", "is_alive"]

Decide = Callable[[Assignment, Report], Decision]
Run = Callable[[Any], None]


def go_to_end(assignment: Assignment, report: Report) -> Decision:
    """Run everything to its end: the user's own code ends by itself."""
    return Decision.CONTINUE


def assign(
    trial: int, folder: Path, function: str, to_step: int | None = 3, **config: Any
) -> Assignment:
    """Work for `function` of autotune.testing.trials."""
    reference = f"autotune.testing.trials:{function}"
    return Assignment(
        number=trial,
        trial=trial,
        purpose=Purpose.SEARCH,
        config={"function": reference, "epochs": to_step, **config},
        seed=trial,
        from_step=0,
        to_step=to_step,
        folder=str(folder / str(trial)),
        label=f"trial-{trial:04d}",
    )


@dataclass
class ScriptedStudy:
    """Hands out `queue`, decides by `decide`, and writes down what it is told.

    A paused run, and one whose worker was lost (`attempts` times), is queued again from the last
    step it reported.
    """

    queue: list[Assignment]
    decide: Decide = go_to_end
    worker: Mapping[str, Any] = field(default_factory=lambda: {"cpus": 1, "gpus": 0, "max": None})
    attempts: int = 3
    slots: int = 1
    running: list[Assignment] = field(default_factory=list)
    most: int = 0
    """How many assignments ran at once at most."""
    reports: dict[int, list[Report]] = field(default_factory=dict)
    """By trial, without seconds."""
    workers: list[str] = field(default_factory=list)
    decisions: list[tuple[int, int, Decision]] = field(default_factory=list)
    ended: list[tuple[int, Failure | None]] = field(default_factory=list)
    stopped: bool = False
    waits: int = 0
    """So often, once every worker has reported, `next` answers Wait although there is work."""

    def __post_init__(self) -> None:
        """What says nothing of its share gets what `worker` says."""
        share = Share(self.worker["cpus"], self.worker["gpus"])
        self.queue = [replace(a, share=share) if a.share == Share() else a for a in self.queue]

    def shares(self) -> tuple[Share, ...]:
        share = Share(self.worker["cpus"], self.worker["gpus"])
        return tuple(dict.fromkeys(assignment.share for assignment in self.queue)) or (share,)

    @property
    def spec(self) -> Any:
        return SimpleNamespace(name="scripted", worker=SimpleNamespace(**self.worker))

    @property
    def history(self) -> Any:
        return SimpleNamespace(folder=Path("runs/scripted").absolute())

    def next(self) -> Assignment | Wait | Done:
        if not self.running and (self.stopped or not self.queue):
            return Done()
        if self.stopped or not self.queue or len(self.running) >= self.slots:
            return Wait()
        if self.waits > 0 and len(set(self.workers)) >= self.slots:
            self.waits -= 1
            return Wait()
        assignment = self.queue.pop(0)
        self.running.append(assignment)
        self.most = max(self.most, len(self.running))
        return assignment

    def report(self, assignment: Assignment, report: Report, worker: str = "") -> Decision:
        assert assignment in self.running, "a report of what does not run"
        assert report.seconds >= 0
        decision = self.decide(assignment, report)
        seen = self.reports.setdefault(assignment.trial, [])
        if not seen or seen[-1].step < report.step:
            seen.append(replace(report, seconds=0.0))
        self.decisions.append((assignment.trial, report.step, decision))
        self.workers.append(worker)
        if decision is Decision.PAUSE:
            self._again(assignment)
        return decision

    def finish(self, assignment: Assignment, ending: Failure | Fault | None = None) -> None:
        if isinstance(ending, Fault):
            raise MachineFault(ending.message)
        self.running.remove(assignment)
        self.ended.append((assignment.trial, ending))
        if ending and ending.reason is Reason.LOST:
            lost = [n for n, f in self.ended if n == assignment.trial and f == ending]
            if len(lost) < self.attempts:
                self._again(assignment)

    def stop(self) -> None:
        self.stopped = True

    def failures(self) -> dict[int, Failure]:
        return {trial: failure for trial, failure in self.ended if failure}

    def values(self) -> dict[int, list[tuple[int, Mapping[str, float]]]]:
        """Step and metrics of every report, by trial."""
        return {n: [(r.step, r.metrics) for r in seen] for n, seen in sorted(self.reports.items())}

    def _again(self, assignment: Assignment) -> None:
        seen: Sequence[Report] = self.reports.get(assignment.trial, [])
        step = seen[-1].step if seen else 0
        self.queue.append(replace(assignment, from_step=step))


class EngineContract:
    """Subclass it with a fixture `run`: Callable[[Study], None]."""

    def test_a_study_with_nothing_to_do_ends_at_once(self, run: Run) -> None:
        study = ScriptedStudy([])
        run(study)
        assert study.ended == [] and not study.stopped

    def test_every_report_reaches_the_study_in_order(self, run: Run, tmp_path: Path) -> None:
        study = ScriptedStudy([assign(n, tmp_path, "learns", lr=n + 1) for n in range(5)])
        run(study)
        expected = {
            n: [(step, {"loss": (n + 1) / step, "depth": step}) for step in (1, 2, 3)]
            for n in range(5)
        }
        assert study.values() == expected
        assert sorted(study.ended) == [(n, None) for n in range(5)]

    def test_a_function_is_let_run_to_its_own_end(self, run: Run, tmp_path: Path) -> None:
        """What it does behind its last report counts: it saves, or fails."""
        queue = [assign(0, tmp_path, "finishes"), assign(1, tmp_path, "breaks_at_the_end")]
        study = one_worker(queue)
        run(study)
        assert study.ended[0] == (0, None)
        assert (tmp_path / "0" / "model.txt").read_text() == "made"
        failure = study.failures()[1]
        assert failure.reason is Reason.EXCEPTION and "cannot save" in failure.message
        assert {n: len(steps) for n, steps in study.values().items()} == {0: 3, 1: 3}

    def test_a_function_at_its_last_step_has_nothing_left_to_report(
        self, run: Run, tmp_path: Path
    ) -> None:
        study = one_worker([replace(assign(0, tmp_path, "says_nothing"), from_step=3)])
        run(study)
        assert study.ended == [(0, None)]

    def test_a_function_may_return_its_metrics(self, run: Run, tmp_path: Path) -> None:
        monitor = {"metric": "loss", "goal": "minimize", "at": "best"}
        answers = [{"loss": 0.5, "depth": 2}, 0.25, "low", None]
        queue = [
            assign(n, tmp_path, "returns", 9 if n else None, answer=answer, monitor=monitor)
            for n, answer in enumerate(answers)
        ]
        study = one_worker(queue)
        run(study)
        assert study.values() == {0: [(1, {"loss": 0.5, "depth": 2})], 1: [(9, {"loss": 0.25})]}
        said = [study.failures()[n].message for n in (2, 3)]
        assert "the function returned 'low' and reported nothing" in said[0]
        assert said[1].startswith("ended without a report")

    def test_a_function_may_ask_whether_to_stop(self, run: Run, tmp_path: Path) -> None:
        def decide(assignment: Assignment, report: Report) -> Decision:
            return Decision.STOP if report.step == 2 else Decision.CONTINUE

        study = one_worker([assign(0, tmp_path, "asks"), assign(1, tmp_path, "learns")], decide)
        run(study)
        assert (tmp_path / "0" / "stopped").read_text() == "2"
        assert study.ended == [(0, None), (1, None)]

    def test_what_a_function_prints_is_in_its_log(self, run: Run, tmp_path: Path) -> None:
        queue = [
            replace(assign(n, tmp_path, name), log=str(tmp_path / f"{n}.log"))
            for n, name in enumerate(["finishes", "learns", "breaks_at_the_end"])
        ]
        run(one_worker(queue))
        said = (tmp_path / "0.log").read_text()
        assert said.startswith("trial with 1.0\n") and said.endswith("made it\n")
        assert not (tmp_path / "1.log").exists()
        failed = (tmp_path / "2.log").read_text()
        assert "Traceback" in failed and failed.endswith("ValueError: cannot save\n")

    def test_the_best_step_is_kept(self, run: Run, tmp_path: Path) -> None:
        monitor = {"metric": "loss", "goal": "minimize", "at": "best"}
        losses = [3.0, 1.0, 2.0, 1.0]
        queue = [
            assign(n, tmp_path, "keeps", 4, losses=losses, monitor={**monitor, "at": at})
            for n, at in enumerate(["best", "last"])
        ]
        run(one_worker(queue))
        for number, step in enumerate([2, 4]):
            kept = load(tmp_path / str(number))
            assert kept is not None and (kept.step, kept.metrics) == (step, {"loss": 1.0})
            assert [file.name for file in kept.files] == ["state.pt", "weights.txt"]
            assert kept.files[1].read_text() == f"of epoch {step}"

    def test_one_worker_is_the_same_everywhere(self, run: Run, tmp_path: Path) -> None:
        """Trials, values, decisions and their order; the draws of a trial depend on its seed."""

        def decide(assignment: Assignment, report: Report) -> Decision:
            poor = report.metrics["loss"] > 0.5
            return Decision.STOP if poor else go_to_end(assignment, report)

        study = one_worker([assign(n, tmp_path, "draws", 4) for n in range(8)], decide)
        run(study)
        expected: list[tuple[int, int, Decision]] = []
        for trial in range(8):
            draw = random.Random(trial)
            for step in range(1, 5):
                stop = draw.random() > 0.5
                expected.append((trial, step, Decision.STOP if stop else Decision.CONTINUE))
                if stop:
                    break
        assert study.decisions == expected
        assert study.ended == [(n, None) for n in range(8)]

    def test_a_stop_is_obeyed_at_once(self, run: Run, tmp_path: Path) -> None:
        """And has unwound the function before its worker starts on the next one."""

        def decide(assignment: Assignment, report: Report) -> Decision:
            return Decision.STOP if report.step == 2 else Decision.CONTINUE

        queue = [assign(n, tmp_path, "goes_on", None) for n in range(3)]
        study = one_worker([*queue, assign(3, tmp_path, "learns")], decide)
        run(study)
        assert {n: [step for step, _ in steps] for n, steps in study.values().items()} == {
            n: [1, 2] for n in range(4)
        }
        assert [(tmp_path / str(n) / "stopped").read_text() for n in range(3)] == ["2"] * 3

    def test_a_paused_trial_goes_on_from_its_checkpoint(self, run: Run, tmp_path: Path) -> None:
        def decide(assignment: Assignment, report: Report) -> Decision:
            pause = report.step == 2 and assignment.from_step == 0
            return Decision.PAUSE if pause else go_to_end(assignment, report)

        study = one_worker([assign(n, tmp_path, "counts", 5) for n in range(2)], decide)
        run(study)
        curve = [(step, {"total": total}) for step, total in enumerate((1, 3, 6, 10, 15), 1)]
        assert study.values() == {n: curve for n in range(2)}
        assert len(study.ended) == 4 and not study.failures()
        kept = sorted(file.name for file in (tmp_path / "0").iterdir())
        assert kept == ["function-4.pt", "function-5.pt"]

    def test_failures_are_results(self, run: Run, tmp_path: Path) -> None:
        cuda = "CUDA out of memory. Tried to allocate 2.00 GiB"
        queue = [
            assign(0, tmp_path, "raises"),
            assign(1, tmp_path, "turns_nan"),
            assign(2, tmp_path, "exhausts"),
            assign(3, tmp_path, "exhausts", message=cuda),
            assign(4, tmp_path, "learns"),
        ]
        study = one_worker(queue)
        run(study)
        failures = study.failures()
        reasons = [failures[n].reason for n in range(4)]
        assert reasons == [Reason.EXCEPTION, Reason.NAN, Reason.OOM, Reason.OOM]
        message = failures[0].message
        assert message.startswith("ValueError: no such layer (")
        assert re.search(r"trials\.py:\d+\)$", message)
        assert failures[1].message == "loss is nan at epoch 2"
        assert failures[3].message.startswith(f"RuntimeError: {cuda}")
        assert {n: len(steps) for n, steps in study.values().items()} == {0: 1, 1: 1, 4: 3}
        assert len(set(study.workers)) == 1, "a failure must not cost the worker"

    def test_a_fault_of_the_machine_is_no_failure(self, run: Run, tmp_path: Path) -> None:
        queue = [assign(0, tmp_path, "learns"), assign(1, tmp_path, "meets_a_full_disk")]
        study = one_worker([*queue, assign(2, tmp_path, "learns")])
        with pytest.raises(MachineFault, match=r"No space left on device \(.*trials\.py:\d+\)"):
            run(study)
        assert study.ended == [(0, None)] and len(study.reports[1]) == 1

    def test_reports_that_make_no_sense_are_failures(self, run: Run, tmp_path: Path) -> None:
        queue = [
            assign(0, tmp_path, "repeats", steps=[1, 1]),
            assign(1, tmp_path, "repeats", steps=[0]),
            assign(2, tmp_path, "repeats", steps=[2, 4]),
            assign(3, tmp_path, "mistypes"),
            assign(4, tmp_path, "says_nothing"),
            assign(5, tmp_path, "is_missing"),
        ]
        study = one_worker(queue)
        run(study)
        messages = [study.failures()[n].message for n in range(6)]
        assert messages[0] == "epochs must increase, but it reported epoch 1 after 1"
        assert messages[1] == "the first epoch is 1, but it reported epoch 0"
        assert messages[2].startswith("no epoch may be beyond 3, where the trial ends")
        assert messages[3].startswith("TypeError: metric 'loss' must be a number, but got 'low'")
        assert messages[4].startswith("ended without a report")
        assert "is_missing" in messages[5]
        assert all(f.reason is Reason.EXCEPTION for f in study.failures().values())

    def test_whatever_a_function_raises_is_its_failure(self, run: Run, tmp_path: Path) -> None:
        """sys.exit and Ctrl-C's exception, too: a stop of the study is a signal."""
        words = ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "StopIteration", "Unusual"]
        queue = [assign(n, tmp_path, "leaves", by=word) for n, word in enumerate(words)]
        study = one_worker([*queue, assign(5, tmp_path, "learns")])
        run(study)
        found = [study.failures()[n] for n in range(5)]
        assert {failure.reason for failure in found} == {Reason.EXCEPTION}
        said = ["SystemExit: no data", *words[1:4], "Unusual: of my own"]
        places = [re.escape(text) + r" \(.*trials\.py:\d+\)" for text in said]
        assert all(re.fullmatch(p, f.message) for p, f in zip(places, found, strict=True)), found
        assert study.ended[-1] == (5, None) and not study.stopped
        assert len(set(study.workers)) == 1

    def test_a_trial_that_hangs_is_ended(self, run: Run, tmp_path: Path) -> None:
        hanging = replace(assign(0, tmp_path, "hangs"), silence=3.0)
        study = one_worker([hanging, assign(1, tmp_path, "learns")])
        run(study)
        said = "no report for 3s, after step 1 (worker.silence)"
        assert study.ended == [(0, Failure(Reason.TIMEOUT, said)), (1, None)]

    def test_a_trial_may_work_for_so_long(self, run: Run, tmp_path: Path) -> None:
        """All its assignments together; one that began at the limit ends at once."""
        slow = replace(assign(0, tmp_path, "naps", 1000, seconds=0.01), timeout=1.0)
        resumed = replace(
            assign(1, tmp_path, "naps", 1000, seconds=0.01), timeout=100.0, spent=99.9
        )
        study = one_worker([slow, resumed, assign(2, tmp_path, "learns")])
        run(study)
        found = study.failures()
        assert [found[n].reason for n in range(2)] == [Reason.TIMEOUT] * 2 and len(found) == 2
        rule = r"worked for longer than 1s, stopped (after step \d+|before.*) \(trial\.timeout\)"
        assert re.fullmatch(rule, found[0].message)
        assert len(study.reports.get(1, [])) < 100

    def test_processes_end_with_the_function(self, run: Run, tmp_path: Path) -> None:
        study = one_worker([assign(n, tmp_path, "forks", 1) for n in range(2)])
        run(study)
        assert study.ended == [(0, None), (1, None)]
        started = [(tmp_path / str(n) / "processes").read_text().split() for n in range(2)]
        daemons = [int(pids.pop()) for pids in started]
        try:
            left = [pid for pids in started for pid in pids if is_alive(int(pid))]
            assert not left
            assert all(is_alive(pid) for pid in daemons), "a session of its own is let alone"
        finally:
            for pid in daemons:
                os.kill(pid, signal.SIGKILL)

    def test_a_function_may_change_the_directory(self, run: Run, tmp_path: Path) -> None:
        here = os.getcwd()
        queue = [assign(n, tmp_path, "moves_away", 2, **{"from": here}) for n in range(2)]
        study = one_worker(queue)
        run(study)
        assert study.values() == {n: [(1, {"loss": 0.0}), (2, {"loss": 0.0})] for n in range(2)}
        assert os.getcwd() == here

    def test_work_that_comes_after_a_wait_is_done(self, run: Run, tmp_path: Path) -> None:
        study = one_worker([assign(n, tmp_path, "learns") for n in range(4)])
        study.waits = 3
        run(study)
        assert len(study.ended) == 4 and study.waits == 0

    def test_an_error_of_the_study_comes_out_as_it_is(self, run: Run, tmp_path: Path) -> None:
        def decide(assignment: Assignment, report: Report) -> Decision:
            raise StudyFailed("the first trials all failed alike")

        study = one_worker([assign(n, tmp_path, "learns") for n in range(4)], decide)
        with pytest.raises(StudyFailed, match="all failed alike"):
            run(study)
        assert study.ended == []


def one_worker(queue: list[Assignment], decide: Decide = go_to_end) -> ScriptedStudy:
    return ScriptedStudy(queue, decide, worker={"cpus": 1, "gpus": 0, "max": 1})


def is_alive(pid: int) -> bool:
    """Not so a zombie: whoever started it has not asked for its end yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
