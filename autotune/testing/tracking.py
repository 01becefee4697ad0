"""The contract of a tracker: what it was told is what a reader of its store finds, once.

Derive a test class from `TrackerContract`; `told` says from the events alone what must be there.
"""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.tracking.base import (
    AnswerUpdated,
    Event,
    RunFinished,
    RunReported,
    RunStarted,
    StudyFinished,
    StudyOpened,
    Tracker,
)
from autotune.tracking.view import View
from autotune.trial import Purpose, Reason, Report, Scalar, State

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

__all__ = ["Picture", "TrackerContract", "read_mlflow", "study_events", "told"]

Points = Mapping[str, tuple[tuple[int, float], ...]]


@dataclass(frozen=True)
class Picture:
    """One run as a reader sees it."""

    label: str
    """`study` for the parent."""
    parent: str = ""
    """Label of its parent; "" for the parent itself."""
    status: str = "RUNNING"
    state: str = "running"
    reason: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Points = field(default_factory=dict)
    """(step, value) of every point, by metric."""
    note: str = ""
    """What MLflow shows as its description."""
    data: tuple[str, ...] = ()
    """Digests of what it learns from."""


def study_events(trials: int = 4, uid: str = "uid-0", name: str = "small") -> list[Event]:
    """A study of `trials` trials that end in every way, then a confirmation whose test split is
    read, all of it told."""
    opened = StudyOpened(name, uid, "name: small\n", {"objective": "maximize val_accuracy"}, 1e9)
    events: list[Event] = [opened]
    for number in range(trials):
        events += _trial_events(number)
    confirmed = "confirm-0000-s1"
    events += _run_events(confirmed, Purpose.CONFIRM, 0, State.COMPLETE)
    reading = {"test/accuracy": 0.4}
    events.append(RunFinished(confirmed, State.COMPLETE, None, "", reading, 1e9 + 50))
    view = View("val_accuracy", "best/val_accuracy", False, ["optimizer.lr"], ["optimizer.lr"])
    events += [AnswerUpdated("trial 0 leads"), AnswerUpdated("**Trial 0 won**", asdict(view))]
    summary, files = {"confirmed/mean": 0.5, "confirmed/std": 0.01}, {"best.yaml": "epochs: 3\n"}
    finished = StudyFinished(True, summary, files, 1e9 + 100 * trials)
    data = {"name": "digits", "digest": "d1", "source_type": "code", "source": "x", "profile": ""}
    params: dict[str, Scalar] = {"optimizer.name": "adam", "optimizer.lr": 1e-3 / 3}
    return [*events, replace(finished, params=params, winner="trial-0000", data=data)]


def _trial_events(number: int) -> Iterator[Event]:
    state = (State.COMPLETE, State.PRUNED, State.FAILED)[number % 3]
    yield from _run_events(f"trial-{number:04d}", Purpose.SEARCH, number, state)


def _run_events(label: str, purpose: Purpose, number: int, state: State) -> Iterator[Event]:
    at = 1e9 + 100 * number
    values: dict[str, Scalar] = {
        "optimizer.name": "adam",
        "optimizer.lr": 1e-3 / 3,
        "model.bias": True,
        "dropout": None,
    }
    yield RunStarted(label, purpose, number, 7 + number, values, {"epochs": 3}, at)
    for step in (1, 2, 3):
        loss = math.nan if state is State.FAILED and step == 3 else 1 / (3 * step + number)
        metrics = {"train_loss": loss, "val_accuracy": 0.1 * step + number / 7}
        yield RunReported(label, Report(step, metrics, 0.25), at + step)
    reason = Reason.NAN if state is State.FAILED else None
    best = number / 7 if purpose is Purpose.SEARCH else None
    summary = {"best/val_accuracy": 0.3 + number / 7, "run/seconds": 0.75}
    ended = RunFinished(label, state, reason, "", summary, at + 9, best, number + 1, "worker-1")
    if purpose is Purpose.SEARCH:
        value = None if reason else summary["best/val_accuracy"]
        ended = replace(ended, trial=number, value=value)
    yield ended


def told(events: Iterable[Event]) -> dict[str, Picture]:
    """What a reader must find after `events`: written plainly, to judge the trackers by."""
    by_label: dict[str, list[Event]] = {}
    for event in events:
        label = getattr(event, "label", "study")
        by_label.setdefault(label, []).append(event)
        if isinstance(event, RunFinished) and event.trial is not None:
            by_label.setdefault("study", []).append(event)
    return {
        label: _told_study(its) if label == "study" else _told_run(label, its)
        for label, its in by_label.items()
    }


def _told_run(label: str, events: Sequence[Event]) -> Picture:
    params: dict[str, str] = {}
    points: dict[str, dict[int, float]] = {}
    status, state, reason = "RUNNING", "running", ""
    for event in events:
        match event:
            case RunStarted():
                params = {key: _word(value) for key, value in event.params.items()}
            case RunReported(report=report):
                for key, value in {**report.metrics, "step_seconds": report.seconds}.items():
                    points.setdefault(key, {}).setdefault(report.step, value)
            case RunFinished():
                words = _retrained(label)
                points |= {words.get(k, k): {0: value} for k, value in event.summary.items()}
                status = "FAILED" if event.state is State.FAILED else "FINISHED"
                state, reason = event.state, event.reason or ""
    return Picture(label, "study", status, state, reason, params, _sorted(points))


def _retrained(label: str) -> dict[str, str]:
    """Other names, so that a list by the objective holds trials alone."""
    trial = label.startswith("trial-")
    return {} if trial else {"best/val_accuracy": "retrained/val_accuracy"}


def _told_study(events: Sequence[Event]) -> Picture:
    points: dict[str, dict[int, float]] = {}
    status, state, note = "RUNNING", "running", ""
    params: dict[str, str] = {}
    data: tuple[str, ...] = ()
    for event in events:
        match event:
            case RunFinished(trial=int(trial)):
                if event.best is not None:
                    points.setdefault("best_so_far", {})[event.finished] = event.best
                if event.value is not None:
                    points.setdefault("objective_by_trial", {})[trial] = event.value
            case AnswerUpdated():
                note = event.note
            case StudyFinished():
                params = {key: _word(value) for key, value in event.params.items()} or params
                data = (event.data["digest"],) if event.data else data
                points |= {key: {0: value} for key, value in event.summary.items()}
                status, state = (
                    ("FINISHED", "complete") if event.complete else ("KILLED", "interrupted")
                )
            case StudyOpened():
                status, state = "RUNNING", "running"
    return Picture("study", "", status, state, "", params, _sorted(points), note, data)


def _word(value: object) -> str:
    words = {None: "none", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value)


def _sorted(points: Mapping[str, Mapping[int, float]]) -> Points:
    return {key: tuple(sorted(_plain(by_step.items()))) for key, by_step in points.items()}


def _plain(points: Iterable[tuple[int, float]]) -> list[tuple[int, float]]:
    """NaN equals nothing, so it is compared as infinity."""
    return [(step, math.inf if math.isnan(value) else value) for step, value in points]


def read_mlflow(uri: str, uid: str) -> dict[str, Picture]:
    """Every run of the study `uid` in an MLflow store. Two runs of one label are an error."""
    from autotune.tracking.mlflow import LABEL, connect, find_runs

    client = connect(uri)
    runs = [
        run
        for experiment in client.search_experiments(filter_string=f"tags.`autotune.uid` = '{uid}'")
        for run in find_runs(client, experiment.experiment_id, uid)
    ]
    labels = {run.info.run_id: run.data.tags[LABEL] for run in runs}
    assert len(set(labels.values())) == len(labels), f"doubled runs: {sorted(labels.values())}"
    return {labels[run.info.run_id]: _picture(client, run, labels) for run in runs}


def _picture(client: "MlflowClient", run: "Run", labels: Mapping[str, str]) -> Picture:
    tags, id, inputs = run.data.tags, run.info.run_id, run.inputs
    history = {key: client.get_metric_history(id, key) for key in run.data.metrics}
    return Picture(
        label=labels[id],
        parent=labels.get(tags.get("mlflow.parentRunId", ""), ""),
        status=run.info.status,
        state=tags["state"],
        reason=tags.get("reason", ""),
        params=run.data.params,
        metrics={
            key: tuple(sorted(_plain((m.step, m.value) for m in points)))
            for key, points in history.items()
        },
        note=tags.get("mlflow.note.content", ""),
        data=tuple(one.dataset.digest for one in inputs.dataset_inputs) if inputs else (),
    )


class TrackerContract(ABC):
    """Run by pytest in a derived class named Test..."""

    @abstractmethod
    def open(self, folder: Path) -> Tracker:
        """A tracker whose store lies in `folder`; the second one sees what the first one wrote."""

    @abstractmethod
    def see(self, folder: Path, tracker: Tracker) -> Mapping[str, Picture]:
        """What a reader finds of study uid-0 after `tracker` was closed."""

    def tell(self, folder: Path, *stretches: Sequence[Event]) -> Mapping[str, Picture]:
        """Each stretch by a tracker of its own, as after a restart."""
        for events in stretches:
            tracker = self.open(folder)
            for event in events:
                tracker.record(event)
            assert tracker.close(60) == ""
        return self.see(folder, tracker)

    def test_all_that_was_told_is_there(self, tmp_path: Path) -> None:
        events = study_events()
        assert self.tell(tmp_path, events) == told(events)

    def test_told_again_is_told_once(self, tmp_path: Path) -> None:
        events = study_events()
        assert self.tell(tmp_path, events, events) == told(events)

    def test_told_twice_in_one_breath_is_told_once(self, tmp_path: Path) -> None:
        events = study_events()
        assert self.tell(tmp_path, [*events, *events]) == told(events)

    def test_a_restart_anywhere_goes_on(self, tmp_path: Path) -> None:
        events = study_events(2)
        for cut in (1, 2, 4, 6, 8, len(events) - 1):
            folder = tmp_path / str(cut)
            assert self.tell(folder, events[:cut], [events[0], *events[cut:]]) == told(events)

    def test_an_interrupted_study_goes_on(self, tmp_path: Path) -> None:
        events = study_events()
        first = [*events[:8], StudyFinished(False, at=1e9 + 50)]
        assert self.tell(tmp_path, first, events) == told(events)

    def test_record_does_not_wait(self, tmp_path: Path) -> None:
        tracker = self.open(tmp_path)
        start = time.perf_counter()
        for event in study_events(30):
            tracker.record(event)
        assert time.perf_counter() - start < 1
        assert tracker.close(120) == ""

    def test_close_twice(self, tmp_path: Path) -> None:
        tracker = self.open(tmp_path)
        assert tracker.close() == tracker.close() == ""
