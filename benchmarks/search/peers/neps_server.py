"""NePS: PriorBand over Hyperband, and what NePS chooses by itself (Hyperband without priors).

It is told the priors of the space where there are any; without them PriorBand draws uniformly and
around its incumbent. No conditions: what is inactive is overlooked. A promotion goes on from its
checkpoint, as its `previous_trial_id` is for.
"""

import random
from typing import Any

import neps
import numpy as np
import torch
from neps.optimizers.algorithms import determine_optimizer_automatically
from serve import Server, Start, serve


class Neps:
    def __init__(self, start: Start) -> None:
        random.seed(start["seed"])  # its draws come from the global generators
        np.random.seed(start["seed"])
        torch.manual_seed(start["seed"])
        torch.set_num_threads(1)
        space = neps.SearchSpace(
            {
                **{parameter["name"]: hyperparameter(parameter) for parameter in start["space"]},
                "epoch": neps.HPOInteger(1, start["epochs"], is_fidelity=True),
            }
        )
        name = "priorband"
        if start["method"] == "neps-auto":
            name = determine_optimizer_automatically(space)
        self.tuner = neps.AskAndTell(getattr(neps.algorithms, name)(space))
        self.running: dict[int, Any] = {}
        self.asked = 0

    def ask(self) -> dict[str, Any]:
        trial = self.tuner.ask()
        self.asked += 1
        self.running[self.asked] = trial
        params = dict(trial.config)
        last = int(params.pop("epoch"))
        before = trial.metadata.previous_trial_id
        first = int(self.tuner.trials[before].config["epoch"]) + 1 if before else 1
        return {"key": self.asked, "params": params, "first": min(first, last), "last": last}

    def report(self, key: int, epoch: int, loss: float) -> bool:
        return True

    def done(self, key: int, losses: list[float]) -> None:
        self.tuner.tell(self.running.pop(key), min(losses))


def hyperparameter(told: dict[str, Any]) -> Any:
    prior = {"prior": told["prior"], "prior_confidence": told["confidence"] or "low"}
    if told["kind"] == "choice":
        return neps.HPOCategorical(told["choices"], **prior)
    of = neps.HPOInteger if told["kind"] == "int" else neps.HPOFloat
    return of(told["low"], told["high"], log=told["log"], **prior)


def build(start: Start) -> Server:
    return Neps(start)


if __name__ == "__main__":
    serve(build)
