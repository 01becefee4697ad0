from math import cos, pi

import pytest
import torch
from torch.optim import lr_scheduler

from autotune.testing.train import check_schedule, examples
from autotune.train.optim.lr_config import (
    Constant,
    Cosine,
    Exponential,
    LrScheduleConfig,
    MultiStep,
    OneCycle,
    Plateau,
    Polynomial,
    Step,
    WarmRestarts,
)

pytestmark = pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
STEPS, PER_EPOCH = 60, 6


def ours(config, steps: int = STEPS) -> list[float]:
    factor = config.build(steps, PER_EPOCH)
    return [factor(step) for step in range(steps)]


def torchs(name: str, *arguments: float, **named: object) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = getattr(lr_scheduler, name)(optimizer, *arguments, **named)
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
    ("config", "rates"),
    [
        (Step(step_size=3, gamma=0.5), lambda: torchs("StepLR", 3 * PER_EPOCH, 0.5)),
        (MultiStep(), lambda: torchs("MultiStepLR", [30, 45], 0.1)),
        (
            MultiStep(milestones=(0.8, 0.1, 0.35), gamma=0.5),
            lambda: torchs("MultiStepLR", [6, 21, 48], 0.5),
        ),
        (Exponential(final=0.02), lambda: torchs("ExponentialLR", 0.02 ** (1 / STEPS))),
        (Polynomial(), lambda: torchs("LinearLR", 1.0, 0.0, STEPS)),
        (Polynomial(power=2.5), lambda: torchs("PolynomialLR", STEPS, 2.5)),
        (Cosine(final=0.1), lambda: torchs("CosineAnnealingLR", STEPS, eta_min=0.1)),
        (
            WarmRestarts(period=2, growth=1, final=0.1),
            lambda: torchs("CosineAnnealingWarmRestarts", 12, 1, 0.1),
        ),
        (
            WarmRestarts(period=1, growth=3),
            lambda: torchs("CosineAnnealingWarmRestarts", 6, 3),
        ),
        (OneCycle(), lambda: torchs("OneCycleLR", 1.0, STEPS, cycle_momentum=False)),
        (
            OneCycle(warmup=0.5),
            lambda: torchs("OneCycleLR", 1, STEPS, pct_start=0.5, cycle_momentum=False),
        ),
    ],
    ids=lambda part: getattr(part, "name", ""),
)
def test_equals_torchs_own(config, rates) -> None:
    assert ours(config) == pytest.approx(rates(), abs=1e-9)


@pytest.mark.parametrize(("patience", "gamma"), [(0, 0.5), (2, 0.1), (5, 0.3)])
def test_plateau_equals_torchs_own(patience: int, gamma: float) -> None:
    draw = torch.Generator().manual_seed(0)
    losses = [2.0 * 0.95**epoch for epoch in range(15)]  # falling, then noise about a level
    losses += [1.0 + 0.1 * torch.rand((), generator=draw).item() for _ in range(45)]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = lr_scheduler.ReduceLROnPlateau(optimizer, factor=gamma, patience=patience, eps=0)
    factor = Plateau(patience=patience, gamma=gamma).build(60 * PER_EPOCH, PER_EPOCH)
    seen = set()
    for epoch, loss in enumerate(losses):
        rates = {factor(epoch * PER_EPOCH + step) for step in range(PER_EPOCH)}
        assert rates == {optimizer.param_groups[0]["lr"]}
        seen |= rates
        factor.observe({"val_loss": loss})
        theirs.step(loss)
    assert len(seen) > 2


def test_plateau_goes_on_from_its_state() -> None:
    whole = Plateau(patience=1).build(60, 6)
    for loss in (1.0, 1.0, 1.0, 0.5, 0.6):
        whole.observe({"val_loss": loss})
    part = Plateau(patience=1).build(60, 6)
    part.load_state_dict(whole.state_dict())
    for factor in (whole, part):
        factor.observe({"val_loss": 0.7})
    assert whole(59) == part(59) == pytest.approx(0.01)


def test_constant_is_one() -> None:
    assert set(ours(Constant())) == {1.0}


def test_warm_up_is_a_straight_line() -> None:
    assert ours(Constant(warmup=0.1))[:8] == pytest.approx(
        [1 / 6, 2 / 6, 0.5, 4 / 6, 5 / 6, 1, 1, 1]
    )


def test_a_fall_spans_what_the_warm_up_leaves() -> None:
    cosine = [(1 + cos(pi * step / 30)) / 2 for step in range(30)]
    assert ours(Cosine(warmup=0.5))[30:] == pytest.approx(cosine)
    for config in (Exponential(), Polynomial(power=2.0), WarmRestarts(period=2)):
        late = config.model_copy(update={"warmup": 0.5})
        assert ours(late)[30:] == pytest.approx(ours(config, 30))


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("warmup", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("config", examples(LrScheduleConfig), ids=lambda config: config.name)
def test_the_shortest_trainings(config, warmup: float, steps: int) -> None:
    factor = config.model_copy(update={"warmup": warmup}).build(steps, 1)
    assert all(0 <= factor(step) <= 1 for step in range(steps))
