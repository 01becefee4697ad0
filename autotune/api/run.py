"""autotune.run: a study in one call."""

from typing import Any, Unpack

from autotune.api.drive import drive
from autotune.api.study import Study
from autotune.api.to_spec import Objective, Sections, Target, runs_folder, spelled

__all__ = ["run"]


def run(
    target: Target,
    space: Any = None,
    objective: Objective | None = None,
    *,
    name: str | None = None,
    trials: int | None = None,
    time: str | float | None = None,
    **sections: Unpack[Sections],
) -> Study:
    """Runs a study to its end, or continues the one of that name; returns the study.

    - `target`: a function, either `run(config, trial)` that reports or `run(config)` that returns
      its metrics; the path or name of a study file, whose sections the other arguments override;
      or a dict, a training config or a whole study.
    - `space`: parameters by dotted path, as `autotune.Float`, `Int` and `Categorical` make them,
      or the mappings and fragments of a study file.
    - `objective`: `autotune.maximize("val_accuracy")`, `minimize`, a list of them, or a metric's
      name if its direction is clear.
    - `name`: the function's name if not given.
    - `trials` and `time`, such as "10m": the budget; whichever comes first.
    - `sections`: any other section of a study file, with its keys: `worker={"cpus": 1}`,
      `trial={"epochs": 9}`; and `runs`, `engine`, `address`, `view=False` and `changed`.

    Called again with the same study, it continues where it stopped. Raises KeyboardInterrupt, with
    everything written, if it is interrupted, and AutotuneError with all mistakes at once.
    """
    named = {"space": space, "objective": objective, "name": name, "trials": trials, "time": time}
    given = {**named, **sections}
    spec, passed = spelled(target, given)
    runs = runs_folder(given)
    drive(spec, runs, passed, sections)
    return Study(spec.name, runs, passed.function if passed else None)
