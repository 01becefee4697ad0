"""HEBO: a Gaussian process on warped inputs and outputs, and an evolutionary search of three
acquisitions; whole trainings.

It knows no pending trials; its answer to several workers is a batch, so it is asked for one of as
many as there are workers, and again when that is handed out. A batch costs 4 seconds of a processor
whatever the model: `suggest` fixes 100 generations of 100 in pymoo, in plain Python. No conditions:
what is inactive is overlooked. Its release still says `np.int`, which numpy has dropped.
"""

import random
from typing import Any

import numpy as np

np.int = int  # type: ignore[attr-defined]

import torch  # noqa: E402
from hebo.design_space.design_space import DesignSpace  # noqa: E402
from hebo.optimizers.hebo import HEBO  # noqa: E402
from serve import Server, Start, serve  # noqa: E402


class Hebo:
    def __init__(self, start: Start) -> None:
        seed = start["seed"]
        random.seed(seed)  # its draws come from the global generators
        np.random.seed(seed)
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        self.epochs = start["epochs"]
        space = DesignSpace().parse([parameter(told) for told in start["space"]])
        self.tuner = HEBO(space, scramble_seed=seed)
        self.batch = start["workers"]
        self.ahead: list[Any] = []
        self.running: dict[int, Any] = {}
        self.asked = 0

    def ask(self) -> dict[str, Any]:
        if not self.ahead:
            batch = self.tuner.suggest(n_suggestions=self.batch)
            self.ahead = [batch.iloc[[row]] for row in range(len(batch))]
        suggestion = self.ahead.pop(0)
        self.asked += 1
        self.running[self.asked] = suggestion
        params = {name: plain(value) for name, value in suggestion.iloc[0].items()}
        return {"key": self.asked, "params": params, "first": 1, "last": self.epochs}

    def report(self, key: int, epoch: int, loss: float) -> bool:
        return True

    def done(self, key: int, losses: list[float]) -> None:
        self.tuner.observe(self.running.pop(key), np.array([[min(losses)]]))


def parameter(told: dict[str, Any]) -> dict[str, Any]:
    if told["kind"] == "choice":
        return {"name": told["name"], "type": "cat", "categories": told["choices"]}
    types = {("float", False): "num", ("float", True): "pow", ("int", False): "int"}
    type_ = types.get((told["kind"], told["log"]), "pow_int")
    return {"name": told["name"], "type": type_, "lb": told["low"], "ub": told["high"]}


def plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def build(start: Start) -> Server:
    return Hebo(start)


if __name__ == "__main__":
    serve(build)
