import pytest
import torch
from torch import nn, optim
from torch.nn.functional import cross_entropy

from autotune.testing.train import check_optimizer, examples
from autotune.train.optim.config import (
    AdaGrad,
    Adam,
    AdamW,
    Gd,
    Momentum,
    Nesterov,
    OptimizerConfig,
    RmsProp,
    Sgd,
)

PAIRS = [
    (Gd(lr=0.2), lambda p: optim.SGD(p, lr=0.2)),
    (Sgd(lr=0.2, weight_decay=0.01), lambda p: optim.SGD(p, lr=0.2, weight_decay=0.01)),
    (Momentum(momentum=0.8), lambda p: optim.SGD(p, lr=0.05, momentum=0.8)),
    (Nesterov(), lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True)),
    (AdaGrad(), lambda p: optim.Adagrad(p)),
    (AdaGrad(lr_decay=0.1, eps=1e-6), lambda p: optim.Adagrad(p, lr_decay=0.1, eps=1e-6)),
    (RmsProp(lr=0.01), lambda p: optim.RMSprop(p)),
    (
        RmsProp(alpha=0.9, momentum=0.5, eps=1e-6),
        lambda p: optim.RMSprop(p, lr=1e-3, alpha=0.9, momentum=0.5, eps=1e-6),
    ),
    (Adam(), lambda p: optim.Adam(p)),
    (
        Adam(beta1=0.8, weight_decay=0.1),
        lambda p: optim.Adam(p, betas=(0.8, 0.999), weight_decay=0.1),
    ),
    (AdamW(), lambda p: optim.AdamW(p)),
    (AdamW(weight_decay=0.1, eps=1e-6), lambda p: optim.AdamW(p, weight_decay=0.1, eps=1e-6)),
]


def fifty_steps(make_optimizer) -> list[torch.Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    x, y = torch.randn(40, 6), torch.randint(3, (40,))
    optimizer = make_optimizer(model.parameters())
    for _ in range(50):
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()
    return [parameter.detach() for parameter in model.parameters()]


@pytest.mark.parametrize(("config", "torchs"), PAIRS, ids=lambda part: getattr(part, "name", ""))
def test_equals_torchs_own(config, torchs) -> None:
    ours, theirs = fifty_steps(config.build), fifty_steps(torchs)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("config", examples(OptimizerConfig), ids=lambda config: config.name)
def test_contract(config) -> None:
    check_optimizer(config)


def test_only_gd_takes_the_whole_split() -> None:
    assert [config.name for config in examples(OptimizerConfig) if config.full_batch] == ["gd"]
