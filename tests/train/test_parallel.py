"""Several processes over gloo learn what one learns."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from autotune.errors import UserError
from autotune.testing.parallel import Ranks, check_equal
from autotune.train import loop
from autotune.train.config import TrainConfig, apply

CURVE = "autotune.testing.parallel:curve"
Make = Callable[..., TrainConfig]


@pytest.fixture(scope="module")
def ranks() -> Iterator[Ranks]:
    with Ranks(2) as started:
        yield started


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """A config for 90 small images, of which 54 are trained on."""
    draw = np.random.default_rng(0)
    y = np.arange(90) % 3
    path = tmp_path_factory.mktemp("data") / "images.npz"
    x = draw.normal(size=(90, 3, 8, 8)) + 0.3 * y[:, None, None, None]
    np.savez(path, x=x.astype(np.float32), y=y)

    def make(strategy: str = "ddp", workers: int = 2, **given: object) -> TrainConfig:
        parallel = {"strategy": strategy, "workers": workers}
        base = {"data": {"name": "arrays", "path": str(path)}, "epochs": 3, "batch_size": 16}
        config = apply({**base, "parallel": parallel, **given}, {})
        assert isinstance(config, TrainConfig)
        return config

    return make


MLP = {
    "name": "mlp",
    "norm": "batch",
    "connections": "residual",
    "depth": 3,
    "stochastic_depth": 0.2,
    "dropout": 0.2,
    "width": 32,
}
CNN = {"name": "cnn", "channels": 8, "norm": "batch", "dropout": 0.1}
VIT = {"name": "vit", "width": 16, "depth": 2, "dropout": 0.1, "stochastic_depth": 0.2}
MIXED = {"mix": {"name": "mixup"}, "policy": {"name": "basic"}}
FEW = ("accumulated", "ranks without a sample")
"""Normalised over six samples or fewer, of which float32 gives other digits in any other order."""
CASES: dict[str, dict[str, object]] = {
    "accumulated": {
        "model": MLP,
        "clip_norm": 0.5,
        "accumulate": 3,
        "metrics": ["grad_norm", "params", "f1"],
    },
    "mixed": {"model": CNN, "augment": MIXED, "average": {"name": "swa", "start": 0.2}},
    "averaged": {"model": VIT, "average": {"name": "ema"}, "reports_per_epoch": 2},
    "pruned": {
        "model": {"name": "cnn", "channels": 8},
        "prune": {"name": "magnitude"},
        "monitor": {"at": "last"},
        "lr_schedule": {"name": "plateau", "patience": 0},
    },
    "ranks without a sample": {
        "model": {"name": "mlp", "norm": "batch", "width": 16},
        "batch_size": 7,
        "accumulate": 3,
    },
    "regression": {"model": {"name": "mlp", "width": 16}, "loss": {"name": "huber"}},
}


@pytest.mark.parametrize("name", CASES)
def test_ddp_learns_what_one_process_learns(
    name: str, ranks: Ranks, make: Make, tmp_path: Path
) -> None:
    config = make(**CASES[name])
    check_equal(ranks, config, tmp_path / "double", double=True)
    if name not in FEW:
        check_equal(ranks, config, tmp_path / "single")


def test_in_bf16_it_does_so_within_its_rounding(ranks: Ranks, make: Make, tmp_path: Path) -> None:
    check_equal(ranks, make(model=VIT, precision="bf16"), tmp_path, within=1e-2)


@pytest.mark.parametrize("parts", [(2, 1), (1, 2)])
def test_a_checkpoint_goes_on_in_another_number_of_processes(
    parts: tuple[int, int], ranks: Ranks, make: Make, tmp_path: Path
) -> None:
    whole = make(model=CNN, workers=2, average={"name": "ema"})
    fields = [
        make(model=CNN, workers=size, average={"name": "ema"}).model_dump(mode="json")
        for size in parts
    ]
    (first, *_) = ranks.ask(CURVE, fields[0], str(tmp_path), 0, 2, True, size=parts[0])
    (rest, *_) = ranks.ask(CURVE, fields[1], str(tmp_path), 2, None, True, size=parts[1])
    found = check_equal(ranks, whole, tmp_path / "again", double=True)
    for mine, theirs in zip([*first, *rest], found, strict=True):
        assert mine == pytest.approx(theirs, abs=1e-9)


def test_all_processes_end_with_the_first_nan(ranks: Ranks, make: Make, tmp_path: Path) -> None:
    config = make(model={"name": "mlp"}, optimizer={"name": "sgd", "lr": 1e30})
    told = ranks.ask(CURVE, config.model_dump(mode="json"), str(tmp_path))
    assert len(told) == 2 and told[0] == told[1]
    assert told[0]["error"].startswith("NotFinite: train_loss is")


def test_all_processes_stop_where_the_first_one_is_stopped(
    ranks: Ranks, make: Make, tmp_path: Path
) -> None:
    fields = make(model={"name": "mlp"}).model_dump(mode="json")
    told = ranks.ask("autotune.testing.parallel:stopped", fields, str(tmp_path), 2)
    assert told == [2, 2]


def test_one_that_fails_ends_the_waiting_of_the_other(
    ranks: Ranks, make: Make, tmp_path: Path
) -> None:
    fields = make(model={"name": "mlp"}).model_dump(mode="json")
    first, second = ranks.ask("autotune.testing.parallel:broken", fields, str(tmp_path))
    assert second == {"error": "MemoryError: of the second"}
    assert "error" in first and "gloo" in first["error"]
    assert len(ranks.ask(CURVE, fields, str(tmp_path / "again"))[0]) == 3


def test_the_weights_are_judged_in_one_process(ranks: Ranks, make: Make, tmp_path: Path) -> None:
    config = make(model={"name": "mlp"})
    ranks.ask(CURVE, config.model_dump(mode="json"), str(tmp_path))
    assert loop.test(config, tmp_path)["val_accuracy"] > 0.3


def test_a_process_that_stands_alone_says_so(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(UserError, match="asks for 2 processes, but this one stands alone: RANK"):
        next(loop.train(make(model={"name": "mlp"}), tmp_path))
