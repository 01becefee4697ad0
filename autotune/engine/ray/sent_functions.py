"""Functions that Python passed on, sent to the workers as bytes by one ray.put."""

import io
import sys
from collections.abc import Mapping
from typing import Any

import ray
from ray import cloudpickle
from ray.util.check_serialize import inspect_serializability

from autotune.errors import UserError
from autotune.train.function import Passed, offer, passed

__all__ = ["receive", "send"]

_RECEIVED: dict[str, Any] = {}
"""What this worker was sent last under each name."""


def send(reference: object) -> dict[str, Any]:
    """What an assignment of that function carries: a reference to its bytes; nothing where workers
    find it by its path. Raises UserError, naming what it is, for what cannot be sent."""
    given = passed(reference)
    if given is None:
        return {}
    try:
        packed = _packed(given.function)
    except Exception as error:
        raise UserError(_unsendable(given.function, str(reference), error)) from error
    return {"function": ray.put(packed)}


def _packed(function: Any) -> bytes:
    """By value, its module's other functions too: workers cannot import them."""
    module = sys.modules.get(getattr(function, "__module__", ""))
    by_value = {"__main__", "builtins", *cloudpickle.list_registry_pickle_by_value()}
    if module is None or module.__name__ in by_value:
        return bytes(cloudpickle.dumps(function))
    cloudpickle.register_pickle_by_value(module)
    try:
        return bytes(cloudpickle.dumps(function))
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def _unsendable(function: Any, reference: str, error: Exception) -> str:
    name = reference.partition(":")[2]
    _, failures = inspect_serializability(function, name, print_file=io.StringIO())
    named = [(_last(failure), failure.obj) for failure in failures]
    found = sorted(f"{n} ({type(obj).__name__})" for n, obj in named if obj is not function)
    what = f"it uses {', '.join(found)}" if found else " ".join(str(error).split())[:200]
    return (
        f"function {name} cannot be sent to the workers: {what}. Make such objects inside the"
        ' function, or run it in this process: engine="inline"'
    )


def _last(failure: Any) -> str:
    """The name of the variable that it is of; versions of Ray differ in how they say it."""
    path = getattr(failure, "path", None) or [getattr(failure, "name", "")]
    return str(path[-1])


def receive(reference: object, carried: Mapping[str, Any]) -> None:
    """In a worker: makes the function that an assignment carries known under its name."""
    sent = carried.get("function")
    if sent is None or _RECEIVED.get(str(reference)) == sent:
        return
    try:
        function = cloudpickle.loads(ray.get(sent))
    except Exception as error:  # such as a module that this machine lacks: the trial's own failure
        function = _failing(error)
    offer(str(reference), Passed(function))
    _RECEIVED[str(reference)] = sent


def _failing(error: Exception) -> Any:
    def function(config: Any, trial: Any) -> None:
        raise error

    return function
