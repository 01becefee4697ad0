"""Each benchmark in its smallest form: none rots while nobody measures."""

import gzip
import json
import struct
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.search import __main__ as command
from benchmarks.search import again, beliefs, measure, several, tables, warm
from benchmarks.search.lcbench import SPACE
from benchmarks.search.suites import SUITES
from benchmarks.search.task import Curve, Reference

ROOT = Path(__file__).parents[2] / "benchmarks"
QUICK = {
    "augment": "--rounds 2 --batch 4",
    "command": "--pairs 2",
    "distill": "--seeds 2 --epochs 1",
    "read_commands": "--trials 12 --repeats 1",
    "search.cost": "--sizes 12",
    "short_trials": "--trials 25",
    "simulate_scale": "--trials 20 --workers 4",
    "synthetic": "--seeds 2 --epochs 1 --steps 2",
    "train_epoch": "--pairs 2 --epochs 2",
    "winner": "--draws 2",
}
"""Module -> arguments."""
SLOW = {
    "glue": "run --arms b,c,d,e --repeats 1 --trials 2",
    "parallel": "--pairs 1 --epochs 1 --samples 300",
    "orchestration": "--repeats 1 --trials 2 --usual-trials 1",
    "quickstart": "--repeats 1 --trials 4",
}
"""Those that start Ray, or processes of their own."""
TESTED_APART = {"gpu", "memory", "mlflow_page", "sync"} | {
    f"search.{name}" for name in ("again", "beliefs", "several", "warm")
}


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a benchmark keeps for the next one ends with the test."""
    monkeypatch.setenv("AUTOTUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("AUTOTUNE_BENCH_DATA", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT.parent))
    yield
    measure.load.cache_clear()


def ran(module: str, arguments: str) -> None:
    name = f"benchmarks.{module}.__main__" if (ROOT / module).is_dir() else f"benchmarks.{module}"
    assert import_module(name).main(arguments.split()) in (None, 0)


@pytest.mark.parametrize("module", QUICK)
def test_quick(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    ran(module, QUICK[module])
    assert capsys.readouterr().out.strip()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("module", SLOW)
def test_with_ray(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    ran(module, SLOW[module])
    assert capsys.readouterr().out.strip()


def test_no_benchmark_is_left_out() -> None:
    files = {path for path in ROOT.rglob("*.py") if "def main(" in path.read_text()}
    names = {str(path.relative_to(ROOT).with_suffix("")).replace("/", ".") for path in files}
    commands = {name.removesuffix(".__main__") for name in names}
    arms = {f"glue.{name}" for name in ("expert", "floor", "optuna2", "ours", "usual")}
    assert commands - arms == QUICK.keys() | SLOW.keys() | TESTED_APART | {"search"}


# -- what needs data


@pytest.mark.slow
def test_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part, size in (("train", 6_000), ("t10k", 20)):  # smaller files are not kept
        images = np.zeros((size, 28, 28), np.uint8)
        for kind, values in (("images-idx3", images), ("labels-idx1", np.arange(size) % 10)):
            head = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}i", *values.shape)
            packed = gzip.compress(head + values.astype(np.uint8).tobytes(), 0)
            (tmp_path / f"{part}-{kind}-ubyte.gz").write_bytes(packed)
    ran("memory", f"--workers 1 --root {tmp_path}")
    assert "copies of the data on the machine" in capsys.readouterr().out


class Valley:
    """In place of a surrogate: losses fall with the epochs to what the learning rate allows."""

    space, epochs = SPACE, 4
    reference = Reference(0.0, 5.0, 4.0)

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name

    def curve(self, params: Any) -> Curve:
        floor = abs(params["learning_rate"] - 0.01) * 50 + params["max_dropout"]
        seconds = [epoch * (1 + params["num_layers"] / 10) for epoch in range(1, 52)]
        return Curve([floor + 1 / epoch for epoch in range(1, 52)], seconds)


@pytest.fixture
def valley(monkeypatch: pytest.MonkeyPatch) -> None:
    suite = replace(SUITES["lcbench"], load=Valley, file=None, package=None)
    monkeypatch.setitem(SUITES, "lcbench", suite)
    monkeypatch.setattr(measure, "BUDGETS", (2, 5))
    for module in (several, warm):
        monkeypatch.setattr(module, "Lcbench", Valley)


def test_the_search_benchmark_and_again(
    valley: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    monkeypatch.setattr(again, "RESULTS", tmp_path)
    assert command.main("run --suite lcbench --seeds 1 --methods auto random".split()) == 0
    assert again.main(["--rows", "2"]) == 0
    assert "2 of 2 stored rows are equal" in capsys.readouterr().out


def test_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    axes = {"a": ["x", "y", "z"], "b": [1, 2, 4]}
    scores, times = np.arange(9.0).reshape(3, 3, 1), np.ones((3, 3, 1))
    for file in ("nasbench201", "hpolib"):
        arrays: dict[str, Any] = {"__space__": np.array(json.dumps(axes))}
        for known, task in tables.TASKS.values():
            if known == file:
                arrays |= {f"{task}/val_acc": scores, f"{task}/val_loss": scores}
                arrays[f"{task}/train_time"] = times
        np.savez(tmp_path / f"{file}.npz", **arrays)
    assert command.main("run --suite tables --quick --methods random auto".split()) == 0
    assert "| random, whole trainings |" in capsys.readouterr().out.lower()


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        (several, ["--tasks", "3945", "--methods", "mfgp asha", "random none"]),
        (warm, ["--tasks", "3945", "34539"]),
        (beliefs, ["--tasks", "3945"]),
    ],
    ids=["several", "warm", "beliefs"],
)
def test_what_reads_learning_curves(
    valley: None, module: Any, arguments: list[str], tmp_path: Path, capsys: Any
) -> None:
    module.main([*arguments, "--seeds", "1", "--out", str(tmp_path / "rows.jsonl")])
    assert "|" in capsys.readouterr().out
