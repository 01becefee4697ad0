from math import cos, pi

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR, StepLR

from autotune.testing.train import check_schedule, examples
from autotune.train.optim.lr_config import (
    Constant,
    Cosine,
    LrScheduleConfig,
    OneCycle,
    Step,
)

pytestmark = pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
STEPS, PER_EPOCH = 60, 6


def ours(config) -> list[float]:
    factor = config.build(STEPS, PER_EPOCH)
    return [factor(step) for step in range(STEPS)]


def torchs(make_scheduler) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make_scheduler(optimizer)
    rates = []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize("config", examples(LrScheduleConfig), ids=lambda config: config.name)
def test_contract(config) -> None:
    check_schedule(config)


@pytest.mark.parametrize(
    ("config", "make_scheduler"),
    [
        (Step(step_size=3, gamma=0.5), lambda o: StepLR(o, 3 * PER_EPOCH, 0.5)),
        (Cosine(final=0.1), lambda o: CosineAnnealingLR(o, STEPS, eta_min=0.1)),
        (OneCycle(), lambda o: OneCycleLR(o, 1.0, STEPS, cycle_momentum=False)),
        (
            OneCycle(warmup=0.5),
            lambda o: OneCycleLR(o, 1, STEPS, pct_start=0.5, cycle_momentum=False),
        ),
    ],
    ids=["step", "cosine", "one_cycle", "one_cycle_half"],
)
def test_equals_torchs_own(config, make_scheduler) -> None:
    assert ours(config) == pytest.approx(torchs(make_scheduler), abs=1e-9)


def test_constant_is_one() -> None:
    assert set(ours(Constant())) == {1.0}


def test_warm_up_is_a_straight_line() -> None:
    assert ours(Constant(warmup=0.1))[:8] == pytest.approx(
        [1 / 6, 2 / 6, 0.5, 4 / 6, 5 / 6, 1, 1, 1]
    )


def test_cosine_spans_what_the_warm_up_leaves() -> None:
    rates = ours(Cosine(warmup=0.5))
    assert rates[30:] == pytest.approx([(1 + cos(pi * step / 30)) / 2 for step in range(30)])


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("warmup", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("config", examples(LrScheduleConfig), ids=lambda config: config.name)
def test_the_shortest_trainings(config, warmup: float, steps: int) -> None:
    factor = config.model_copy(update={"warmup": warmup}).build(steps, 1)
    assert all(0 <= factor(step) <= 1 for step in range(steps))
