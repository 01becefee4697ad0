"""Hyperparameter tuning for deep learning. Start reading with docs/architecture.md.

    import autotune

    space = {"lr": autotune.Float(1e-4, 1, log=True)}
    study = autotune.run(train, space, "val_accuracy", trials=30)
    study.best.params

Each name is imported when it is first used: `import autotune` costs nothing, and neither torch nor
Ray nor MLflow is imported before something needs it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autotune.api.ask import AskedStudy, AskedTrial, create
    from autotune.api.parameters import Categorical, Float, Int, maximize, minimize
    from autotune.api.run import run
    from autotune.api.study import Study, Winner, load, studies
    from autotune.engine.worker.function import FunctionTrial as Trial
    from autotune.errors import AutotuneError
    from autotune.report.script import report

__version__ = "0.2.0"

__all__ = [
    "AskedStudy",
    "AskedTrial",
    "AutotuneError",
    "Categorical",
    "Float",
    "Int",
    "Study",
    "Trial",
    "Winner",
    "create",
    "load",
    "maximize",
    "minimize",
    "report",
    "run",
    "studies",
]

_HOMES = {
    "AskedStudy": "api.ask",
    "AskedTrial": "api.ask",
    "AutotuneError": "errors",
    "Categorical": "api.parameters",
    "Float": "api.parameters",
    "Int": "api.parameters",
    "Study": "api.study",
    "Trial": "engine.worker.function:FunctionTrial",
    "Winner": "api.study",
    "create": "api.ask",
    "load": "api.study",
    "maximize": "api.parameters",
    "minimize": "api.parameters",
    "report": "report:*",
    "run": "api.run",
    "studies": "api.study",
}
"""Name -> the module that has it, and how it is called there where that differs; *: the module
itself, which can be called."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'autotune' has no attribute {name!r}")
    module, _, inner = _HOMES[name].partition(":")
    home = import_module(f"autotune.{module}")
    found = home if inner == "*" else getattr(home, inner or name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
