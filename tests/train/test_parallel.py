"""Several processes over gloo learn what one learns."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from autotune.errors import AutotuneError, InvalidInput, UserError
from autotune.testing.parallel import Ranks, check_equal
from autotune.train import loop
from autotune.train.config import TrainConfig, apply
from autotune.train.parallel.config import ParallelConfig
from autotune.train.parallel.pipeline import order
from autotune.train.parallel.plan import compare
from autotune.train.parallel.stages import bounds, check_chain

CURVE = "autotune.testing.parallel:curve"
Make = Callable[..., TrainConfig]


@pytest.fixture(scope="module")
def ranks() -> Iterator[Ranks]:
    with Ranks(2) as started:
        yield started


@pytest.fixture(scope="module")
def four() -> Iterator[Ranks]:
    with Ranks(4) as started:
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
    "augmented": {"model": CNN, "augment": {"policy": {"name": "augmix", "crop_pad": 0.2}}},
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
    if name != "augmented":  # whose colours are float32
        check_equal(ranks, config, tmp_path / "double", double=True)
    if name not in FEW:
        check_equal(ranks, config, tmp_path / "single")


def test_in_bf16_it_does_so_within_its_rounding(ranks: Ranks, make: Make, tmp_path: Path) -> None:
    check_equal(ranks, make(model=VIT, precision="bf16"), tmp_path, within=1e-2)


PLAIN = {
    "mlp": {"name": "mlp", "depth": 3, "width": 32, "norm": "layer", "dropout": 0.2},
    "cnn": {"name": "cnn", "channels": 8},
    "vit": {**VIT, "pool": "token"},
    "convnext": {"name": "convnext", "width": 8, "depth": 1, "stages": 2},
    "prelu": {"name": "vit", "width": 16, "depth": 1, "dropout": 0.1},
}
TRICKY = {"clip_norm": 0.5, "accumulate": 2, "metrics": ["grad_norm", "params", "flops"]}
OTHERS = [("fsdp", 1, 2), ("tensor", 2, 1), ("pipeline", 1, 2)]
EMA = {"average": {"name": "ema"}}
STRATEGIES = [
    ("fsdp", "mlp"),
    ("fsdp", "cnn"),
    ("fsdp", "vit"),
    ("tensor", "mlp"),
    ("tensor", "vit"),
    ("tensor", "convnext"),
    ("tensor", "prelu"),
    ("pipeline", "mlp"),
    ("pipeline", "cnn"),
    ("pipeline", "vit"),
]


def planned(make: Make, strategy: str, name: str, **more: object) -> TrainConfig:
    model = PLAIN[name]
    if strategy == "pipeline":  # each stage draws for itself
        model = {**model, "dropout": 0.0}
        model = {**model, "stochastic_depth": 0.0} if name == "vit" else model
    own = {} if strategy == "fsdp" else EMA
    bent = {"activation": {"name": "prelu"}} if name == "prelu" else {}
    return make(strategy, model=model, **TRICKY, **own, **bent, **more)


@pytest.mark.parametrize(("strategy", "name"), STRATEGIES)
def test_a_divided_network_learns_what_a_whole_one_learns(
    strategy: str, name: str, ranks: Ranks, make: Make, tmp_path: Path
) -> None:
    check_equal(ranks, planned(make, strategy, name), tmp_path, double=True)


@pytest.mark.slow
@pytest.mark.parametrize(("strategy", "name"), STRATEGIES)
def test_it_does_so_in_float32(
    strategy: str, name: str, ranks: Ranks, make: Make, tmp_path: Path
) -> None:
    check_equal(ranks, planned(make, strategy, name), tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("name", "parallel"),
    [
        ("vit", {"strategy": "tensor", "workers": 2, "data": 2}),
        ("vit", {"strategy": "pipeline", "workers": 4, "schedule": "gpipe"}),
        ("mlp", {"strategy": "pipeline", "workers": 4, "schedule": "1f1b"}),
        ("vit", {"strategy": "ddp", "workers": 3}),
        ("vit", {"strategy": "fsdp", "workers": 4}),
    ],
)
def test_four_processes_do_so(
    name: str, parallel: dict[str, object], four: Ranks, make: Make, tmp_path: Path
) -> None:
    config = planned(make, str(parallel["strategy"]), name)
    wide = config.model_copy(update={"parallel": ParallelConfig(**parallel)})
    check_equal(four, wide, tmp_path, double=True)


@pytest.mark.parametrize("schedule", ["gpipe", "1f1b"])
@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_stage_does_every_micro_batch_once_and_forward_first(schedule: str, after: int) -> None:
    done = list(order(schedule, 4, after))
    for what in ("forward", "backward"):
        assert [at for kind, at in done if kind == what] == [0, 1, 2, 3]
    for at in range(4):
        assert done.index(("forward", at)) < done.index(("backward", at))
    held = [sum(1 if kind == "forward" else -1 for kind, _ in done[: n + 1]) for n in range(8)]
    assert max(held) == (4 if schedule == "gpipe" else min(4, after + 1))


@pytest.mark.parametrize(
    ("strategy", "first", "second"),
    [("ddp", 2, 1), ("ddp", 1, 2), ("fsdp", 2, 1), ("tensor", 1, 2), ("pipeline", 2, 1)]
    + [pytest.param(*case, marks=pytest.mark.slow) for case in OTHERS],
)
def test_a_checkpoint_goes_on_in_another_number_of_processes(
    strategy: str, first: int, second: int, ranks: Ranks, make: Make, tmp_path: Path
) -> None:
    whole = planned(make, strategy, "mlp")
    parts = [(first, 0, 2), (second, 2, None)]
    found = []
    for size, begin, end in parts:
        parallel = ParallelConfig(strategy=strategy, workers=size)  # type: ignore[arg-type]
        fields = whole.model_copy(update={"parallel": parallel}).model_dump(mode="json")
        (told, *_) = ranks.ask(CURVE, fields, str(tmp_path), begin, end, True, size=size)
        assert isinstance(told, list), told
        found += told
    for mine, theirs in zip(
        found, check_equal(ranks, whole, tmp_path / "again", double=True), strict=True
    ):
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
    with pytest.raises(UserError, match="asks for 2 processes, but this process runs alone: RANK"):
        next(loop.train(make(model={"name": "mlp"}), tmp_path))


def test_a_plan_that_answers_otherwise_is_refused() -> None:
    whole = torch.tensor([[1.0, 2.0]])
    compare("tensor", whole, whole + 1e-6)
    with pytest.raises(AutotuneError, match="tensor: in several processes the network answers oth"):
        compare("tensor", whole, whole + 0.65)


def test_stages_have_about_the_same_work() -> None:
    layers = [nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 2)]
    stages = bounds(nn.Sequential(*layers), torch.zeros(2, 8), 2)
    assert [[name for name, _ in stage] for stage in stages] == [["0", "1", "2"], ["3", "4"]]


class Own(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Own(), "the network is a Own: choose ddp or fsdp"),
        (
            nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.BatchNorm1d(2)), nn.Linear(2, 2)),
            "layer 1.0 is a BatchNorm1d, which would see parts of a batch",
        ),
        (nn.Sequential(nn.Linear(2, 2), nn.ReLU()), "the network has 1 layers or blocks"),
    ],
)
def test_a_network_that_cannot_be_cut_is_refused_by_its_layer(
    network: nn.Module, message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_chain(network, 2)
    assert message in str(caught.value)
