"""Checks beyond the shape of a study file: rules between sections, and a walk through its space."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from autotune.errors import InvalidInput, Problem, echo, nearest
from autotune.schedule import Pbt, SchedulerConfig
from autotune.search import Auto, SamplerConfig
from autotune.search.base import TransferSettings
from autotune.search.fixed import complete, fixed_problems
from autotune.search.warm_start import warm_problems
from autotune.space import Categorical, Int, Parameter, Space, is_active
from autotune.spec.commands import command_problems
from autotune.spec.model import StudySpec
from autotune.train.base import variants
from autotune.train.config import AnyConfig, apply, is_own
from autotune.train.losses.config import task_of
from autotune.train.metrics import COSTS, advice, reported
from autotune.trial import Scalar

if TYPE_CHECKING:
    from autotune.train.data.values import Task

__all__ = ["configs", "into_study", "rules", "walk"]

_MOST_COMBINATIONS = 2000
"""Limit for combinations of variants; beyond it only the first ones are tried."""
_DECIDED_BY_STUDY = {"seed": "seed", "threads": "worker.cpus", "monitor": "objective"}
_SAME_FOR_ALL = {
    "epochs": "every trial may run for the same `trial.epochs`; a `schedule` stops the poor early",
    "reports_per_epoch": "trials are compared at the same steps",
    "seed": "every trial gets its own from the study's `seed`",
    "threads": "it follows from `worker.cpus`",
    "monitor": "it follows from `objective`",
    "function": "a study has one",
    "command": "a study has one",
    "data.name": "trials must be judged on the same data",
    "data.seed": "trials must be judged on the same split",
    "data.val_fraction": "trials must be judged on the same split",
    "data.test_fraction": "trials must be judged on the same split",
    "data.folds": "trials must be judged on the same split",
    "data.target": "trials must be judged on the same data",
    "data.path": "trials must be judged on the same data",
    "data.root": "trials must be judged on the same data",
    "metrics": "every trial reports the same",
    "timeout": "every trial may work for the same time",
}
_LOSSES = ("train_loss", "val_loss")
_BY_RULES = {("trial", key) for key in _DECIDED_BY_STUDY}
"""Keys that `rules` reports, so the walk skips them."""
Values = dict[str, Scalar]
Keys = tuple[str | int, ...]


def rules(spec: StudySpec) -> list[Problem]:
    """Rules between the sections of a study."""
    problems = [
        Problem(f"`trial.{key}` is decided by the study: set `{instead}`", ("trial", key))
        for key, instead in _DECIDED_BY_STUDY.items()
        if key in spec.trial
    ]
    if not is_own(spec.trial):
        problems += _reported(spec)
        problems += _resized(spec)
    problems += [*_aims(spec), *_capable(spec), *_processes(spec), *_held_out(spec)]
    problems += command_problems(spec)
    problems += spec.schedule.check(spec.context)
    return problems + _fixed(spec) + _search(spec)


def _held_out(spec: StudySpec) -> Iterator[Problem]:
    data = spec.trial.get("data")
    if isinstance(data, Mapping) and data.get("use_all"):
        rule = "`data.use_all` leaves nothing to judge a trial by: remove it"
        cure = "`autotune train best.yaml --all` trains the winner so"
        yield Problem(f"{rule}; {cure}", ("trial", "data", "use_all"))


def _processes(spec: StudySpec) -> Iterator[Problem]:
    """The number of processes of a trial, and the conditions of `worker.sizes`."""
    worker, sizes = spec.worker, spec.worker.sizes or ()
    given: list[tuple[int | None, Keys]] = [(worker.processes, ("worker", "processes"))]
    given += [(s.processes, ("worker", "sizes", n, "processes")) for n, s in enumerate(sizes)]
    for count, at in given:
        if "function" not in spec.trial and (count or 1) > 1:
            rule = f"`{'.'.join(map(str, at))}` is for a function of your own"
            cure = "set `trial.parallel`, such as {strategy: ddp, workers: 2}"
            if "command" in spec.trial:
                cure = "let the command start them, such as torchrun --nproc-per-node 2 train.py"
            yield Problem(f"{rule}: {cure}", at)
    known = set[str]()
    if sizes:
        known = {path for _, config in configs(spec) for path in _paths(config.model_dump())}
    for index, size in enumerate(sizes):
        for condition in size.when:
            if known and condition.parent not in known:
                message = f"`worker.sizes`: no trial has {condition.parent!r}"
                at = ("worker", "sizes", index, "when", condition.parent)
                yield Problem(message + nearest(condition.parent, known), at)


def _paths(values: Mapping[str, object], above: str = "") -> Iterator[str]:
    """The dotted paths of all leaves."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _paths(value, f"{above}{key}.")
        else:
            yield f"{above}{key}"


def _search(spec: StudySpec) -> list[Problem]:
    search, space = spec.search, spec.space
    problems = search.check(space)
    if not space.parameters:
        return problems  # an unreadable space is reported elsewhere
    problems += fixed_problems(search.fixed, space)
    problems += warm_problems(search.warm_start, space, spec.name)
    if search.warm_start and not isinstance(search, TransferSettings | Auto):
        able = [n for n, s in variants(SamplerConfig).items() if issubclass(s, TransferSettings)]
        cure = f"leave it out, or choose {' or '.join(able)}"
        message = f"`search.warm_start`: {search.name} makes no use of earlier studies: {cure}"
        problems.append(Problem(message, ("search", "warm_start")))
    if search.warm_start and len(spec.objectives) > 1:
        message = (
            "`search.warm_start` is for one objective: leave it out, or all objectives but one"
        )
        problems.append(Problem(message, ("search", "warm_start")))
    return problems


def _reported(spec: StudySpec) -> list[Problem]:
    """Metrics that a study uses must be reported by every trial and mean the same for all."""
    given, more = spec.trial.get("loss"), spec.trial.get("metrics")
    losses: list[object] = [given.get("name") if isinstance(given, Mapping) else "cross_entropy"]
    searched = spec.space.parameters.get("loss.name")
    if isinstance(searched, Categorical):
        losses = list(searched.choices)
    more = [name for name in more if isinstance(name, str)] if isinstance(more, list) else []
    more += COSTS  # metrics that the study names are reported
    tasks = [task for task in map(task_of, losses) if task]
    found = [_unreported(*use, tasks, more) or _unlike(*use, spec) for use in _uses(spec)]
    return [problem for problem in found if problem]


def _uses(spec: StudySpec) -> Iterator[tuple[str, str, Keys]]:
    """(key, metric, path) of every key that names a metric."""
    for index, objective in enumerate(spec.objectives):
        place = (index,) if len(spec.objectives) > 1 else ()
        yield "objective.metric", objective.metric, ("objective", *place, "metric")
    for index, constraint in enumerate(spec.constraints):
        yield "constraints", constraint.metric, ("constraints", index)


def _unreported(
    key: str, metric: str, at: Keys, tasks: "Iterable[Task]", more: list[str]
) -> Problem | None:
    for task in tasks:
        if metric not in reported(task, more):
            cure = advice(metric, task, more, section="trial.")
            rule = f"`{key}` must be one that a trial reports, got"
            return Problem(f"{rule} {echo(metric)}{cure}", at)
    return None


def _unlike(key: str, metric: str, at: Keys, spec: StudySpec) -> Problem | None:
    if metric not in _LOSSES or not {"loss.name", "loss.delta"} & set(spec.space.parameters):
        return None
    message = f"`{key}` must mean the same for all trials, but the loss is searched"
    return Problem(f"{message}: choose another than {echo(metric)}, such as val_rmse", at)


def _aims(spec: StudySpec) -> Iterator[Problem]:
    """Rules between objectives."""
    first, *others = spec.objectives
    metrics = [objective.metric for objective in spec.objectives]
    for index, other in enumerate(others, 1):
        if "at" in other.model_fields_set:
            rule = "`at` belongs to the first objective: all values of a trial are of one epoch"
            yield Problem(rule, ("objective", index, "at"))
        if other.metric in metrics[:index]:
            rule = f"`objective` must not name a metric twice, got {echo(other.metric)}"
            yield Problem(rule, ("objective", index, "metric"))
    if others and not is_own(spec.trial) and first.metric in COSTS:
        rule = "the first objective decides which epoch of a trial counts: put what is learnt first"
        yield Problem(f"{rule}, such as val_accuracy, got {echo(first.metric)}", ("objective", 0))
    if "pick" in spec.model_fields_set and not others:
        yield Problem("`pick` chooses among several objectives, but there is one", ("pick",))
    elif spec.pick and spec.pick.metric not in metrics:
        rule = f"`pick.metric` must be one of the objectives, got {echo(spec.pick.metric)}"
        yield Problem(rule + nearest(spec.pick.metric, metrics), ("pick", "metric"))


def _capable(spec: StudySpec) -> Iterator[Problem]:
    """The sampler and scheduler must support what the study asks for."""
    search, schedule = spec.chosen_search(), spec.chosen_schedule()
    several = len(spec.objectives) > 1
    if several and not search.several:
        cure = _such(SamplerConfig, "several")
        yield Problem(f"{search.name} pursues one objective; choose {cure}", ("search", "name"))
    elif spec.constraints and not search.constrained:
        cure = _such(SamplerConfig, "constrained")
        yield Problem(f"{search.name} knows no constraints; choose {cure}", ("search", "name"))
    if several and not schedule.several:
        cure = _such(SchedulerConfig, "several")
        message = f"{schedule.name} compares trials by one objective; choose {cure}"
        yield Problem(message, ("schedule", "name"))


def _resized(spec: StudySpec) -> list[Problem]:
    """A clone loads its parent's weights, so network sizes must not be perturbed."""
    perturbed = (isinstance(spec.schedule, Pbt) and spec.schedule.perturb) or ()
    found = spec.space.parameters
    rule = "sizes the network, and a clone takes over its parent's weights: leave it out"
    return [
        Problem(f"`schedule.perturb`: {name} {rule}", ("schedule", "perturb"))
        for name in perturbed
        if re.fullmatch(r"model\.\w+", name) and isinstance(found.get(name), Int)
    ]


def _such(union: object, capability: str) -> str:
    """The names of the union members that have the capability."""
    members = variants(union).items()
    return " or ".join(n for n, member in members if n != "auto" and getattr(member, capability))


def _fixed(spec: StudySpec) -> list[Problem]:
    space = spec.space
    # A function's own `timeout` key may be searched; it is no limit then.
    own = {"reports_per_epoch", "timeout"} if is_own(spec.trial) else set()
    problems = [
        Problem(f"`{name}` cannot be searched: {why}", ("space", name))
        for name in space.parameters
        for fixed, why in _SAME_FOR_ALL.items()
        if fixed not in own and (name == fixed or name.startswith(f"{fixed}."))
    ]
    if "data.fold" in space.parameters and len(space.parameters) > 1:
        why = "trials must be judged on one split; alone, it cross-validates one configuration"
        message = f"`data.fold` can only be searched alone: {why}"
        problems.append(Problem(message, ("space", "data.fold")))
    return problems


def walk(spec: StudySpec) -> list[Problem]:
    """What the training config rejects, for any combination of variants, at both ends of any range
    and for any choice. Each mistake is reported once, with its path in the study.

    Variants are combined exhaustively, up to 2,000 combinations. Every other parameter is varied
    alone, under every combination of what it depends on: the parameters of its conditions, and the
    variant it belongs to.
    """
    found: dict[tuple[object, str], Problem] = {}
    fixed = {problem.path for problem in _fixed(spec)}
    for _, result in _tried(spec):
        problems = result.problems if isinstance(result, InvalidInput) else ()
        for problem in (into_study(spec.space, problem) for problem in problems):
            found.setdefault((problem.path, _law(spec.space, problem)), problem)
    kept = [p for p in found.values() if p.path not in fixed and p.path[:2] not in _BY_RULES]
    return kept or _rejected(spec)


def configs(spec: StudySpec) -> Iterator[tuple[Values, AnyConfig]]:
    """The valid configs that `walk` tries, each with its searched values: the first values of all
    parameters, then those that differ."""
    for values, result in _tried(spec):
        if not isinstance(result, InvalidInput):
            yield values, result


def _tried(
    spec: StudySpec,
) -> Iterator[tuple[Values, AnyConfig | InvalidInput]]:
    base = spec.base_config()
    for values in _once(_points(spec.space)):
        try:
            yield values, apply(base, values)
        except InvalidInput as error:
            yield values, error


def _rejected(spec: StudySpec) -> list[Problem]:
    """The fixed configurations that the training config rejects."""
    found: list[Problem] = []
    if fixed_problems(spec.search.fixed, spec.space):
        return found  # `rules` reports these
    for index, given in enumerate(spec.search.fixed):
        try:
            apply(spec.base_config(), complete(given, spec.space, spec.seed, index))
        except InvalidInput as error:
            at = ("search", "fixed", index)
            found += [Problem(f"fixed: {problem.message}", at) for problem in error.problems]
    return found


def _law(space: Space, problem: Problem) -> str:
    """A message without the value or variant that happened to come first, so that equal mistakes
    are merged: one cure fixes all variants that lack a setting, and both ends of a range."""
    cure = problem.message.partition("add `when:")[1:]
    parameter = space.parameters.get(str(problem.path[-1]))
    is_range = parameter is not None and not isinstance(parameter, Categorical)
    rule = problem.message.rpartition(", got ")[0] if is_range else ""
    return "".join(cure) or rule or problem.message


def into_study(space: Space, problem: Problem) -> Problem:
    """Translates a path in the training config into one in the study file."""
    path = tuple(map(str, problem.path))
    for end in range(len(path), 0, -1):
        if ".".join(path[:end]) in space.parameters:
            return Problem(problem.message, ("space", ".".join(path[:end])))
    dotted = ".".join(path)
    message = problem.message.replace(f"`{dotted}", f"`trial.{dotted}", 1) if path else ""
    return Problem(message or problem.message, ("trial", *path))


def _once(points: Iterable[Values]) -> Iterator[Values]:
    seen = set()
    for values in points:
        key = repr(sorted(values.items()))
        if key not in seen:
            seen.add(key)
            yield values


def _points(space: Space) -> Iterator[Values]:
    probes = {name: _probes(space, name) for name in space.parameters}
    names = [name for name, p in space.parameters.items() if _chooses_variant(name, p)]
    for values in _combine(space, _with_parents(space, names), probes):
        yield _completed(space, values, probes)
    for name in space.parameters:
        group = name.rpartition(".")[0]
        related = [other for other in names if other == f"{group}.name"]
        for values in _combine(space, _with_parents(space, [name, *related]), probes):
            if name in values:
                yield _completed(space, values, probes)


def _chooses_variant(name: str, parameter: Parameter) -> bool:
    return isinstance(parameter, Categorical) and name.rpartition(".")[2] == "name"


def _probes(space: Space, name: str) -> list[Scalar]:
    """The values worth trying: all choices, or both ends and the values that conditions name."""
    parameter = space.parameters[name]
    if isinstance(parameter, Categorical):
        return list(parameter.choices)
    asked = [
        operand
        for other in space.parameters.values()
        for condition in other.when
        for operand in condition.operands
        if condition.parent == name and parameter.contains(operand)
    ]
    return list(dict.fromkeys([parameter.low, parameter.high, *asked]))


def _with_parents(space: Space, names: Iterable[str]) -> list[str]:
    """`names` and everything they depend on, parents first."""
    needed, todo = set(), list(names)
    while todo:
        name = todo.pop()
        if name not in needed:
            needed.add(name)
            todo += [condition.parent for condition in space.parameters[name].when]
    return [name for name in space.parameters if name in needed]


def _combine(
    space: Space, names: list[str], probes: Mapping[str, list[Scalar]]
) -> Iterable[Values]:
    return islice(_combinations(space, names, probes, {}), _MOST_COMBINATIONS)


def _combinations(
    space: Space, names: list[str], probes: Mapping[str, list[Scalar]], values: Values
) -> Iterator[Values]:
    if not names:
        yield values
    elif not is_active(space.parameters[names[0]], values):
        yield from _combinations(space, names[1:], probes, values)
    else:
        for value in probes[names[0]]:
            yield from _combinations(space, names[1:], probes, {**values, names[0]: value})


def _completed(space: Space, values: Values, probes: Mapping[str, list[Scalar]]) -> Values:
    """With the first probe of every other active parameter."""
    complete: Values = {}
    for name, parameter in space.parameters.items():
        if is_active(parameter, complete):
            complete[name] = values[name] if name in values else probes[name][0]
    return complete
