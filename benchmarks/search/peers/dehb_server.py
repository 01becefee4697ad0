"""DEHB: differential evolution under Hyperband.

Its ConfigSpace mode calls a function that ConfigSpace 1.x has dropped, so it is given what is left,
a unit cube, and each coordinate is read here as its own `vector_to_configspace` would: numbers
scaled (on the logarithm), choices as equal bins. No conditions: what is inactive is overlooked.
Fidelities are rounded to epochs. What is promoted as it is, in its first brackets, goes on from its
checkpoint; later promotions are new configurations.
"""

import math
from typing import Any

from dehb import DEHB
from serve import Server, Start, serve


class Dehb:
    def __init__(self, start: Start) -> None:
        self.space = start["space"]
        self.tuner = DEHB(
            cs=None,
            f=None,
            dimensions=len(self.space),
            min_fidelity=1,
            max_fidelity=start["epochs"],
            n_workers=1,  # more would start a cluster; asking again and again is enough
            seed=start["seed"],
            save_freq="end",
        )
        self.running: dict[int, Any] = {}
        self.trained: dict[int, int] = {}
        self.asked = 0

    def ask(self) -> dict[str, Any]:
        job = self.tuner.ask()
        self.asked += 1
        self.running[self.asked] = job
        known, last = self.trained.get(job["config_id"], 0), round(job["fidelity"])
        first = min(known + 1, last)  # asked for once more as it stands, it repeats its last epoch
        self.trained[job["config_id"]] = max(known, last)
        params = {
            of["name"]: decode(of, u) for of, u in zip(self.space, job["config"], strict=True)
        }
        return {"key": self.asked, "params": params, "first": first, "last": last}

    def report(self, key: int, epoch: int, loss: float) -> bool:
        return True

    def done(self, key: int, losses: list[float]) -> None:
        result = {"fitness": min(losses), "cost": float(len(losses))}
        self.tuner.tell(self.running.pop(key), result)


def decode(told: dict[str, Any], unit: float) -> Any:
    if told["kind"] == "choice":
        return told["choices"][min(int(unit * len(told["choices"])), len(told["choices"]) - 1)]
    low, high = told["low"], told["high"]
    if told["log"]:
        return math.exp(math.log(low) + unit * (math.log(high) - math.log(low)))
    return low + unit * (high - low)


def build(start: Start) -> Server:
    return Dehb(start)


if __name__ == "__main__":
    serve(build)
