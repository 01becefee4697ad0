"""A study in Python: read from its journal at every access."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from autotune import spec as specs
from autotune.api.drive import drive
from autotune.api.function_reference import reference_of, sha256_of
from autotune.api.plots import Plots
from autotune.api.to_spec import Options, runs_folder
from autotune.app.steer import lift, send
from autotune.errors import UserError, echo
from autotune.report import views
from autotune.spec import StudySpec
from autotune.study.history import History, find, names
from autotune.study.history import load as load_history
from autotune.study.steering.commands import AnyCommand, Clone, Pause, SetBudget, Stop, Try
from autotune.train.function import Passed

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Study", "Winner", "load", "studies"]

_MORE = re.compile(r"\+(\d{1,9})")


@dataclass(frozen=True, slots=True)
class Winner:
    """The best result of a study."""

    trial: int
    params: Mapping[str, Any]
    """The searched values by dotted path."""
    value: float
    """The score in the search: the best of many, so too good."""
    mean: float | None
    """Mean over retrainings on fresh seeds; None without any."""
    std: float | None
    interval: tuple[float, float] | None
    """95 % interval of the mean."""
    test: float | None
    """Score on the test split, read once; None for code of your own, which has none."""
    config: Mapping[str, Any]
    """The complete config of the winner."""


class Study(Plots):
    """One study by its name. Its properties are what its journal holds now."""

    def __init__(self, name: str, runs: Path, function: Callable[..., Any] | None = None) -> None:
        """Made by `autotune.run` and `autotune.load`."""
        self.name, self._runs, self._function = name, runs.absolute(), function

    def __repr__(self) -> str:
        history = self._history
        best = history.best()
        said = f", best {history.spec.objective.metric} {best.value:.4g}" if best else ""
        return f"<study {self.name}, {self.state}: {len(history.trials)} trials{said}>"

    @property
    def folder(self) -> Path:
        """Its folder: runs/<name>."""
        return self._runs / self.name

    @property
    def state(self) -> str:
        """running, finished or interrupted."""
        return views.state(self._history)

    @property
    def best(self) -> Winner:
        """The winner. Raises UserError while no trial has a value."""
        found = views.winner(self._history)
        return Winner(
            trial=found.trial,
            params=dict(found.params),
            value=found.value,
            mean=found.mean,
            std=found.std,
            interval=found.interval,
            test=found.test,
            config=dict(found.config),
        )

    @property
    def trials(self) -> "DataFrame":
        """One row a trial: number, state, reason, value, steps, seconds, and its parameters."""
        from pandas import DataFrame

        rows = views.study(self._history)["trials"]
        keys = ("number", "state", "reason", "value", "steps", "seconds")
        table = [{**{key: row[key] for key in keys}, **row["params"]} for row in rows]
        parameters = list(self.spec.space.parameters)
        return DataFrame(table, columns=[*keys, *parameters]).set_index("number")

    @property
    def curves(self) -> "DataFrame":
        """One row a report: trial, step, seconds, and its metrics."""
        from pandas import DataFrame

        rows = [
            {"trial": run.trial, "step": step, "seconds": report.seconds, **report.metrics}
            for run in self._history.trials
            for step, report in sorted(run.reports.items())
        ]
        return DataFrame(rows, columns=None if rows else ["trial", "step", "seconds"])

    @property
    def spec(self) -> StudySpec:
        """The complete study file as a mapping."""
        return self._history.spec

    def to_yaml(self) -> str:
        """The study file as text: `autotune run` on it runs the same study."""
        return specs.dump_shown(self.spec)

    def logs(self, trial: int) -> str:
        """Output of the trial's function or command, with its traceback."""
        return str(views.logs(self._history, trial)[0]["text"])

    def export(self, folder: str | Path, force: bool = False) -> list[Path]:
        """Exports the winner, as `autotune export`; returns the files."""
        from autotune.export.bundle import export

        return export(self._history, Path(folder), force).files

    def enqueue_trial(self, params: Mapping[str, Any], like: int | None = None) -> str:
        """Has the study try `params` next, with the other values of the best trial so far, or of
        trial `like`; the answer, such as "accepted as trial 61: ..."."""
        return self._send(Try(values=dict(params), like=like))

    def clone(self, trial: int, params: Mapping[str, Any] | None = None) -> str:
        """Goes on from the checkpoint of `trial` in a new trial, with `params` changed; the
        answer."""
        return self._send(Clone(trial=trial, values=dict(params or {})))

    def stop(self, trial: int | None = None) -> str:
        """Stops the study at the next report of each trial, or one trial alone; the answer."""
        return self._send(Stop(trial=trial))

    def pause(self) -> str:
        """What runs waits from its next report on, until `resume`; the answer."""
        return self._send(Pause())

    def set_budget(
        self,
        *,
        trials: int | str | None = None,
        time: str | float | None = None,
        gpu_hours: float | str | None = None,
    ) -> str:
        """Another budget: "+40" is so much more, 100 that much in all; the answer."""
        given = {"trials": trials, "time": time, "gpu_hours": gpu_hours}
        texts = {key: str(value) for key, value in given.items() if value is not None}
        return self._send(SetBudget(**texts))

    def _send(self, command: AnyCommand) -> str:
        return send(self.name, self._runs, command).text

    def report(self, file: str | Path = "report.html", force: bool = False) -> Path:
        """Writes the study's report as one HTML file, as `autotune report`; the file."""
        from autotune.report import html_report

        return html_report.write(self._history, Path(file), force)

    def resume(
        self,
        function: Callable[..., Any] | None = None,
        *,
        trials: int | str | None = None,
        time: str | float | None = None,
        retry_failed: bool = False,
        **options: Unpack[Options],
    ) -> "Study":
        """Goes on with it: with what is left, or a new budget. `trials="+40"` are forty more. A
        study that another process runs goes on after a pause there.

        `function`: the one that it was begun with, where that was passed from Python.
        `retry_failed`: failed trials are run again, as new ones.
        """
        if lift(self.name, self._runs, retry_failed):
            return self
        spec = self.spec
        values: dict[str, Any] = {}
        if trials is not None:
            values["trials"] = _trials(trials, len(self._history.trials), spec.budget.trials)
        if time is not None:
            values["time"] = time
        if values:
            spec = specs.from_values({"budget": values}, self.folder / "study.yaml")
        self._function = function or self._function
        reference, given = spec.trial.get("function"), None
        if self._function and str(reference).startswith("__main__:"):
            given = Passed(self._function, sha256_of(self._function), bool(options.get("changed")))
        elif function and reference_of(function) != reference:
            raise UserError(f"study {self.name!r} runs {reference}, but got {echo(function)}")
        drive(spec, self._runs, given, options)
        return self

    @property
    def _history(self) -> History:
        return load_history(self.name, self._runs)


def _trials(said: int | str, begun: int, budget: int | None) -> int:
    if isinstance(said, str) and (more := _MORE.fullmatch(said)):
        return max(begun, budget or 0) + int(more[1])
    if isinstance(said, bool) or not isinstance(said, int):
        raise UserError(f'trials must be a number, or "+40" for forty more, but got {echo(said)}')
    return said


def load(name: str, runs: str | Path | None = None) -> Study:
    """The study of that name, whoever began it: the command line, a notebook, another process."""
    folder = runs_folder({"runs": runs})
    find(name, folder)
    return Study(name, folder)


def studies(runs: str | Path | None = None) -> "DataFrame":
    """One row a study: its state, trials, budget, metric, best and confirmed value."""
    from pandas import DataFrame

    keys = ("study", "state", "trials", "budget", "metric", "best", "confirmed", "problem")
    folder = runs_folder({"runs": runs})
    rows = views.studies(folder) if names(folder) else []
    return DataFrame(rows, columns=list(keys)).set_index("study")
