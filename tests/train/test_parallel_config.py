"""`parallel`: what is refused before anything starts, and by which line."""

import pytest
import torch

from autotune.errors import InvalidInput
from autotune.testing.train import check_documented
from autotune.train.base import variants
from autotune.train.config import TrainConfig, apply, processes
from autotune.train.models.build import build
from autotune.train.models.config import ModelConfig
from autotune.train.parallel.config import ParallelConfig
from autotune.train.parallel.rules import RULES, pieces

BASE = {"data": {"name": "digits"}, "model": {"name": "mlp"}, "epochs": 3}


def parallel(strategy: str, workers: int = 2, **more: object) -> dict[str, object]:
    return {"parallel": {"strategy": strategy, "workers": workers, **more}}


def test_it_is_documented() -> None:
    check_documented(ParallelConfig)


def test_one_process_says_nothing_of_it() -> None:
    config = apply(BASE, {})
    assert isinstance(config, TrainConfig)
    assert "parallel" not in config.model_dump(mode="json")
    again = TrainConfig.model_validate_json(config.model_dump_json())
    assert again == config and again.parallel.processes == 1


def test_the_number_of_processes_is_told_by_plain_values() -> None:
    config = apply({**BASE, **parallel("tensor", data=2)}, {})
    assert processes(config.model_dump(mode="json")) == 4
    assert processes(BASE) == 1
    assert processes({**BASE, "parallel": {"workers": "two"}}) == 1
    assert processes({"function": "a:b", "parallel": {"workers": 2}}) == 1


def test_it_can_be_searched() -> None:
    config = apply(BASE, {"parallel.strategy": "ddp", "parallel.workers": 2})
    assert isinstance(config, TrainConfig) and config.parallel.processes == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            parallel("none"),
            "`parallel.workers` 2 with `parallel.strategy` none cannot be used: one process has "
            "nobody to share with; set `parallel.strategy: ddp`",
        ),
        (
            {**parallel("ddp", 8), "batch_size": 5},
            "`parallel.workers` 8 cannot be used: there are more than the 5 samples of "
            "`batch_size`; use at most 5",
        ),
        (
            {**parallel("tensor", 3), "model": {"name": "vit", "heads": 4}},
            "`parallel.workers` 3 cannot be used: `model.heads` 4 must be a multiple of it; "
            "use a divisor of 4",
        ),
        (
            {**parallel("tensor", 3), "model": {"name": "mlp", "width": 64}},
            "`parallel.workers` 3 cannot be used: `model.width` 64 must be a multiple of it; "
            "use a divisor of 64",
        ),
        (
            {**parallel("pipeline", 4), "model": {"name": "mlp", "depth": 2}},
            "`parallel.workers` 4 cannot be used: the network has 3 layers or blocks to divide; "
            "use at most 3",
        ),
        (
            {**parallel("fsdp"), "optimizer": {"name": "gd"}},
            "`optimizer.name` gd with `parallel.strategy` fsdp cannot be used: fsdp saves memory, "
            "which the full batch takes; choose sgd, or ddp",
        ),
        (
            {**parallel("tensor"), "model": {"name": "cnn"}},
            "`model.name` cnn with `parallel.strategy` tensor cannot be used: how its layers are "
            "cut is written for mlp, convnext, vit only; choose ddp or pipeline",
        ),
        (
            parallel("ddp", data=2),
            "`parallel.data` with `parallel.strategy` ddp cannot be used: it is for tensor; set "
            "`parallel.workers`",
        ),
        (
            {"precision": "fp16", "device": "cpu"},
            "`precision` fp16 needs a GPU, and `device` is cpu: use bf16 or fp32",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(given: dict, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        apply({**BASE, **given}, {})
    assert [problem.message for problem in caught.value.problems] == [message]


def test_one_worker_is_refused_nothing() -> None:
    for strategy in ("ddp", "fsdp", "tensor", "pipeline"):
        given = {**BASE, **parallel(strategy, 1), "optimizer": {"name": "muon"}, "compile": True}
        assert apply({**given, "model": {"name": "torchvision"}}, {})


def test_every_rule_names_a_setting_and_a_way_out() -> None:
    for rule in RULES:
        assert any(word in rule.why for word in ("choose ", "set it to ")), rule.why


@pytest.mark.parametrize("name", [n for n in variants(ModelConfig) if n != "custom"])
@pytest.mark.parametrize("connections", ["plain", "residual", "dense"])
def test_the_pieces_of_a_network_are_its_blocks(name: str, connections: str) -> None:
    kind = variants(ModelConfig)[name]
    if "connections" not in kind.model_fields:
        if connections != "plain":
            pytest.skip("its layers are joined in one way")
        connections = ""
    sizes = {"depth": 3} if "depth" in kind.model_fields else {}
    config = kind(**({"connections": connections} if connections else {}), **sizes)
    with torch.device("meta"):
        network = build(config, (3, 32, 32), 10)
    if (said := pieces(config)) is not None:
        layers = [[p.ndim for p in child.parameters()] for child in network.children()]
        assert said == sum(max(dimensions, default=0) > 1 for dimensions in layers)
