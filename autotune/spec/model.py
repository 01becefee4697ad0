"""StudySpec: a study file, resolved and checked, as a frozen value."""

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
"""Pattern of `tracking.uri`, with its variables filled in."""
DATABASE = re.compile(r"sqlite:///.+|postgresql(\+\w+)?://[^\s]+", re.ASCII)
"""Pattern of `storage`."""


def _fits(written: str, kind: re.Pattern[str]) -> bool:
    """Whether `written` can be such an address; a leading `${NAME}` may hold any scheme."""
    address = Address(written)
    if not address.well_formed:
        raise rule("address", "names a variable as ${NAME}, of letters, digits and _")
    begins = written.startswith("${")
    return bool(kind.fullmatch(address.outline)) or (begins and " " not in written)


def is_shared(name: str) -> bool:
    """Whether an entry of the runs folder belongs to all studies: MLflow's database and artifacts,
    SQLite's side files, hidden files. Case is ignored, as on some file systems."""
    word = name.casefold()
    return word.startswith((".", "mlflow.db")) or word == "mlartifacts"


class Budget(Section):
    """Limits of the study; the first one that is reached ends the search."""

    trials: Annotated[int, Field(ge=1)] | None = None
    """Number of trials, failed ones included."""
    time: Duration | None = None
    """Running time of the whole study, confirmation included, such as 90s, 5m or 1h30m; a number is
    seconds. The expected time of retraining, at most a third, is reserved. At the limit nothing
    starts, and running trials stop at their next report."""
    gpu_hours: Annotated[float, Field(gt=0)] | None = None
    """Working time of trials and retrainings, times the GPUs of each. A share is reserved for
    confirmation as with `time`."""


class Confirm(Section):
    """Retrains the best trials on fresh seeds, because the best of many noisy scores is too good,
    and the winner once more, because the best of a few means is too good as well."""

    top: Annotated[int, Field(ge=0)] = 3
    """How many of the best trials are retrained. 0: none, so the winner is not confirmed."""
    seeds: Annotated[int, Field(ge=1)] = 3
    """Retrainings of each trial, on fresh seeds."""
    verify: Annotated[int, Field(ge=0)] | None = None
    """Retrainings of the winner on seeds that did not choose it; they give its score. Default: as
    many as `seeds`. 0: none, and the score is labelled as one of the seeds that chose it. Ignored
    if one trial is retrained or there are several objectives, because then retrainings choose
    nothing."""


class MlflowTracking(Section):
    """Tracks the study in MLflow."""

    name: Literal["mlflow"] = "mlflow"
    uri: str = "sqlite:///runs/mlflow.db"
    """sqlite:///path of a file, the http(s):// address of a tracking server, or the postgresql://
    or mysql:// URL of a database. Passwords as in `storage`; MLFLOW_TRACKING_USERNAME, _PASSWORD
    and _TOKEN work too."""
    system_metrics: bool = False
    """Each report also tells what the trial's processes used: system/cpu_percent (100: one CPU),
    system/memory_megabytes, and of each NVIDIA GPU that they see gpu_0_percent and
    gpu_0_memory_megabytes."""

    @field_validator("uri")
    @classmethod
    def _is_a_store(cls, uri: str) -> str:
        if not _fits(uri, STORE):
            words = "must be none, sqlite:///path, or an http(s), postgresql or mysql address"
            raise rule("uri", words)
        return uri


class NoTracking(Section):
    """No tracker. The journal still holds everything, but `autotune ui` has nothing to show."""

    name: Literal["none"] = "none"


def tracker_named(value: object) -> object:
    """Normalizes the spellings of a tracker: a name, an address, or `{uri: none}`."""
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
    """Where a spec was read. Equality ignores it."""

    node: Node | None = None

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


class StudySpec(Config):
    """One study: what is searched, how, for how long, and where it is tracked."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    name: str
    """Letters, digits, '.', '_' and '-'; the study's folder is runs/<name>. Names of files that all
    studies share, such as mlartifacts, are reserved."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the proposals, and through them of every trial."""
    objectives: Objectives = Field(alias="objective")
    """What is maximized or minimized; a list of several gives a Pareto set."""
    constraints: Constraints = ()
    """Bounds that a trial must satisfy, such as `params <= 1e5`. The best trial is the best
    feasible one."""
    pick: Pick = None
    """How the best trial of a Pareto set is picked. knee (default): where giving up a little of one
    objective no longer gains much of another. {metric: val_accuracy, within: 0.01}: among trials
    within 0.01 of the best val_accuracy, the best by the other objectives."""
    trial: dict[str, Any]
    """The fixed part: a training config, a function or a command with its settings."""
    space: Annotated[Space, PlainSerializer(lambda space: space.dump()), WithJsonSchema({})]
    """The search space: dotted paths into `trial`."""
    search: SamplerConfig = Auto()
    """The sampler, which proposes configurations."""
    schedule: SchedulerConfig = AutoSchedule()
    """The scheduler, which stops trials early."""
    budget: Budget
    """Limits of the study."""
    worker: Worker = Worker()
    """Resources of one trial."""
    confirm: Confirm = Confirm()
    """How the winner is confirmed by retraining."""
    tracking: TrackingConfig = MlflowTracking()
    """Where the study is tracked."""
    storage: str | None = None
    """sqlite:// or postgresql:// URL of the journal. Default: a file in the study's folder. Write a
    password as "postgresql://user:${NAME}@host/database": the environment variable NAME is read
    when the connection is made and never stored. ~/.pgpass and PGPASSWORD work too. One process
    drives a study, by a lock of its session: a pooler such as PgBouncer must pool by session."""

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
        """`file:line` of the value at `path`; "" for a spec that was not read from a file."""
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
        """The study's own tracking address; None for the default store, or without tracking."""
        if isinstance(self.tracking, NoTracking) or self.tracking.uri == MlflowTracking().uri:
            return None
        return Address(self.tracking.uri, "tracking.uri", self.locate(("tracking", "uri")))

    @property
    def system_metrics(self) -> bool:
        return isinstance(self.tracking, MlflowTracking) and self.tracking.system_metrics

    @property
    def objective(self) -> Objective:
        """The first objective, which decides which step of a trial counts."""
        return self.objectives[0]

    @property
    def scoring(self) -> Scoring:
        return Scoring(self.objectives, self.constraints, self.pick)

    def base_config(self) -> dict[str, Any]:
        """The training config without parameters: `trial`, and what the study decides."""
        monitor = self.objective.model_dump(mode="json")
        decided = {"threads": self.worker.share(self.trial).threads, "monitor": monitor}
        return {**self.trial, **self._judged_costs(), **decided}

    @property
    def share(self) -> Share | None:
        """Resources of each trial; None if trials differ."""
        searched = any(name.partition(".")[0] == "parallel" for name in self.space.parameters)
        if self.worker.sizes or (searched and not is_own(self.trial)):
            return None
        return self.worker.share(self.trial)

    @property
    def timeout(self) -> float | None:
        """`trial.timeout`, in seconds."""
        return timeout(self.trial)

    def _judged_costs(self) -> dict[str, list[Any]]:
        """`metrics` with the costs that the study uses, which need not be listed."""
        asked = self.trial.get("metrics", [])
        costs = [name for name in self.scoring.metrics if name in COSTS]
        if is_own(self.trial) or not isinstance(asked, list) or not costs:
            return {}
        return {"metrics": list(dict.fromkeys([*asked, *costs]))}

    def chosen_search(self) -> SamplerConfig:
        """The sampler's config, `auto` resolved."""
        if isinstance(self.search, Auto):
            several, constrained = len(self.objectives) > 1, bool(self.constraints)
            return self.search.choose(self.space, self.budget.trials, several, constrained)
        return self.search

    def chosen_schedule(self) -> SchedulerConfig:
        """The scheduler's config, `auto` resolved."""
        if isinstance(self.schedule, AutoSchedule):
            return self.schedule.choose(self.context.max_step)
        return self.schedule

    @property
    def context(self) -> StudyContext:
        """What a scheduler may know about the study."""
        steps = pace(self.trial)
        return StudyContext(steps.last, self.space, self.objective.goal, steps.per_epoch)
