"""The study in MLflow: one experiment a study, parent run = study, child runs = trials.

The only file that imports mlflow, and only inside its writer thread: the import takes 1-2 s.
Runs are written by explicit ids and found by their tags, so that nothing doubles when the same
events are told again; times are those of the events, so that a sync gives the same picture.
"""

import getpass
import logging
import math
import os
import sqlite3
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.address import Address, without_login
from autotune.errors import without_secrets
from autotune.files import FileLock
from autotune.tracking.background import BackgroundTracker
from autotune.tracking.base import Event, StudyOpened
from autotune.tracking.gather import Point, RunChange, StudyChange, gather
from autotune.tracking.mlflow_formatting import child_tags, end_of, metric_key, param_text, tag_text
from autotune.tracking.ui import run_page
from autotune.trial import Scalar, State

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

__all__ = ["LABEL", "STUDY", "MlflowTracker", "connect", "find_runs"]

LABEL, STUDY = "autotune.run", "study"
"""The tag that names a run: the label of a child, `study` for the parent."""
_REFUSALS = {
    "BAD_REQUEST",
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "RESOURCE_ALREADY_EXISTS",
    "RESOURCE_DOES_NOT_EXIST",
}
"""Error codes that another attempt will not mend, such as for a run deleted in the UI."""
_PAGE = 10_000
"""Runs an answer."""


class MlflowTracker(BackgroundTracker):
    """Writes to the MLflow store at `uri`: sqlite:///path, postgresql://..., http(s)://server.

    `artifacts` is the folder of the study's artifacts (a server keeps them by itself); `spool` is
    the file where events wait while the store is away. The database is made ready at once.
    Raises UserError where a variable of the address is not set.
    """

    def __init__(self, address: Address, artifacts: Path, spool: Path) -> None:
        uri = _absolute(address.reveal())
        shown = str(address) if address.variables else without_secrets(uri)
        store = _MlflowStore(uri, artifacts)
        super().__init__(store, spool, f"MLflow at {shown}", address.scrub)


def _absolute(uri: str) -> str:
    """`sqlite:///runs/mlflow.db` depends on the working folder; the answer does not."""
    path = _database(uri)
    return f"sqlite:///{path}" if path else uri


def _database(uri: str) -> Path | None:
    prefix = "sqlite:///"
    return Path(uri.removeprefix(prefix)).absolute() if uri.startswith(prefix) else None


def connect(uri: str) -> "MlflowClient":
    """A client that is silent, and fails within seconds instead of minutes when nobody answers."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    if uri.startswith("http"):
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
    # What MLflow does that its own libraries find old-fashioned is no news for our users.
    warnings.filterwarnings("ignore", module=r"mlflow\b")
    from mlflow.tracking import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    path = _database(uri)
    if path is None:
        return MlflowClient(uri)
    path.parent.mkdir(parents=True, exist_ok=True)
    # MLflow would try for an hour to open a file that cannot be opened.
    sqlite3.connect(path).close()
    # Two processes that create the same database at once fail.
    with FileLock(path.with_name(f".{path.name}.lock")):
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
        return client


@dataclass(slots=True)
class _Run:
    """One run, and what the store is known to hold of it: only what is missing is written."""

    client: "MlflowClient"
    id: str
    status: str
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    latest: dict[str, float] = field(default_factory=dict)
    """Newest value of each metric."""
    seen: dict[str, set[int]] = field(default_factory=dict)
    """Steps of each metric whose history is known."""
    found: bool = True
    """It was there before us, so that its history must be asked for before it is added to."""

    @classmethod
    def known(cls, client: "MlflowClient", run: "Run") -> "_Run":
        info, data = run.info, run.data
        return cls(client, info.run_id, info.status, data.params, data.tags, data.metrics)

    def write(
        self,
        tags: Mapping[str, str],
        params: Mapping[str, Scalar] | None = None,
        reports: Iterable[Point] = (),
        summary: Iterable[Point] = (),
    ) -> None:
        """One batch, or none. Params cannot change; a summary is written again where it differs."""
        from mlflow.entities import Metric, Param, RunTag

        told = {metric_key(key): param_text(value) for key, value in (params or {}).items()}
        words = {key: word for key, word in told.items() if self.params.get(key) != word}
        marks = {key: tag_text(tag) for key, tag in tags.items()}
        marks = {key: tag for key, tag in marks.items() if self.tags.get(key, "") != tag}
        points = [*self._new(reports), *self._changed(summary)]
        self.client.log_batch(
            self.id,
            [Metric(metric_key(p.key), float(p.value), _ms(p.at), p.step) for p in points],
            [Param(key, word) for key, word in words.items()],
            [RunTag(key, tag) for key, tag in marks.items()],
        )
        self.params |= words
        self.tags |= marks

    def end(self, status: str, at: float) -> None:
        """The last write of a run: one that has ended holds all that was told before."""
        if self.status != status:
            self.client.set_terminated(self.id, status, _ms(at) or None)
            self.status = status

    def reopen(self) -> None:
        if self.status != "RUNNING":
            self.client.update_run(self.id, status="RUNNING")
            self.status = "RUNNING"

    def doubt(self) -> None:
        """A write failed half-way: ask before the next one."""
        self.found = True
        self.seen.clear()

    def last_step(self) -> int:
        return max((step for steps in self.seen.values() for step in steps), default=0)

    def _new(self, reports: Iterable[Point]) -> Iterator[Point]:
        for point in reports:
            if self._holds(point.step):
                continue
            steps = self._history(metric_key(point.key))
            if point.step not in steps:
                steps.add(point.step)
                yield point

    def _holds(self, step: int) -> bool:
        return self.status in ("FINISHED", "FAILED") and step <= int(self.tags.get("steps", 0))

    def _history(self, key: str) -> set[int]:
        if key not in self.seen:
            history = self.client.get_metric_history(self.id, key) if self.found else []
            self.seen[key] = {metric.step for metric in history}
        return self.seen[key]

    def _changed(self, summary: Iterable[Point]) -> Iterator[Point]:
        for point in summary:
            key, value = metric_key(point.key), float(point.value)
            if not _equal(self.latest.get(key), value):
                self.latest[key] = value
                yield point


class _MlflowStore:
    def __init__(self, uri: str, artifacts: Path) -> None:
        self._uri, self._artifacts = uri, artifacts.absolute()
        self._served = uri.startswith("http")
        self._made: MlflowClient | None = None
        self._opened: StudyOpened | None = None
        self._experiment = ""
        self._parent: _Run | None = None
        self._runs: dict[str, _Run] = {}
        self.url = ""

    def prepare(self) -> None:
        assert self._client

    def write(self, events: list[Event]) -> list[str]:
        change = gather(events)
        self._opened = change.opened or self._opened
        assert self._opened is not None, "the first event of a study is StudyOpened"
        try:
            parent = self._parent or self._open(self._opened)
            self._write_artifacts(parent, change)
            refused = [self._write_run(parent, label, run) for label, run in change.runs.items()]
            self._write_parent(parent, change)
        except BaseException:
            # What is known of the store may be wrong now, such as a run created whose answer was
            # lost: look it up again.
            self._parent = None
            raise
        return [line for line in refused if line]

    @property
    def _client(self) -> "MlflowClient":
        if self._made is None:
            self._made = connect(self._uri)
        return self._made

    def _open(self, opened: StudyOpened) -> _Run:
        location = None if self._served else (self._artifacts / opened.name).as_uri()
        self._experiment = _experiment(self._client, opened, location)
        self._runs = _known_runs(self._client, self._experiment, opened.uid)
        self._parent = self._runs.pop(STUDY, None) or self._create(
            STUDY, opened.name, opened.at, {**opened.tags, "state": "running"}
        )
        if self._served:
            self.url = run_page(without_login(self._uri), self._experiment, self._parent.id)
        return self._parent

    def _write_artifacts(self, parent: _Run, change: StudyChange) -> None:
        texts = {"study.yaml": change.opened.spec} if change.opened else {}
        texts |= change.finished.artifacts if change.finished else {}
        for name, text in texts.items():
            self._client.log_text(parent.id, text, name)
        for name, file in (change.finished.figures if change.finished else {}).items():
            if Path(file).is_file():  # it may have waited in the spool for long
                self._client.log_artifact(parent.id, file, str(Path(name).parent))

    def _write_parent(self, parent: _Run, change: StudyChange) -> None:
        opened, ended = change.opened, change.finished
        tags = {**opened.tags, "state": "running", "message": ""} if opened else {}
        if ended is None or change.reopened:
            parent.write(tags, None, change.best, change.summary())
            if opened is not None:
                parent.reopen()
            return
        status, state = end_of(ended)
        tags |= {"state": state, "message": ended.failure}
        parent.write(tags, None, change.best, change.summary())
        if not ended.complete:
            self._interrupt(ended.at)
        parent.end(status, ended.at)

    def _interrupt(self, at: float) -> None:
        for run in self._runs.values():
            if run.status == "RUNNING":
                run.write({"state": "interrupted"})
                run.end("KILLED", at)

    def _write_run(self, parent: _Run, label: str, change: RunChange) -> str:
        """Returns why the store refuses it, or ""."""
        from mlflow.exceptions import MlflowException

        try:
            self._write_child(parent, label, change)
        except MlflowException as error:
            if error.error_code not in _REFUSALS:
                raise
            if label in self._runs:
                self._runs[label].doubt()
            return f"{label}: {' '.join(error.message.split())[:120]}"
        return ""

    def _write_child(self, parent: _Run, label: str, change: RunChange) -> None:
        run = self._runs.get(label)
        tags = child_tags(change, run.last_step() if run else 0)
        if run is None:
            at = change.started.at if change.started else 0.0
            born = {"mlflow.parentRunId": parent.id, "state": str(State.RUNNING), **tags}
            run = self._runs[label] = self._create(label, label, at, born)
        elif run.status == "KILLED" and change.finished is None:
            tags["state"] = State.RUNNING
            run.reopen()
        params = change.started.params if change.started else None
        run.write(tags, params, change.points(), change.summary())
        if change.finished is not None:
            failed = change.finished.state is State.FAILED
            run.end("FAILED" if failed else "FINISHED", change.finished.at)

    def _create(self, label: str, name: str, at: float, tags: Mapping[str, str]) -> _Run:
        assert self._opened is not None
        tags = {
            "autotune.uid": self._opened.uid,
            LABEL: label,
            "mlflow.source.name": "autotune",
            "mlflow.user": _user(),
            **tags,
        }
        tags = {key: tag_text(tag) for key, tag in tags.items() if tag}
        made = self._client.create_run(self._experiment, _ms(at) or None, tags, name)
        return _Run(self._client, made.info.run_id, made.info.status, tags=tags, found=False)


def _experiment(client: "MlflowClient", opened: StudyOpened, location: str | None) -> str:
    """The experiment with the study's uid; else a new one.

    Its name is the study's, unless another study of that name has it (deleted in MLflow or not):
    then the uid makes it unique. Ours, deleted in the UI, is restored.
    """
    from mlflow.entities import ViewType

    ours = client.search_experiments(
        ViewType.ALL, filter_string=f"tags.`autotune.uid` = '{opened.uid}'"
    )
    if ours:
        if ours[0].lifecycle_stage == "deleted":
            client.restore_experiment(ours[0].experiment_id)
        return str(ours[0].experiment_id)
    taken = client.get_experiment_by_name(opened.name) is not None
    name = f"{opened.name}-{opened.uid[:8]}" if taken else opened.name
    # The kind keeps MLflow's UI from asking whether this is about language models.
    tags = {"autotune.uid": opened.uid, "mlflow.experimentKind": "custom_model_development"}
    return str(client.create_experiment(name, location, tags))


def _known_runs(client: "MlflowClient", experiment: str, uid: str) -> dict[str, _Run]:
    """By label. Those deleted in the UI come back, for a study without them is not whole."""
    runs = find_runs(client, experiment, uid)
    for run in runs:
        if run.info.lifecycle_stage == "deleted":
            client.restore_run(run.info.run_id)
    return {run.data.tags[LABEL]: _Run.known(client, run) for run in runs}


def find_runs(client: "MlflowClient", experiment: str, uid: str) -> "list[Run]":
    """All runs of a study, deleted ones included."""
    from mlflow.entities import ViewType

    wanted, page = f"tags.`autotune.uid` = '{uid}'", ""
    found: list[Run] = []
    while True:
        runs = client.search_runs(
            [experiment], wanted, ViewType.ALL, _PAGE, page_token=page or None
        )
        found += runs
        if not (page := runs.token or ""):
            return found


def _equal(a: float | None, b: float) -> bool:
    return a is not None and (a == b or (math.isnan(a) and math.isnan(b)))


def _ms(at: float) -> int:
    return round(at * 1000)


def _user() -> str:
    with suppress(KeyError, OSError):
        return getpass.getuser()
    return ""
