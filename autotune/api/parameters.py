"""Parameters and objectives in Python: the same mappings that a study file holds."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from autotune.errors import UserError, echo

__all__ = ["Categorical", "Float", "Int", "goal_of", "maximize", "minimize"]

Scalar = str | int | float | bool | None
Confidence = Literal["low", "medium", "high"]
When = Mapping[str, Any]

_SMALL = frozenset("loss error err rmse mse mae latency seconds perplexity params".split())
_LARGE = frozenset("accuracy acc auc auroc f1 precision recall r2 score iou map".split())


def Float(  # noqa: N802
    low: float,
    high: float,
    *,
    log: bool = False,
    step: float | None = None,
    prior: float | None = None,
    when: When | None = None,
) -> dict[str, Any]:
    """A number from `low` to `high`, both included; on a logarithmic scale with `log`.

    `step`: only low, low + step, ... `prior`: a value that you believe in. `when`: searched only
    where all hold, such as {"optimizer.name": ["sgd"]} or {"model.depth": ">= 2"}.
    """
    given = {"low": low, "high": high, "log": log or None, "step": step, "prior": prior}
    return _written("float", given, when)


def Int(  # noqa: N802
    low: int,
    high: int,
    *,
    log: bool = False,
    step: int | None = None,
    prior: int | None = None,
    when: When | None = None,
) -> dict[str, Any]:
    """A whole number from `low` to `high`, both included; the rest as in `Float`."""
    given = {"low": low, "high": high, "log": log or None, "step": step, "prior": prior}
    return _written("int", given, when)


def Categorical(  # noqa: N802
    choices: Sequence[Scalar], *, prior: Scalar = None, when: When | None = None
) -> dict[str, Any]:
    """One of `choices`: strings, numbers, True, False and None."""
    return _written("categorical", {"choices": list(choices), "prior": prior}, when)


def maximize(metric: str, *, at: Literal["best", "last"] = "best") -> dict[str, Any]:
    """Objective: a trial's value is its largest `metric`, or with `at="last"` its last one."""
    return {"metric": metric, "goal": "maximize", "at": at}


def minimize(metric: str, *, at: Literal["best", "last"] = "best") -> dict[str, Any]:
    """Objective: a trial's value is its smallest `metric`, or with `at="last"` its last one."""
    return {"metric": metric, "goal": "minimize", "at": at}


def goal_of(metric: str) -> dict[str, Any]:
    """The objective for a metric's name. Raises UserError if its direction is not clear."""
    words = set(metric.lower().replace("/", "_").replace("-", "_").split("_"))
    if words & _SMALL:
        return minimize(metric)
    if words & _LARGE:
        return maximize(metric)
    raise UserError(
        f"objective={echo(metric)}: its name does not say which way is better: give"
        f" autotune.maximize({metric!r}) or autotune.minimize({metric!r})"
    )


def _written(kind: str, given: Mapping[str, Any], when: When | None) -> dict[str, Any]:
    values = {key: value for key, value in given.items() if value is not None}
    return {"type": kind, **values, **({"when": dict(when)} if when else {})}
