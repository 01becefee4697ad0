"""study.yaml -> StudySpec, and back. The only room that reads or writes YAML.

    spec = load(find("quickstart"), overrides=["budget.trials=10"])
    check(spec)

Imports neither torch nor ray, mlflow or optuna.
"""

from autotune.spec.addresses import exposed
from autotune.spec.load import (
    check,
    differences,
    dump,
    dump_config,
    dump_shown,
    from_values,
    frozen,
    load,
    load_config,
    plain,
    refuse_changes,
)
from autotune.spec.model import (
    Budget,
    Confirm,
    MlflowTracking,
    NoTracking,
    StudySpec,
    Worker,
    is_shared,
)
from autotune.spec.objectives import Constraint, Objective, Scoring, Within
from autotune.spec.overrides import assigned
from autotune.spec.schema import schema
from autotune.spec.shares import shares
from autotune.spec.shipped import find, searching, shipped

__all__ = [
    "Budget",
    "Confirm",
    "Constraint",
    "MlflowTracking",
    "NoTracking",
    "Objective",
    "Scoring",
    "StudySpec",
    "Within",
    "Worker",
    "assigned",
    "check",
    "differences",
    "dump",
    "dump_config",
    "dump_shown",
    "exposed",
    "find",
    "from_values",
    "frozen",
    "is_shared",
    "load",
    "load_config",
    "plain",
    "refuse_changes",
    "schema",
    "searching",
    "shares",
    "shipped",
]
