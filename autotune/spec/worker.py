"""The resources of a trial, and limits for waiting on its processes."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from autotune.errors import InvalidInput
from autotune.space.parameter import Condition
from autotune.space.read import parse_conditions
from autotune.spec.section import Section, rule
from autotune.train.config import processes
from autotune.train.duration import Duration
from autotune.trial import Share

__all__ = ["Size", "Worker"]

Cores = Annotated[float, Field(gt=0)]
Gpus = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


def _conditions(raw: object) -> tuple[Condition, ...]:
    if isinstance(raw, tuple):
        return raw
    try:
        conditions = parse_conditions(raw)
    except InvalidInput:
        conditions = ()
    if not conditions:
        words = 'must be conditions on the training config, such as {model.depth: ">= 40"}'
        raise rule("when", words)
    return conditions


def _written(conditions: tuple[Condition, ...]) -> dict[str, Any]:
    return {condition.parent: condition.dump() for condition in conditions}


def _listed(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


When = Annotated[
    tuple[Condition, ...],
    PlainValidator(_conditions),
    PlainSerializer(_written),
    WithJsonSchema({"type": "object"}),
]


class Size(Section):
    """Resources of trials whose training config satisfies `when`; missing keys are as in
    `worker`."""

    when: When
    """Conditions on paths of the training config, searched or not: a value, a list of values (any
    of them) or a comparison such as ">= 40". All must hold."""
    cpus: Cores | None = None
    """CPU cores of each process."""
    gpus: Gpus | None = None
    """GPUs of each process."""
    processes: Count | None = None
    """Number of processes that a function of your own runs in."""

    def holds(self, config: Mapping[str, Any]) -> bool:
        """Whether a training config, as plain values, satisfies the conditions."""
        return all(_holds(condition, config) for condition in self.when)


class Worker(Section):
    """Resources of one trial."""

    cpus: Cores = 1
    """CPU cores of each process; a fraction lets trials share one. Also the number of torch's
    threads."""
    gpus: Gpus = 0
    """GPUs of each process; a fraction lets trials share one."""
    processes: Count = 1
    """Number of processes that a function of your own runs in, with the environment of torchrun:
    RANK, LOCAL_RANK, WORLD_SIZE, LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT. With one whole GPU
    each, processes see all GPUs of the trial on their machine, and LOCAL_RANK is the index of their
    own."""
    sizes: Annotated[tuple[Size, ...], BeforeValidator(_listed)] | None = None
    """Other sizes, such as [{when: {model.depth: ">= 40"}, gpus: 2}]. A trial gets the first one
    whose conditions hold. Trials start in order: one that does not fit waits for running trials,
    and later ones wait for it. Default: all trials get the same."""
    max: Count | None = None
    """Maximum number of trials that run at once. Default: as many as fit."""
    silence: Duration | None = None
    """The longest time between two reports of a trial, and before the first one, set-up included. A
    trial that is silent for longer is failed(timeout) and its process ended. Default: no limit."""
    collective_timeout: Duration | None = None
    """The longest time that a process of a trial waits for the others, in a collective operation of
    torch.distributed or for a report. Then all of them are ended, and the trial is tried again, at
    most three times. Default: 10 minutes."""

    @property
    def patience(self) -> float:
        """`collective_timeout` in seconds, or its default."""
        return self.collective_timeout or 600.0

    def share(self, config: Mapping[str, Any]) -> Share:
        """The resources of a trial with the training config `config`, as plain values."""
        fits = (size for size in self.sizes or () if size.holds(config))
        return self._share(next(fits, None), config)

    def shares(self, config: Mapping[str, Any]) -> list[Share]:
        """All resources that a trial may get, whichever conditions hold."""
        return [self._share(size, config) for size in (None, *(self.sizes or ()))]

    def _share(self, size: Size | None, config: Mapping[str, Any]) -> Share:
        given = size.model_dump(exclude={"when"}) if size else {}
        own = given.get("processes", self.processes)
        return Share(
            cpus=given.get("cpus", self.cpus),
            gpus=given.get("gpus", self.gpus),
            processes=own if "function" in config else processes(config),
        )


_ABSENT = object()


def _holds(condition: Condition, config: Mapping[str, Any]) -> bool:
    value: Any = config
    for key in condition.parent.split("."):
        value = value.get(key, _ABSENT) if isinstance(value, Mapping) else _ABSENT
    return value is not _ABSENT and not isinstance(value, Mapping | list) and condition.holds(value)
