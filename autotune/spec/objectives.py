"""What a trial is judged by: objectives, constraints, and the pick from a Pareto set."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from autotune.pareto import Point, depths, nearest_to_best
from autotune.spec.section import Section, rule
from autotune.trial import Goal, Report, ValueAtStep

__all__ = ["Constraint", "Constraints", "Objective", "Objectives", "Pick", "Scoring", "Within"]

_CONSTRAINT = re.compile(
    r"\s*([A-Za-z_][\w./-]*)\s*(<=|>=|<|>)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*",
    re.ASCII,
)


def _goal(value: object) -> object:
    if isinstance(value, Goal):
        return value
    if isinstance(value, str) and value in list(Goal):
        return Goal(value)
    raise rule("goal", "must be maximize or minimize")


class Objective(Section):
    """What a trial is judged by."""

    metric: str
    """A reported metric, such as val_accuracy. A cost (params, flops, latency_ms, model_bytes,
    seconds) is measured because it is named here."""
    goal: Annotated[Goal, BeforeValidator(_goal)]
    """maximize or minimize."""
    at: Literal["best", "last"] = "best"
    """best: a trial's value and its stored weights are those of its best report. last: of its last
    one. With several objectives the first one decides, and all values are of the same report."""

    def loss(self, value: float) -> float:
        """`value`, negated if the goal is to maximize: lower is better."""
        return self.goal.loss(value)


class Constraint(Section):
    """`metric <= bound`, or with >=, < or >."""

    metric: str
    sign: Literal["<=", ">=", "<", ">"]
    bound: float

    def __str__(self) -> str:
        return f"{self.metric} {self.sign} {self.bound:.15g}"

    def violation(self, value: float) -> float:
        """The violation, as a share of the bound, so that constraints with different units add up;
        <= 0 if satisfied."""
        above = self.sign[0] == "<"
        bound = self.bound
        if len(self.sign) == 1:
            bound = math.nextafter(bound, -math.inf if above else math.inf)
        return (value - bound if above else bound - value) / (abs(self.bound) or 1.0)


def _constraint(value: object) -> object:
    match = _CONSTRAINT.fullmatch(value) if isinstance(value, str) and len(value) <= 200 else None
    if match is None or not math.isfinite(float(match[3])):
        if isinstance(value, Constraint):
            return value
        words = "must be a metric, one of <=, >=, < and >, and a number, as in latency_ms <= 5"
        raise rule("constraint", words)
    return Constraint(metric=match[1], sign=match[2], bound=float(match[3]))  # type: ignore[arg-type]


class Within(Section):
    """The best by the other objectives, among those close to the best by one."""

    metric: str
    """One of the objectives."""
    within: Annotated[float, Field(ge=0)]
    """The allowed distance from its best value, in the metric's units."""


def _pick(value: object) -> object:
    if isinstance(value, Mapping | Within | None):
        return value
    if value != "knee":
        raise rule(
            "pick", "must be knee, or a mapping such as {metric: val_accuracy, within: 0.01}"
        )
    return None


def _listed(value: object) -> object:
    """A study file has a list or a single one; a frozen value holds a tuple."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _unlisted(objectives: tuple[Objective, ...]) -> Any:
    """A single objective as a mapping, as it was written."""
    first, *others = [objective.model_dump(mode="json") for objective in objectives]
    for other in others:
        del other["at"]
    return [first, *others] if others else first


Objectives = Annotated[
    tuple[Objective, ...],
    Field(min_length=1),
    BeforeValidator(_listed),
    PlainSerializer(_unlisted),
]
Constraints = Annotated[
    tuple[Annotated[Constraint, BeforeValidator(_constraint)], ...],
    BeforeValidator(_listed),
    PlainSerializer(lambda constraints: [str(constraint) for constraint in constraints]),
    WithJsonSchema({"type": "array", "items": {"type": "string", "examples": ["params <= 1e5"]}}),
]
Pick = Annotated[
    Within | None,
    BeforeValidator(_pick),
    WithJsonSchema({"const": "knee"}),  # or Within: see schema.py
]
"""None: the knee."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """Answers what a study wants to know about a trial's reports (by step)."""

    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    pick: Within | None = None
    """None: the knee."""

    @property
    def goals(self) -> tuple[Goal, ...]:
        return tuple(objective.goal for objective in self.objectives)

    @property
    def metrics(self) -> dict[str, str]:
        """The metrics that every report must carry, and what they are used for."""
        wanted = {constraint.metric: f"constraint {constraint}" for constraint in self.constraints}
        return wanted | {objective.metric: "the objective" for objective in self.objectives}

    @property
    def partial(self) -> bool:
        """Whether a trial can be judged only at its end: `seconds` grows during training, so a
        stopped trial would always look cheapest."""
        return "seconds" in self.metrics

    def curve(self, reports: Mapping[int, Report]) -> dict[int, float]:
        """The first objective's value by step."""
        metric = self.objectives[0].metric
        return {s: r.metrics[metric] for s, r in reports.items() if metric in r.metrics}

    def step(self, reports: Mapping[int, Report]) -> int | None:
        """The step whose metrics count for the trial: the best by the first objective (the earliest
        if equal), or the last; None without reports."""
        first, curve = self.objectives[0], self.curve(reports)
        if first.at == "last":
            return max(curve, default=None)
        return first.goal.best_step(curve)

    def values_by_step(self, reports: Mapping[int, Report]) -> dict[int, ValueAtStep]:
        """Losses by step; empty for one objective without constraints."""
        if len(self.objectives) == 1 and not self.constraints:
            return {}
        found: dict[int, ValueAtStep] = {}
        best: dict[int, Report] = {}
        for step in sorted(self.curve(reports)):
            if self.step(best | {step: reports[step]}) == step:
                best = {step: reports[step]}
                stage = ValueAtStep(self.values(best), self.violations(best))
            found[step] = stage
        return found

    def values(self, reports: Mapping[int, Report]) -> tuple[float, ...]:
        """Losses, one an objective; empty if any was not reported."""
        metrics = self._metrics(reports)
        if any(objective.metric not in metrics for objective in self.objectives):
            return ()
        return tuple(metrics[objective.metric] for objective in self.objectives)

    def violations(self, reports: Mapping[int, Report]) -> tuple[float, ...]:
        """Violations, one a constraint, <= 0 if satisfied; empty if any was not reported."""
        metrics = self._metrics(reports)
        if any(constraint.metric not in metrics for constraint in self.constraints):
            return ()
        return tuple(c.violation(metrics[c.metric]) for c in self.constraints)

    def _metrics(self, reports: Mapping[int, Report]) -> Mapping[str, float]:
        """The metrics that count. A reading of the test split lacks some."""
        step = self.step(reports)
        return {} if step is None else reports[step].metrics

    def violation(self, reports: Mapping[int, Report]) -> float:
        """The total violation; 0 if feasible."""
        return sum(violation for violation in self.violations(reports) if violation > 0)

    def broken(self, reports: Mapping[int, Report]) -> list[str]:
        """Each violated constraint, with the reported value."""
        metrics = self._metrics(reports)
        there = [c for c in self.constraints if c.metric in metrics]
        found = [c for c in there if c.violation(metrics[c.metric]) > 0]
        return [f"{c} ({metrics[c.metric]:.4g})" for c in found]

    def preferred(self, points: Sequence[Point]) -> list[int]:
        """The positions of `points`, losses of a Pareto set, the picked one first."""
        if self.pick:
            axis = [objective.metric for objective in self.objectives].index(self.pick.metric)
            return nearest_to_best(points, axis, self.pick.within)
        deep = depths(points)
        return sorted(range(len(points)), key=lambda place: (-deep[place], points[place]))

    def losses(self, values: tuple[float, ...]) -> tuple[float, ...]:
        """`values` with signs such that lower is better."""
        return tuple(o.loss(v) for o, v in zip(self.objectives, values, strict=True))
