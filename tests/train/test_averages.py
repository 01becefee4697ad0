from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from autotune.train.optim.average import Ema, Swa
from autotune.train.optim.average_config import EmaConfig, NoAverage, SwaConfig

X = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
PER_EPOCH = 4
ENDS = [PER_EPOCH]


def net() -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    model.register_buffer("places", torch.arange(1000))
    return model


def train(model: nn.Module, steps: int, *after) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(steps):
        optimizer.zero_grad()
        model(X[step % 4 :: 4]).square().mean().backward()
        optimizer.step()
        for act in after:
            act()


def differences(ours: nn.Module, theirs: nn.Module) -> list[str]:
    both = ours.state_dict(), theirs.state_dict()
    return [name for name in both[0] if not torch.allclose(both[0][name], both[1][name])]


def test_ema_is_torchs_but_for_whole_numbers() -> None:
    model = net()
    ours = EmaConfig(decay=0.9, warmup=False).build(model, 10, ENDS, X)
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    train(model, 50, ours, lambda: theirs.update_parameters(model))
    assert set(differences(ours.model, theirs.module)) <= {"places", "1.num_batches_tracked"}
    assert torch.equal(ours.model.places, model.places)


def test_ema_warms_up() -> None:
    ema = Ema(net(), 0.99, warmup=True)
    decays = []
    for _ in range(2000):
        decays.append(ema.decay_now())
        ema.steps += 1
    assert decays[:3] == pytest.approx([0.0, 2 / 11, 3 / 12])
    assert decays == sorted(decays) and decays[-1] == 0.99


def test_swa_is_torchs_with_fresh_statistics() -> None:
    model = net()
    ours = SwaConfig(start=0.5).build(model, 10, ENDS, X)
    theirs = AveragedModel(model)
    for epoch in range(1, 11):
        train(model, PER_EPOCH, ours)
        if epoch > 5:
            theirs.update_parameters(model)
        else:
            assert differences(ours.model, model) == []
    update_bn([X], theirs)
    assert set(differences(ours.model, theirs.module)) <= {"1.num_batches_tracked"}
    assert differences(ours.model, model) != []


def test_swa_judges_the_weights_as_they_are_until_it_averages() -> None:
    model = net()
    swa = SwaConfig(start=0.5).build(model, 4, [2, PER_EPOCH], X)
    for half in range(1, 8):
        train(model, 1, swa)
        assert differences(swa.model, model) != [], "between two reports nothing is copied"
        before = deepcopy(swa.model)
        train(model, 1, swa)
        if half <= 6:
            assert differences(swa.model, model) == []
        else:
            assert differences(swa.model, before) == [], "the mean is of the ends of epochs"


def test_a_sample_left_over_does_not_disturb_batch_normalisation() -> None:
    swa = Swa(net(), 0, [1], torch.zeros(2**18 // 6 * 4 + 1, 6))
    assert all(len(part) > 1 for part in swa.batches())


@pytest.mark.parametrize("config", [EmaConfig(), SwaConfig(start=0.3)], ids=lambda c: c.name)
def test_an_average_goes_on_from_its_state(config) -> None:
    model = net()
    whole = config.build(model, 4, ENDS, X)
    train(model, 2 * PER_EPOCH, whole)
    again = deepcopy(model)
    part = config.build(again, 4, ENDS, X)
    part.load_state_dict(whole.state_dict())
    train(model, 2 * PER_EPOCH, whole)
    train(again, 2 * PER_EPOCH, part)
    assert differences(whole.model, part.model) == []


def test_none_costs_nothing() -> None:
    assert NoAverage().build(net(), 1, [1], X) is None


def test_an_averages_weights_do_not_learn() -> None:
    assert not any(p.requires_grad for p in Ema(net(), 0.9, True).model.parameters())
