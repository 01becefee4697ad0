"""A space as peers are told it: a list of plain parameters; and what they answer, read back.

A choice goes by its JSON text, so that numbers, true and null are one more category to every peer.
Conditions are told to those that have them; from what the others propose, the inactive parameters
are dropped, as the training code of their users does.
"""

import json
from collections.abc import Mapping
from typing import Any

from autotune.space import Categorical, Condition, Int, Parameter, Space, is_active
from autotune.trial import Scalar

__all__ = ["read", "told"]


def told(space: Space) -> list[dict[str, Any]]:
    """Per parameter: name, kind (float, int or choice), low, high and log or choices, prior and
    confidence (null where the space has none), when.

    Each entry of `when` has parent, operator (in, <, <=, >, >= or !=) and operands; a condition on
    a choice always is an `in`. Raises ValueError for a number with a `step`.
    """
    return [_told(name, parameter, space) for name, parameter in space.parameters.items()]


def read(space: Space, values: Mapping[str, Any]) -> dict[str, Scalar]:
    """The point of `space` that a peer means; `values` may hold inactive parameters too."""
    params: dict[str, Scalar] = {}
    for name, parameter in space.parameters.items():
        if is_active(parameter, params):
            params[name] = _value(parameter, values[name])
    return params


def _told(name: str, parameter: Parameter, space: Space) -> dict[str, Any]:
    prior = parameter.prior if parameter.confidence else None
    both: dict[str, Any] = {
        "name": name,
        "prior": prior,
        "confidence": parameter.confidence,
        "when": [_condition(c, space.parameters[c.parent]) for c in parameter.when],
    }
    if isinstance(parameter, Categorical):
        choices = [json.dumps(choice) for choice in parameter.choices]
        told_prior = json.dumps(prior) if parameter.confidence else None
        return {**both, "kind": "choice", "choices": choices, "prior": told_prior}
    if parameter.step is not None:
        raise ValueError(f"{name}: peers are told no `step`, but got {parameter.step}")
    return {
        **both,
        "kind": parameter.kind,
        "low": parameter.low,
        "high": parameter.high,
        "log": parameter.log,
    }


def _condition(condition: Condition, parent: Parameter) -> dict[str, Any]:
    operator, operands = str(condition.operator), list(condition.operands)
    if isinstance(parent, Categorical):
        operator = "in"
        operands = [json.dumps(choice) for choice in parent.choices if condition.holds(choice)]
    return {"parent": condition.parent, "operator": operator, "operands": operands}


def _value(parameter: Parameter, value: Any) -> Scalar:
    """Numbers within their bounds: a peer's way through a logarithm may miss one by a bit."""
    if isinstance(parameter, Categorical):
        choice: Scalar = json.loads(value)
        return choice
    number = int(round(value)) if isinstance(parameter, Int) else float(value)
    return min(max(number, parameter.low), parameter.high)
