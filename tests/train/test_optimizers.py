"""Every optimizer against torch's own, on a bowl and on a small net, whole and in groups."""

import pytest
import torch
from torch import nn, optim
from torch.nn.functional import cross_entropy

from autotune.testing.train import check_optimizer, examples
from autotune.train.optim.config import (
    AdaDelta,
    AdaGrad,
    Adam,
    AdamW,
    Gd,
    Momentum,
    NAdam,
    Nesterov,
    OptimizerConfig,
    RAdam,
    RmsProp,
    Sgd,
)
from autotune.train.optim.groups import groups

PAIRS = [
    (Gd(lr=0.2), optim.SGD, {"lr": 0.2}),
    (Sgd(lr=0.2, weight_decay=0.01), optim.SGD, {"lr": 0.2, "weight_decay": 0.01}),
    (Momentum(momentum=0.8), optim.SGD, {"lr": 0.05, "momentum": 0.8}),
    (Nesterov(), optim.SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    (AdaGrad(), optim.Adagrad, {}),
    (AdaGrad(lr_decay=0.1, eps=1e-6), optim.Adagrad, {"lr_decay": 0.1, "eps": 1e-6}),
    (AdaDelta(), optim.Adadelta, {}),
    (
        AdaDelta(lr=0.5, rho=0.95, eps=1e-5, weight_decay=0.1),
        optim.Adadelta,
        {"lr": 0.5, "rho": 0.95, "eps": 1e-5, "weight_decay": 0.1},
    ),
    (RmsProp(lr=0.01), optim.RMSprop, {}),
    (
        RmsProp(alpha=0.9, momentum=0.5, eps=1e-6),
        optim.RMSprop,
        {"lr": 1e-3, "alpha": 0.9, "momentum": 0.5, "eps": 1e-6},
    ),
    (Adam(), optim.Adam, {}),
    (Adam(beta1=0.8, weight_decay=0.1), optim.Adam, {"betas": (0.8, 0.999), "weight_decay": 0.1}),
    (AdamW(), optim.AdamW, {}),
    (AdamW(weight_decay=0.1, eps=1e-6), optim.AdamW, {"weight_decay": 0.1, "eps": 1e-6}),
    (
        NAdam(weight_decay=0.1),
        optim.NAdam,
        {"lr": 1e-3, "weight_decay": 0.1, "decoupled_weight_decay": True},
    ),
    (
        RAdam(beta2=0.99, weight_decay=0.1),
        optim.RAdam,
        {"betas": (0.9, 0.99), "weight_decay": 0.1, "decoupled_weight_decay": True},
    ),
]
TOLD_APART = pytest.mark.parametrize(
    ("config", "torchs", "knobs"), PAIRS, ids=lambda part: getattr(part, "name", "")
)


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3))


def on_the_net(model: nn.Module, optimizer: optim.Optimizer) -> list[torch.Tensor]:
    torch.manual_seed(1)
    x, y = torch.randn(40, 6), torch.randint(3, (40,))
    for _ in range(50):
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()
    return [parameter.detach() for parameter in model.parameters()]


def on_a_bowl(make_optimizer) -> list[torch.Tensor]:
    torch.manual_seed(0)
    point, slopes = nn.Parameter(torch.randn(5)), torch.tensor([0.1, 0.5, 1.0, 2.0, 4.0])
    optimizer = make_optimizer([point])
    for _ in range(50):
        optimizer.zero_grad()
        (slopes * point.square()).sum().backward()
        optimizer.step()
    return [point.detach()]


def same(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@TOLD_APART
def test_equals_torchs_own(config, torchs, knobs) -> None:
    assert same(on_a_bowl(config.build), on_a_bowl(lambda point: torchs(point, **knobs)))
    ours, theirs = net(), net()
    theirs_after = on_the_net(theirs, torchs(theirs.parameters(), **knobs))
    assert same(on_the_net(ours, config.build(ours.parameters())), theirs_after)


@TOLD_APART
def test_equals_torchs_own_in_groups(config, torchs, knobs) -> None:
    """Two optimizers of torch's on two parts of a net are our one with two groups."""
    ours, theirs = net(), net()
    optimizer = config.build(groups(ours, config))
    two = torchs(
        [
            {"params": [p for p in theirs.parameters() if p.ndim > 1]},
            {"params": [p for p in theirs.parameters() if p.ndim < 2], "weight_decay": 0.0},
        ],
        **knobs,
    )
    assert same(on_the_net(ours, optimizer), on_the_net(theirs, two))


@pytest.mark.parametrize("config", examples(OptimizerConfig), ids=lambda config: config.name)
def test_contract(config) -> None:
    check_optimizer(config)


def test_only_gd_takes_the_whole_split() -> None:
    assert [config.name for config in examples(OptimizerConfig) if config.full_batch] == ["gd"]
