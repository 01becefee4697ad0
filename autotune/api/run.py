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
    """Runs a study to its end, or goes on with the one of that name; the study.

    `target`: a function, `run(config, trial)` that reports or `run(config)` that returns its
    metrics; the path or name of a study file, whose sections the others set; or a dict, a training
    config or a whole study. `space`: parameters by their dotted paths, as `autotune.Float`, `Int`
    and `Categorical` make them, or the mappings and fragments of a study file. `objective`:
    `autotune.maximize("val_accuracy")`, `minimize`, a list of them, or a metric's name where that
    says which way is better. `name`: the function's if not given. `trials` and `time`, such as
    "10m": the budget; whichever comes first. `sections`: any other section of a study file, with
    its keys: `worker={"cpus": 1}`, `trial={"epochs": 9}`; and `runs`, `engine`, `address`,
    `view=False` and `changed`.

    Called again with the same study it goes on where it stopped. Raises KeyboardInterrupt, with all
    written, where it is interrupted, and AutotuneError for what is wrong, all of it in one go.
    """
    named = {"space": space, "objective": objective, "name": name, "trials": trials, "time": time}
    given = {**named, **sections}
    spec, passed = spelled(target, given)
    runs = runs_folder(given)
    drive(spec, runs, passed, sections)
    return Study(spec.name, runs, passed.function if passed else None)
