"""Ask and tell: the study proposes, and the caller's own loop trains."""

import atexit
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, Unpack

from autotune import spec as specs
from autotune.api.study import Study
from autotune.api.to_spec import Objective, Sections, runs_folder, spelled
from autotune.app.session import Session
from autotune.errors import UserError, echo
from autotune.train.function import ASKED
from autotune.trial import Assignment, Decision, Failure, Purpose, Reason, Report

__all__ = ["AskedStudy", "AskedTrial", "create"]


class AskedTrial:
    """A trial that was asked for: train `config`, report, and tell the study when it has ended."""

    def __init__(self, session: Session, assignment: Assignment, params: Mapping[str, Any]) -> None:
        self._session, self._assignment = session, assignment
        self.number: int = assignment.trial
        self.params: dict[str, Any] = dict(params)
        """The proposed values by dotted path."""
        self.config: dict[str, Any] = dict(assignment.config)
        """The study's `trial` section with these values."""
        self.seed: int = assignment.seed
        self.is_retraining: bool = assignment.purpose is not Purpose.SEARCH
        """A retraining of one of the best, on a fresh seed."""
        self.step: int = assignment.from_step
        """The last step that the study knows: 0, except for a trial that continues after a crash or
        a pause. Steps up to it may be reported again; they are dropped."""
        self.folder: Path = Path(assignment.folder)
        """A folder of this trial, for checkpoints."""
        self._last = 0
        self._since = time.perf_counter()

    def __repr__(self) -> str:
        return f"<trial {self.number}: {self.params}>"

    def report(self, step: int, **metrics: float) -> Decision:
        """Reports the metrics of `step`, counted from 1; returns "continue" or "stop". After "stop"
        the trial has ended; a paused one is asked for again later."""
        self._check(step, metrics)
        now = time.perf_counter()
        numbers = {name: float(value) for name, value in metrics.items()}
        self._last, seconds, self._since = step, now - self._since, now
        decision = self._session.report(self._assignment, Report(step, numbers, seconds))
        return Decision.CONTINUE if decision is Decision.CONTINUE else Decision.STOP

    def _check(self, step: int, metrics: Mapping[str, float]) -> None:
        last = self._assignment.to_step
        if isinstance(step, bool) or not isinstance(step, int) or step <= self._last:
            after = f" after {self._last}" if self._last else ""
            raise ValueError(f"steps count from 1 and increase, but got {echo(step)}{after}")
        if last is not None and step > last:
            raise ValueError(f"no step may be beyond {last}, where a trial ends, but got {step}")
        for name, value in metrics.items():
            if isinstance(value, str | bytes) or not hasattr(value, "__float__"):
                raise TypeError(f"metric {name!r} must be a number, but got {echo(value)}")
        if not metrics:
            raise ValueError(f"step {step} needs a metric, such as val_accuracy=0.9")

    def _end(self, error: str | None, metrics: Mapping[str, float]) -> None:
        if metrics:
            if self._last:
                raise UserError("tell takes metrics of a trial that has reported none")
            self.report(self._assignment.to_step or 1, **metrics)
        failure = Failure(Reason.EXCEPTION, error) if error else None
        self._session.finish(self._assignment, failure)


class AskedStudy(Study):
    """A study that proposes trials and is told their results. It holds the study's lock until
    `close`, or to the end of a `with` block."""

    def __init__(self, session: Session, name: str, runs: Path) -> None:
        """Made by `autotune.create`."""
        super().__init__(name, runs)
        self._session, self._out = session, set[int]()
        atexit.register(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def done(self) -> bool:
        """Whether all trials and retrainings of the budget have been told."""
        return self._session.over

    def ask(self) -> AskedTrial | None:
        """The next trial; several may be out at once. None if nothing can be handed out now: the
        study is `done`, or waits for trials that are out."""
        assignment = self._session.next()
        if assignment is None:
            return None
        self._out.add(assignment.number)
        run = self._session.history.trials[assignment.trial]
        return AskedTrial(self._session, assignment, run.params)

    def tell(self, trial: AskedTrial, *, error: str | None = None, **metrics: float) -> None:
        """Ends the trial: complete, or failed with an `error`. `metrics`: of a trial that has
        reported nothing."""
        number = trial._assignment.number
        if number not in self._out:
            raise UserError(f"trial {trial.number} was told before, or by another study's ask")
        trial._end(error, metrics)
        self._out.discard(number)

    def close(self) -> None:
        """Lets others drive the study. Trials that are still out are asked for again by the next
        driver."""
        atexit.unregister(self.close)
        self._session.close()


def create(
    space: Any,
    objective: Objective,
    *,
    name: str,
    trials: int | None = None,
    time: str | float | None = None,
    **sections: Unpack[Sections],
) -> AskedStudy:
    """A study whose trials your own loop trains, or the one of that name, to go on with:

        with autotune.create({"lr": autotune.Float(1e-4, 1, log=True)}, "val_loss",
                             name="mine", trials=20, trial={"epochs": 9}) as study:
            while not study.done:
                trial = study.ask()
                for epoch in range(1, 10):
                    if trial.report(epoch, val_loss=train(trial.params["lr"])) == "stop":
                        break
                study.tell(trial)

    The arguments are those of `autotune.run`. Every report is journaled before it is answered: a
    process that dies is followed by another one that goes on. One process asks at a time.
    """
    named = {"space": space, "objective": objective, "name": name, "trials": trials, "time": time}
    fixed = {"function": ASKED, **sections.get("trial", {})}
    given = {**named, **sections, "trial": fixed}
    spec, _ = spelled({"trial": fixed}, given)
    runs = runs_folder(given)
    specs.check(spec, runs)
    return AskedStudy(Session(spec, runs), spec.name, runs)
