"""The peers of the search benchmark: what they are told, how they are asked, what they answer."""

import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from autotune.space import Space
from autotune.trial import Scalar
from benchmarks.search import clock
from benchmarks.search.methods import METHODS
from benchmarks.search.peers import PeerProcess, venvs
from benchmarks.search.peers.told import read, told
from benchmarks.search.task import Curve, Reference

SPACE = Space.parse(
    {
        "lr": {"type": "float", "low": 1e-4, "high": 1.0, "log": True},
        "model.width": {"type": "int", "low": 16, "high": 512, "log": True},
        "depth": {"type": "int", "low": 1, "high": 4},
        "batch": {"type": "categorical", "choices": [16, 64, True, None, "all"]},
        "optimizer.name": {
            "type": "categorical",
            "choices": ["sgd", "momentum", "adam"],
            "prior": "adam",
            "confidence": "medium",
        },
        "momentum": {
            "type": "float",
            "low": 0.5,
            "high": 0.99,
            "when": {"optimizer.name": ["momentum"]},
        },
        "skip": {"type": "float", "low": 0.0, "high": 1.0, "when": {"depth": ">= 2"}},
    }
)


@dataclass
class Bowl:
    """A curve that falls with the epochs, to a floor that the parameters set."""

    space: Space = SPACE
    epochs: int = 27
    name: str = "bowl"

    @property
    def reference(self) -> Reference:
        return Reference(0.0, 1.0, 27.0)

    def curve(self, params: Mapping[str, Any]) -> Curve:
        assert SPACE.contains(params) == []
        floor = abs(params["lr"] - 0.1) + abs(params["model.width"] - 100) / 500
        losses = [floor + 1 / epoch for epoch in range(1, self.epochs + 1)]
        return Curve(losses, list(range(1, self.epochs + 1)))


def test_a_space_is_told_in_plain_values() -> None:
    by_name = {parameter["name"]: parameter for parameter in told(SPACE)}
    assert by_name["lr"] == {
        "name": "lr",
        "kind": "float",
        "low": 1e-4,
        "high": 1.0,
        "log": True,
        "prior": None,
        "confidence": None,
        "when": [],
    }
    assert by_name["batch"]["choices"] == ["16", "64", "true", "null", '"all"']
    assert by_name["optimizer.name"]["prior"] == '"adam"'
    assert by_name["momentum"]["when"] == [
        {"parent": "optimizer.name", "operator": "in", "operands": ['"momentum"']}
    ]
    assert by_name["skip"]["when"] == [{"parent": "depth", "operator": ">=", "operands": [2]}]


def test_what_is_inactive_is_overlooked_and_numbers_keep_their_bounds() -> None:
    numbers = {"lr": 1.0000000000000002, "model.width": 99.6, "depth": 1}
    values = {**numbers, "batch": "null", "optimizer.name": '"sgd"', "momentum": 0.7, "skip": 0.1}
    params = {"lr": 1.0, "model.width": 100, "depth": 1, "batch": None, "optimizer.name": "sgd"}
    assert read(SPACE, values) == params


def test_a_step_is_refused() -> None:
    space = Space.parse({"a": {"type": "int", "low": 1, "high": 9, "step": 2}})
    with pytest.raises(ValueError, match="a: peers are told no `step`, but got 2"):
        told(space)


RANDOM = """
import random
from serve import serve

class Random:
    def __init__(self, start):
        self.rng, self.space, self.key = random.Random(start["seed"]), start["space"], 0
        print("what a peer prints is no answer")
    def ask(self):
        self.key += 1
        if self.key > 200:
            raise LookupError("nothing is left")
        params = {p["name"]: self.draw(p) for p in self.space}
        return {"key": self.key, "params": params, "first": 1, "last": 27}
    def draw(self, p):
        if p["kind"] == "choice":
            return self.rng.choice(p["choices"])
        return self.rng.uniform(p["low"], p["high"])
    def report(self, key, epoch, loss):
        return epoch < 3
    def done(self, key, losses):
        assert len(losses) == 3

serve(Random)
"""
START = {"method": "any", "seed": 0, "workers": 4, "trainings": 10}


def test_a_process_is_asked_until_time_is_over(tmp_path: Path) -> None:
    script = tmp_path / "random_server.py"
    script.write_text(RANDOM)
    with PeerProcess(Path(sys.executable), script, START, Bowl()) as peer:
        found = clock.search(Bowl(), peer, 4, 30.0)
        assert peer.spent() > 0
    assert found.trials == 44
    assert found.losses == sorted(found.losses, reverse=True)


def test_a_process_that_dies_says_why(tmp_path: Path) -> None:
    script = tmp_path / "random_server.py"
    script.write_text(RANDOM)
    with (
        PeerProcess(Path(sys.executable), script, START, Bowl()) as peer,
        pytest.raises(RuntimeError, match="(?s)died at 'ask'.*nothing is left"),
    ):
        clock.search(Bowl(), peer, 4, 1000.0)


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.venv])
@pytest.mark.timeout(900)
def test_every_peer_searches_a_mixed_space_and_repeats_itself(name: str) -> None:
    venv = METHODS[name].venv
    assert venv in venvs.NAMES
    python = venvs.python(venv)
    if python is None:
        pytest.skip(f"AUTOTUNE_BENCH_VENVS holds no {venv}")
    first, second = (asked(name, python, venv) for _ in range(2))
    assert first == second
    assert len({tuple(params.values()) for params, _, _ in first}) > 5
    assert all(1 <= begin <= end <= Bowl.epochs for _, begin, end in first)


def asked(name: str, python: Path, venv: str) -> list[tuple[dict[str, Scalar], int, int]]:
    """What three busy workers are given, results coming in an order of their own."""
    rng, task = random.Random(0), Bowl()
    start = {"method": name, "seed": 1, "workers": 3, "trainings": 20}
    answers, running = [], []
    with PeerProcess(python, venvs.server(venv), start, task) as peer:
        for _ in range(12):
            running.append(work := peer.ask())
            answers.append((dict(work.params), work.first, work.last))
            if len(running) == 3:
                work = running.pop(rng.randrange(3))
                losses = list(task.curve(work.params).losses)
                epoch = work.first
                while epoch < work.last and peer.report(work, epoch, losses[epoch - 1]):
                    epoch += 1
                peer.done(work, losses[:epoch])
    return answers
