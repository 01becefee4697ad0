"""Costs as metrics: against closed forms and files, and that they change nothing else."""

import struct
from pathlib import Path

import pytest
import torch
from torch import nn

from autotune.errors import InvalidInput
from autotune.testing.distill import write_export
from autotune.testing.train import check_resumes
from autotune.train import costs, loop, setup
from autotune.train.config import METRICS, TrainConfig, apply, metrics
from autotune.train.metrics import COSTS

SIZES = ["params", "flops", "model_bytes"]
DIGITS = {"data": {"name": "digits"}, "epochs": 1, "batch_size": 256}
ENCODER = 2 * (5 * 16 * 48 + 2 * 5 * 5 * 16 + 5 * 16 * 16 + 2 * 5 * 16 * 32)
"""Of 5 tokens of 16 numbers: into attention, its two products, out of it, a perceptron."""


def curve(config: TrainConfig, folder: Path) -> list[dict[str, float]]:
    return [dict(report.metrics) for report in loop.train(config, folder)]


def sizes(config: TrainConfig, folder: Path) -> dict[str, float]:
    return {name: value for name, value in curve(config, folder)[-1].items() if name in SIZES}


@pytest.mark.parametrize("average", ["none", "ema"])
def test_an_mlp(average: str, make, tmp_path) -> None:
    """4 features, two layers of 8, 3 classes."""
    model = {"name": "mlp", "depth": 2, "width": 8}
    config = make({"average.name": average}, model=model, metrics=SIZES, epochs=1)
    weights = 4 * 8 + 8 * 8 + 8 * 3
    numbers = weights + 8 + 8 + 3
    found = sizes(config, tmp_path)
    assert found == {"params": numbers, "flops": 2 * weights, "model_bytes": 4 * numbers}


def test_a_cnn(make, tmp_path) -> None:
    """8 x 8 pixels, 4 channels of 3 x 3, halved, 8 channels, the mean, 10 classes."""
    model = {"name": "cnn", "blocks": 2, "channels": 4, "norm": "none"}
    found = sizes(make(**DIGITS, model=model, metrics=SIZES), tmp_path)
    first, second, last = 9 * 1 * 4, 9 * 4 * 8, 8 * 10
    numbers = first + 4 + second + 8 + last + 10
    flops = 2 * (8 * 8 * first + 4 * 4 * second + last)
    assert found == {"params": numbers, "flops": flops, "model_bytes": 4 * numbers}


def test_a_vision_transformer(make, tmp_path) -> None:
    """16 patches of 2 x 2 pixels and the token, 8 numbers each; one block."""
    model = {"name": "vit", "patch": 2, "width": 8, "heads": 2, "depth": 1, "pool": "token"}
    found = sizes(make(**DIGITS, model=model, metrics=["flops"]), tmp_path)
    products = 17 * (8 * 24 + 8 * 8 + 2 * 8 * 32) + 2 * 17 * 17 * 8
    assert found == {"flops": 2 * (16 * 4 * 8 + products + 8 * 10)}


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize(
    ("layer", "shape", "wanted"),
    [
        (nn.LSTM(8, 16, batch_first=True), (1, 5, 8), 2 * 5 * 4 * (8 * 16 + 16 * 16)),
        (nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), (1, 5, 16), ENCODER),
        (nn.Conv2d(5, 10, 3, groups=5), (1, 5, 16, 8), 2 * (14 * 6) * 10 * 9),
    ],
    ids=["lstm", "attention", "groups"],
)
def test_layers_that_torch_computes_fused(
    layer: nn.Module, shape: tuple[int, ...], wanted: int, frozen: bool
) -> None:
    layer.eval().requires_grad_(not frozen)
    assert costs.flops(layer, torch.ones(shape)) == wanted
    assert torch.backends.mkldnn.enabled and torch.backends.cudnn.enabled
    assert torch.backends.mha.get_fastpath_enabled()


def test_bytes_are_those_of_the_file(make, tmp_path) -> None:
    """Batch normalisation has buffers, one of them of whole numbers."""
    model = {"name": "cnn", "blocks": 1, "channels": 4, "norm": "batch"}
    found = sizes(make(**DIGITS, model=model, metrics=["model_bytes"]), tmp_path)
    file = (tmp_path / "best.safetensors").read_bytes()
    (header,) = struct.unpack("<Q", file[:8])
    assert found == {"model_bytes": len(file) - 8 - header}


def test_the_time_of_a_forward_is_measured_once(make, tmp_path) -> None:
    config = make(metrics=["latency_ms"])
    first = [report["latency_ms"] for report in curve(config, tmp_path / "a")]
    assert len(set(first)) == 1 and first[0] > 0
    run = setup.begin(config)
    batches: list[int] = []
    run.network.model.register_forward_hook(lambda model, x, y: batches.append(len(x[0])))
    assert run.meters.costs(0.0) == run.meters.costs(0.0)
    assert batches == [1] * (costs.WARM_UP + costs.FORWARDS)


def test_a_resume_measures_nothing_anew(make, tmp_path) -> None:
    check_resumes(make(metrics=SIZES), tmp_path)
    config = make(metrics=["latency_ms"])
    told = [*loop.train(config, tmp_path, to_step=2), *loop.train(config, tmp_path, resume=2)]
    assert len(told) == 4 and len({report.metrics["latency_ms"] for report in told}) == 1


def test_seconds_add_up_and_go_on_after_a_resume(make, tmp_path) -> None:
    config = make(metrics=["seconds"])
    reports = list(loop.train(config, tmp_path, to_step=2))
    reports += loop.train(config, tmp_path, resume=2)
    told = [report.metrics["seconds"] for report in reports]
    assert len(told) == 4 and 0 < told[0] < told[1] < told[2] < told[3]
    # A report's own seconds have the writing of a checkpoint in them as well.
    assert told[-1] < sum(report.seconds for report in reports)


def test_the_rest_of_a_training_is_as_without_them(make, tmp_path) -> None:
    plain = curve(make(), tmp_path / "plain")
    assert all(tuple(report) == tuple(plain[0]) for report in plain)
    assert set(plain[0]) == set(METRICS) == set(metrics(make()))
    config = make(metrics=COSTS)
    rich = curve(config, tmp_path / "rich")
    assert [{name: report[name] for name in METRICS} for report in rich] == plain
    assert all(set(report) == {*METRICS, *COSTS} == set(metrics(config)) for report in rich)
    assert set(loop.test(config, tmp_path / "rich")).isdisjoint(COSTS)
    assert "costs" not in setup.begin(make()).learners


def test_a_regression_has_them_too(make, tmp_path) -> None:
    config = make(data={"name": "diabetes"}, loss={"name": "mse"}, epochs=1, metrics=["params"])
    assert curve(config, tmp_path)[0]["params"] == 10 * 8 + 8 + 8 + 1


def test_zeros_count(make, tmp_path) -> None:
    monitor = {"metric": "val_loss", "at": "last"}
    pruned = make({"prune.name": "magnitude"}, metrics=SIZES, monitor=monitor)
    assert sizes(pruned, tmp_path / "a") == sizes(make(metrics=SIZES), tmp_path / "b")


def test_a_teacher_does_not(make, tmp_path) -> None:
    """Hints learn a regressor beside the student; the teacher is four times as wide."""
    wide = {"name": "mlp", "depth": 1, "width": 32}
    folder = write_export(make(model=wide), tmp_path / "teacher")
    distill = {"name": "hints", "teacher": {"name": "exported", "folder": str(folder)}}
    taught = make(metrics=SIZES, distill=distill, epochs=1)
    assert sizes(taught, tmp_path / "a") == sizes(make(metrics=SIZES), tmp_path / "b")


BASE = {"data": {"name": "digits"}, "model": {"name": "mlp"}, "epochs": 3}


@pytest.mark.parametrize(
    ("given", "path", "words"),
    [
        ({"metrics": ["param"]}, ("metrics", 0), "did you mean 'params'"),
        (
            {"monitor": {"metric": "latency_ms"}},
            ("monitor", "metric"),
            "'latency_ms' is not reported: add `latency_ms` to `metrics`",
        ),
    ],
)
def test_mistakes(given: dict, path: tuple, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        apply({**BASE, **given}, {})
    (problem,) = caught.value.problems
    assert problem.path == path and words in problem.message
