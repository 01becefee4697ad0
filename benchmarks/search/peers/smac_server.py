"""SMAC3: its black-box facade (a Gaussian process) and its multi-fidelity facade (random forest and
Hyperband), both asked and told, with every default of theirs.

smac-mf: what is promoted goes on from its checkpoint, though SMAC has no word for one: training
anew would only cost it more. Budgets are rounded to epochs. Asked by several workers, it opens new
brackets rather than let one wait. smac-bb: `n_trials` is the budget in full trainings, since it
sets the size of the initial design. Conditions are told as such.
"""

from typing import Any

from ConfigSpace import (
    AndConjunction,
    Categorical,
    ConfigurationSpace,
    Float,
    GreaterThanCondition,
    InCondition,
    Integer,
    LessThanCondition,
    NotEqualsCondition,
)
from serve import Server, Start, serve
from smac import BlackBoxFacade, MultiFidelityFacade, Scenario
from smac.runhistory.dataclasses import TrialValue


class Smac:
    def __init__(self, start: Start) -> None:
        self.epochs = start["epochs"]
        space = configspace(start["space"], start["seed"])
        shared = {"deterministic": True, "seed": start["seed"]}
        never = lambda config, seed=0, budget=None: 0.0  # noqa: E731  it is only asked and told
        if start["method"] == "smac-mf":
            scenario = Scenario(space, min_budget=1, max_budget=self.epochs, **shared)
            intensifier = MultiFidelityFacade.get_intensifier(
                scenario, incumbent_selection="highest_budget"
            )
            self.facade = MultiFidelityFacade(
                scenario, never, intensifier=intensifier, overwrite=True, logging_level=50
            )
        else:
            scenario = Scenario(space, n_trials=start["trainings"], **shared)
            self.facade = BlackBoxFacade(scenario, never, overwrite=True, logging_level=50)
        self.running: dict[int, Any] = {}
        self.trained: dict[Any, int] = {}
        self.asked = 0

    def ask(self) -> dict[str, Any]:
        info = self.facade.ask()
        self.asked += 1
        self.running[self.asked] = info
        first = self.trained.get(info.config, 0) + 1
        last = max(first, round(info.budget)) if info.budget else self.epochs
        self.trained[info.config] = last
        return {"key": self.asked, "params": dict(info.config), "first": first, "last": last}

    def report(self, key: int, epoch: int, loss: float) -> bool:
        return True

    def done(self, key: int, losses: list[float]) -> None:
        self.facade.tell(self.running.pop(key), TrialValue(cost=min(losses)), save=False)


def configspace(told: list[dict[str, Any]], seed: int) -> ConfigurationSpace:
    space = ConfigurationSpace(seed=seed)
    known = {parameter["name"]: hyperparameter(parameter) for parameter in told}
    space.add(list(known.values()))
    for parameter in told:
        child = known[parameter["name"]]
        conditions = [condition(child, known[when["parent"]], when) for when in parameter["when"]]
        if len(conditions) > 1:
            space.add(AndConjunction(*conditions))
        elif conditions:
            space.add(conditions)
    return space


def hyperparameter(told: dict[str, Any]) -> Any:
    if told["kind"] == "choice":
        return Categorical(told["name"], told["choices"])
    of = Integer if told["kind"] == "int" else Float
    return of(told["name"], (told["low"], told["high"]), log=told["log"])


def condition(child: Any, parent: Any, when: dict[str, Any]) -> Any:
    operator, operands = when["operator"], when["operands"]
    if operator == "in":
        return InCondition(child, parent, operands)
    if operator == "!=":
        return NotEqualsCondition(child, parent, operands[0])
    step = int(operator.endswith("=") and isinstance(parent.lower, int))  # ConfigSpace is strict
    if operator.startswith(">"):
        return GreaterThanCondition(child, parent, operands[0] - step)
    return LessThanCondition(child, parent, operands[0] + step)


def build(start: Start) -> Server:
    return Smac(start)


if __name__ == "__main__":
    serve(build)
