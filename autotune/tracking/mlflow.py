"""The study in MLflow: one experiment a study, parent run = study, child runs = trials.

mlflow is imported in functions only: it takes 1-2 s.
Runs are written by explicit ids and found by their tags, so that nothing doubles when the same
events are told again; times are those of the events, so that a sync gives the same picture.
"""

import getpass
import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.address import Address, without_login
from autotune.tracking.background import BackgroundTracker, Retell, StoreLost
from autotune.tracking.base import Event, StudyOpened
from autotune.tracking.bulk import NewRun, ms, write_runs
from autotune.tracking.database import import_quietly, is_damage, make_ready
from autotune.tracking.gather import RunChange, StudyChange, gather
from autotune.tracking.mlflow_formatting import child_tags, end_of, tag_text
from autotune.tracking.mlflow_parent import PURPOSE, write_answer, write_data, write_winner
from autotune.tracking.mlflow_run import MlflowRun
from autotune.tracking.ui import run_page
from autotune.trial import State

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

__all__ = [
    "LABEL",
    "STUDY",
    "MlflowTracker",
    "connect",
    "database_note",
    "delete_runs",
    "find_runs",
]

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
_LONGEST_LOG = 1_000_000
"""Bytes of a log; of a longer one the end is shown."""
_MANY = 25
"""New runs from which on they are written at once: not those of a study that runs."""


class MlflowTracker(BackgroundTracker):
    """Writes to the MLflow store at `address`: sqlite:///path, postgresql://..., http(s)://server.

    `artifacts` is the folder of the study's artifacts (a server keeps them by itself); `spool` is
    the file where events wait while the store is away. The database is made ready at once.
    Raises UserError where a variable of the address is not set. `retell` and `sync`: see
    BackgroundTracker.
    """

    def __init__(
        self,
        address: Address,
        artifacts: Path,
        spool: Path,
        retell: Retell = tuple,
        sync: str = "autotune sync",
    ) -> None:
        super().__init__(_MlflowStore(address, artifacts), spool, retell, sync)


def connect(uri: str) -> "MlflowClient":
    """A client of a store that is ready."""
    database_note(uri)
    return _client_of(uri)


def database_note(uri: str, doubted: bool = False) -> str:
    """Makes a database in a file ready, as `make_ready` says."""
    path = _database(uri)
    return make_ready(path, doubted) if path else ""


def _client_of(uri: str) -> "MlflowClient":
    """A client that is silent, and fails within seconds instead of minutes when nobody answers."""
    import_quietly()
    if uri.startswith("http"):
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
    from mlflow.tracking import MlflowClient

    path = _database(uri)
    return MlflowClient(_spelling(path) if path else uri)


def _database(uri: str) -> Path | None:
    """The file of a database; `sqlite:///runs/mlflow.db` depends on the working folder, it does
    not."""
    prefix = "sqlite:///"
    return Path(uri.removeprefix(prefix)).absolute() if uri.startswith(prefix) else None


_SPELLINGS: dict[Path, tuple[int, int]] = {}
"""Of a database's path: the file that it named last, and how many it named before."""


def _is_replaced(path: Path) -> bool:
    with suppress(OSError):
        return path.stat().st_ino != _SPELLINGS[path][0]
    return True


def _spelling(path: Path) -> str:
    """The URI of the file that is there now.

    MLflow keeps connections by the URI, also to a file that another one has replaced since: the
    next file at a path gets another spelling of it.
    """
    file = path.stat().st_ino
    last, before = _SPELLINGS.get(path, (file, 0))
    before += file != last
    _SPELLINGS[path] = (file, before)
    return f"sqlite:///{path.parent}/{'./' * before}{path.name}"


class _MlflowStore:
    def __init__(self, address: Address, artifacts: Path) -> None:
        self._uri, self._artifacts = address.reveal(), artifacts.absolute()
        self._path = _database(self._uri)
        self._served = self._uri.startswith("http")
        self._made: MlflowClient | None = None
        self._damage = False
        self._opened: StudyOpened | None = None
        self._experiment = ""
        self._parent: MlflowRun | None = None
        self._runs: dict[str, MlflowRun] = {}
        plain = self._path is not None and not address.variables
        self.name = f"MLflow at {f'sqlite:///{self._path}' if plain else address}"
        self.scrub = address.scrub
        self.url = ""
        self.notes: list[str] = []

    def prepare(self) -> None:
        assert self._client

    def open(self, study: StudyOpened) -> bool:
        self._opened = study
        return self._parent is not None or self._find(study)

    def write(self, events: list[Event]) -> list[str]:
        change = gather(events)
        parent = self._parent
        assert parent is not None, "`open` comes first"
        try:
            self._write_artifacts(parent, change)
            many = self._write_many(parent, change)
            refused = [
                self._write_run(parent, label, run)
                for label, run in change.runs.items()
                if label not in many
            ]
            self._write_logs(change)
            self._write_parent(parent, change)
        except BaseException as error:
            # What is known of the store may be wrong now, such as a run created whose answer was
            # lost: look it up again.
            self._parent = None
            if self._lost(error):
                raise StoreLost(str(error)) from error
            raise
        return [line for line in refused if line]

    def _lost(self, error: BaseException) -> bool:
        """The database is broken, or another file than it was: `open` makes it whole."""
        if self._path is None:
            return False
        self._made, self._damage = None, is_damage(error)
        return self._damage or _is_replaced(self._path)

    @property
    def _client(self) -> "MlflowClient":
        if self._made is None:
            if note := database_note(self._uri, self._damage):
                self.notes.append(note)
            self._damage = False
            self._made = _client_of(self._uri)
        return self._made

    def _find(self, study: StudyOpened) -> bool:
        """The experiment and the runs of `study`; False where they had to be begun."""
        location = None if self._served else (self._artifacts / study.name).as_uri()
        self._experiment = _experiment(self._client, study, location)
        self._runs = _known_runs(self._client, self._experiment, study.uid)
        found = self._runs.pop(STUDY, None)
        self._parent = found or self._create(
            STUDY, study.name, study.at, {**study.tags, **PURPOSE, "state": "running"}
        )
        if self._served:
            self.url = run_page(without_login(self._uri), self._experiment, self._parent.id)
        return found is not None

    def _write_artifacts(self, parent: MlflowRun, change: StudyChange) -> None:
        texts = {"study.yaml": change.opened.spec} if change.opened else {}
        texts |= change.finished.artifacts if change.finished else {}
        for name, text in texts.items():
            self._client.log_text(parent.id, text, name)
        for name, file in (change.finished.figures if change.finished else {}).items():
            if Path(file).is_file():  # it may have waited in the spool for long
                folder = str(Path(name).parent)
                self._client.log_artifact(parent.id, file, None if folder == "." else folder)

    def _write_logs(self, change: StudyChange) -> None:
        for label, run in change.runs.items():
            if run.finished and label in self._runs and (text := _end_of_log(run.finished.log)):
                self._client.log_text(self._runs[label].id, text, "log.txt")

    def _write_parent(self, parent: MlflowRun, change: StudyChange) -> None:
        opened, ended = change.opened, change.finished
        if change.answer is not None:
            write_answer(self._client, self._experiment, parent, change.answer)
        tags = {**opened.tags, "state": "running", "message": ""} if opened else {}
        if ended is None or change.reopened:
            parent.write(tags, None, change.history, change.summary())
            if opened is not None:
                parent.reopen()
            return
        status, state = end_of(ended)
        tags |= {"state": state, "message": ended.failure, "winner": ended.winner}
        parent.write(tags, None, change.history, change.summary())
        if ended.params and (note := write_winner(parent, ended.params, self._path)):
            self.notes.append(note)
        if ended.data:
            write_data(parent, ended.data)
        if not ended.complete:
            self._interrupt(ended.at)
        parent.end(status, ended.at)

    def _interrupt(self, at: float) -> None:
        for run in self._runs.values():
            if run.status == "RUNNING":
                run.write({"state": "interrupted"})
                run.end("KILLED", at)

    def _write_run(self, parent: MlflowRun, label: str, change: RunChange) -> str:
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

    def _write_many(self, parent: MlflowRun, change: StudyChange) -> set[str]:
        """Writes the runs that the store does not know at once where that can be done; their
        labels."""
        new = {
            label: run
            for label, run in change.runs.items()
            if label not in self._runs and run.started is not None and run.started.at > 0
        }
        if self._path is None or len(new) < _MANY:
            return set()
        made = {label: self._made_of(parent, label, run) for label, run in new.items()}
        named = {label: both for label, both in made.items() if "" not in both[1].names}
        if not write_runs(self._path, self._experiment, [run for _, run in named.values()]):
            return set()
        self._runs |= {label: run for label, (run, _) in named.items()}
        return set(named)

    def _made_of(
        self, parent: MlflowRun, label: str, change: RunChange
    ) -> tuple[MlflowRun, NewRun]:
        """The run that `_write_child` would leave, which nobody has written yet."""
        started, ended = change.started, change.finished
        assert started is not None
        tags = self._tags(label, self._born(parent, child_tags(change, 0)))
        run = MlflowRun(self._client, uuid.uuid4().hex, "RUNNING", tags=tags, found=False)
        news = run.news({}, started.params, change.points(), change.summary())
        run.params, run.status = news.params, _status(change)
        end = ms(ended.at) if ended else None
        new = NewRun(run.id, label, run.status, ms(started.at), end, tags, run.params, news.points)
        return run, new

    def _write_child(self, parent: MlflowRun, label: str, change: RunChange) -> None:
        run = self._runs.get(label)
        tags = child_tags(change, run.last_step() if run else 0)
        if run is None:
            at = change.started.at if change.started else 0.0
            run = self._runs[label] = self._create(label, label, at, self._born(parent, tags))
        elif run.status == "KILLED" and change.finished is None:
            tags["state"] = State.RUNNING
            run.reopen()
        params = change.started.params if change.started else None
        run.write(tags, params, change.points(), change.summary())
        if change.finished is not None:
            run.end(_status(change), change.finished.at)

    def _born(self, parent: MlflowRun, tags: Mapping[str, str]) -> dict[str, str]:
        return {"mlflow.parentRunId": parent.id, "state": str(State.RUNNING), **tags}

    def _create(self, label: str, name: str, at: float, tags: Mapping[str, str]) -> MlflowRun:
        tags = self._tags(label, tags)
        made = self._client.create_run(self._experiment, ms(at) or None, tags, name)
        return MlflowRun(self._client, made.info.run_id, made.info.status, tags=tags, found=False)

    def _tags(self, label: str, tags: Mapping[str, str]) -> dict[str, str]:
        """All that a run begins with."""
        assert self._opened is not None
        tags = {
            "autotune.uid": self._opened.uid,
            LABEL: label,
            "mlflow.source.name": "autotune",
            "mlflow.user": _user(),
            **tags,
        }
        return {key: tag_text(tag) for key, tag in tags.items() if tag}


def _status(change: RunChange) -> str:
    if change.finished is None:
        return "RUNNING"
    return "FAILED" if change.finished.state is State.FAILED else "FINISHED"


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


def _known_runs(client: "MlflowClient", experiment: str, uid: str) -> dict[str, MlflowRun]:
    """By label. Those deleted in the UI come back, for a study without them is not whole."""
    runs = find_runs(client, experiment, uid)
    for run in runs:
        if run.info.lifecycle_stage == "deleted":
            client.restore_run(run.info.run_id)
    return {run.data.tags[LABEL]: MlflowRun.known(client, run) for run in runs}


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


def delete_runs(address: Address, uid: str) -> int:
    """Deletes the study's experiment with all its runs, as MLflow's own page does: `mlflow gc`
    removes them for good. How many runs there were; 0 where the store does not know the study."""
    client = connect(address.reveal())
    count = 0
    for found in client.search_experiments(filter_string=f"tags.`autotune.uid` = '{uid}'"):
        count += len(find_runs(client, found.experiment_id, uid))
        # A deleted experiment keeps its name, which the next study may want.
        client.rename_experiment(found.experiment_id, f"{found.name}-deleted-{uid[:8]}")
        client.delete_experiment(found.experiment_id)
    return count


def _end_of_log(file: str) -> str:
    """ "" where there is none: it may have waited in the spool for long."""
    if not file or not Path(file).is_file():
        return ""
    with open(file, "rb") as log:
        log.seek(max(0, os.path.getsize(file) - _LONGEST_LOG))
        return log.read().decode("utf-8", errors="replace")


def _user() -> str:
    with suppress(KeyError, OSError):
        return getpass.getuser()
    return ""
