"""Syne Tune: ASHA (stopping, random draws), BOHB and CQR under ASHA, and CQR on whole trainings.

Every epoch's loss is reported, as its tuner does; a stopped trial is removed. Its searchers under
ASHA train on the last value of each trial, whatever its epoch. No conditions: users give the flat
space and overlook what is inactive.
"""

import datetime
import random
from typing import Any

import numpy as np
from serve import Server, Start, serve
from syne_tune.backend.trial_status import Trial
from syne_tune.config_space import choice, lograndint, loguniform, randint, uniform
from syne_tune.optimizer.baselines import ASHA, ASHACQR, BOHB, CQR
from syne_tune.optimizer.scheduler import SchedulerDecision

EARLY = {"syne-asha": ASHA, "syne-bohb": BOHB, "syne-asha-cqr": ASHACQR}


class SyneTune:
    def __init__(self, start: Start) -> None:
        seed = start["seed"]
        np.random.seed(seed)  # its draws come from the global generators
        random.seed(seed)
        self.epochs = start["epochs"]
        self.early = start["method"] in EARLY
        shared = {"metric": "loss", "do_minimize": True, "random_seed": seed}
        space = {parameter["name"]: domain(parameter) for parameter in start["space"]}
        if self.early:
            of = EARLY[start["method"]]
            self.scheduler = of(space, time_attr="epoch", max_t=self.epochs, **shared)
        else:
            self.scheduler = CQR(space, **shared)
        self.running: dict[int, Trial] = {}
        self.asked = 0

    def ask(self) -> dict[str, Any]:
        suggestion = self.scheduler.suggest()
        trial = Trial(self.asked, suggestion.config, datetime.datetime.now())
        self.asked += 1
        self.running[trial.trial_id] = trial
        self.scheduler.on_trial_add(trial)
        return {"key": trial.trial_id, "params": trial.config, "first": 1, "last": self.epochs}

    def report(self, key: int, epoch: int, loss: float) -> bool:
        if not self.early:
            return True
        result = {"loss": loss, "epoch": epoch}
        decision = self.scheduler.on_trial_result(self.running[key], result)
        return bool(decision == SchedulerDecision.CONTINUE)

    def done(self, key: int, losses: list[float]) -> None:
        trial = self.running.pop(key)
        if len(losses) < self.epochs:
            self.scheduler.on_trial_remove(trial)
            return
        loss = losses[-1] if self.early else min(losses)
        self.scheduler.on_trial_complete(trial, {"loss": loss, "epoch": self.epochs})


def domain(told: dict[str, Any]) -> Any:
    if told["kind"] == "choice":
        return choice(told["choices"])
    if told["kind"] == "int":
        return (lograndint if told["log"] else randint)(told["low"], told["high"])
    return (loguniform if told["log"] else uniform)(float(told["low"]), float(told["high"]))


def build(start: Start) -> Server:
    return SyneTune(start)


if __name__ == "__main__":
    serve(build)
