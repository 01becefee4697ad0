"""StudySpec: all that a study file says, resolved and checked. A frozen value."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PrivateAttr,
    WithJsonSchema,
    field_validator,
)

from autotune.address import Address
from autotune.schedule import AutoSchedule, SchedulerConfig, StudyContext
from autotune.search import Auto, SamplerConfig
from autotune.space import Space
from autotune.spec.objectives import Constraints, Objective, Objectives, Pick, Scoring
from autotune.spec.reader import Node
from autotune.spec.section import Section, rule
from autotune.spec.worker import Worker
from autotune.train.base import Config
from autotune.train.config import is_own, pace, timeout
from autotune.train.duration import Duration
from autotune.train.metrics import COSTS
from autotune.trial import Share

__all__ = [
    "DATABASE",
    "STORE",
    "Budget",
    "Confirm",
    "MlflowTracking",
    "NoTracking",
    "StudySpec",
    "TrackingConfig",
    "Worker",
    "is_shared",
    "tracker_named",
]

_NAME = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)
STORE = re.compile(r"sqlite:///.+|(https?|(postgresql|mysql)(\+\w+)?)://[^/\s]\S*", re.ASCII)
"""What `tracking.uri` may be, with its variables filled in."""
DATABASE = re.compile(r"sqlite:///.+|postgresql(\+\w+)?://[^\s]+", re.ASCII)
"""What `storage` may be."""


def _fits(written: str, kind: re.Pattern[str]) -> bool:
    """Whether it can be such an address; `${NAME}` at its beginning may hold any scheme."""
    address = Address(written)
    if not address.well_formed:
        raise rule("address", "names a variable as ${NAME}, of letters, digits and _")
    begins = written.startswith("${")
    return bool(kind.fullmatch(address.outline)) or (begins and " " not in written)


def is_shared(name: str) -> bool:
    """Whether an entry of the runs folder with this name is of all studies: MLflow's database, what
    SQLite puts beside it, its artifacts, hidden files. Some file systems know no capitals."""
    word = name.casefold()
    return word.startswith((".", "mlflow.db")) or word == "mlartifacts"


class Budget(Section):
    """What the study may take: the first limit that is reached ends the search."""

    trials: Annotated[int, Field(ge=1)] | None = None
    """Trials in all, failed ones included."""
    time: Duration | None = None
    """Running time of the whole study, its confirmation included, such as 90s, 5m or 1h30m; a
    number is seconds. What retraining is expected to take, at most a third, is kept for it. At the
    limit nothing new begins, and what runs is stopped at its next report."""
    gpu_hours: Annotated[float, Field(gt=0)] | None = None
    """Working time of the trials and retrainings, times the GPUs of one. Confirmation has its share
    of it as of `time`."""


class Confirm(Section):
    """The best of many noisy scores is too good: the top trials are trained again, and the one with
    the best mean once more, for the best of a few means is too good as well."""

    top: Annotated[int, Field(ge=0)] = 3
    """How many trials, the best ones. 0: none, and no honest winner."""
    seeds: Annotated[int, Field(ge=1)] = 3
    """How often each, on fresh seeds."""
    verify: Annotated[int, Field(ge=0)] | None = None
    """How often the winner again, on seeds that did not choose it: its score is theirs. Not given:
    as often as `seeds`. 0: never; its score is then of the seeds that chose it, and called so.
    Where one trial is retrained, or there are several objectives, the retrainings choose nothing:
    then there is no such round."""


class MlflowTracking(Section):
    """Where MLflow keeps what it shows."""

    name: Literal["mlflow"] = "mlflow"
    uri: str = "sqlite:///runs/mlflow.db"
    """sqlite:///path of a file, the http(s):// address of a tracking server, or the postgresql://
    or mysql:// URL of a database. Passwords as in `storage`; MLflow's own
    MLFLOW_TRACKING_USERNAME, _PASSWORD and _TOKEN work, too."""

    @field_validator("uri")
    @classmethod
    def _is_a_store(cls, uri: str) -> str:
        if not _fits(uri, STORE):
            words = "must be none, sqlite:///path, or an http(s), postgresql or mysql address"
            raise rule("uri", words)
        return uri


class NoTracking(Section):
    """No tracker: the journal remembers everything, but `autotune ui` has nothing to show."""

    name: Literal["none"] = "none"


def tracker_named(value: object) -> object:
    """The tracker with its name: studies may give the name, an address, or `{uri: none}` alone."""
    if isinstance(value, str):
        return {"name": value}
    if not isinstance(value, dict) or value.get("name", "mlflow") != "mlflow":
        return value
    if value.get("uri") == "none":
        return {**{key: v for key, v in value.items() if key != "uri"}, "name": "none"}
    return {"name": "mlflow", **value}


TrackingConfig = Annotated[
    MlflowTracking | NoTracking, Field(discriminator="name"), BeforeValidator(tracker_named)
]


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Where a spec was read. Two specs that say the same are equal wherever they stand."""

    node: Node | None = None

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


class StudySpec(Config):
    """One study: what is searched, how, for how long, and what remembers it."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    name: str
    """Letters, digits, '.', '_' and '-'; the study lives in runs/<name>. Names of files that all
    studies share, such as mlartifacts, are taken."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Draws the proposals, and through them every trial's own seed."""
    objectives: Objectives = Field(alias="objective")
    """What is to be maximized or minimized; a list of several spans a Pareto set."""
    constraints: Constraints = ()
    """What a trial must keep to, such as `params <= 1e5`; the best is the best of those that do."""
    pick: Pick = None
    """Which trial of a Pareto set is the best. knee (unset, too): where giving up a little of
    one objective no longer gains much of another. {metric: val_accuracy, within: 0.01}: the best
    by the others among those that are so close to the best val_accuracy."""
    trial: dict[str, Any]
    """The fixed part: a training config, or a function of your own and its settings."""
    space: Annotated[Space, PlainSerializer(lambda space: space.dump()), WithJsonSchema({})]
    """What is searched: dotted paths into `trial`."""
    search: SamplerConfig = Auto()
    """Who proposes."""
    schedule: SchedulerConfig = AutoSchedule()
    """Who stops a trial early."""
    budget: Budget
    """What the study may take."""
    worker: Worker = Worker()
    """The share of the machine that one trial gets."""
    confirm: Confirm = Confirm()
    """How the winner is confirmed."""
    tracking: TrackingConfig = MlflowTracking()
    """What remembers."""
    storage: str | None = None
    """sqlite:// or postgresql:// URL of the journal. None: a file beside the study. A password is
    given as "postgresql://user:${NAME}@host/database": the variable NAME of the environment is
    asked for when the connection is made, and its value is never stored. Without it ~/.pgpass and
    PGPASSWORD work. One process drives a study, by a lock that its session holds: a pooler such as
    PgBouncer must pool by session."""

    @field_validator("storage")
    @classmethod
    def _is_a_database(cls, storage: str | None) -> str | None:
        if storage is not None and not _fits(storage, DATABASE):
            raise rule("storage", "must be a sqlite:///path or postgresql://host/database URL")
        return storage

    @field_validator("name")
    @classmethod
    def _stays_in_runs(cls, name: str) -> str:
        if not _NAME.fullmatch(name) or name.strip(".") == "" or name[0] == "-" or len(name) > 100:
            words = "must be 1 to 100 letters, digits, '.', '_' and '-', and not begin with '-'"
            raise rule("name", words)
        if is_shared(name):
            words = "must not begin with '.' or 'mlflow.db', nor be 'mlartifacts'"
            raise rule("name", f"{words}: such files are shared by all studies; choose another")
        return name

    @field_validator("budget")
    @classmethod
    def _some_limit(cls, budget: Budget) -> Budget:
        if budget == Budget():
            raise rule("budget", "needs one of trials, time and gpu_hours")
        return budget

    _source: Source = PrivateAttr(default_factory=Source)

    def locate(self, path: tuple[str | int, ...]) -> str:
        """`file:line` of the value at `path`; "" for a spec that comes from no file."""
        return self._source.node.locate(path) if self._source.node else ""

    def read_from(self, node: Node) -> Self:
        self._source = Source(node)
        return self

    @property
    def storage_address(self) -> Address | None:
        if self.storage is None:
            return None
        return Address(self.storage, "storage", self.locate(("storage",)))

    @property
    def tracking_address(self) -> Address | None:
        """The study's own; None: it has the default store, or is not tracked."""
        if isinstance(self.tracking, NoTracking) or self.tracking == MlflowTracking():
            return None
        return Address(self.tracking.uri, "tracking.uri", self.locate(("tracking", "uri")))

    @property
    def objective(self) -> Objective:
        """The first one: it decides which step a trial is remembered by."""
        return self.objectives[0]

    @property
    def scoring(self) -> Scoring:
        return Scoring(self.objectives, self.constraints, self.pick)

    def base_config(self) -> dict[str, Any]:
        """The training config before any parameter: `trial`, with what the study decides."""
        monitor = self.objective.model_dump(mode="json")
        decided = {"threads": self.worker.share(self.trial).threads, "monitor": monitor}
        return {**self.trial, **self._judged_costs(), **decided}

    @property
    def share(self) -> Share | None:
        """What each trial gets; None where trials may differ."""
        searched = any(name.partition(".")[0] == "parallel" for name in self.space.parameters)
        if self.worker.sizes or (searched and not is_own(self.trial)):
            return None
        return self.worker.share(self.trial)

    @property
    def timeout(self) -> float | None:
        """`trial.timeout`, in seconds."""
        return timeout(self.trial)

    def _judged_costs(self) -> dict[str, list[Any]]:
        """`metrics` with the costs that the study judges by: they need not be asked for."""
        asked = self.trial.get("metrics", [])
        costs = [name for name in self.scoring.metrics if name in COSTS]
        if is_own(self.trial) or not isinstance(asked, list) or not costs:
            return {}
        return {"metrics": list(dict.fromkeys([*asked, *costs]))}

    def chosen_search(self) -> SamplerConfig:
        """`search`, with auto resolved by its rule."""
        if isinstance(self.search, Auto):
            several, constrained = len(self.objectives) > 1, bool(self.constraints)
            return self.search.choose(self.space, self.budget.trials, several, constrained)
        return self.search

    def chosen_schedule(self) -> SchedulerConfig:
        """`schedule`, with auto resolved by its rule."""
        if isinstance(self.schedule, AutoSchedule):
            return self.schedule.choose(self.context.max_step)
        return self.schedule

    @property
    def context(self) -> StudyContext:
        """What a scheduler may know of the study."""
        steps = pace(self.trial)
        return StudyContext(steps.last, self.space, self.objective.goal, steps.per_epoch)
