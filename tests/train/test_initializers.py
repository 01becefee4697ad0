"""Initializers: the variance of weights, and of a signal through twenty layers."""

import math

import pytest
import torch
from torch import nn
from torch.nn import init

from autotune.testing.train import examples
from autotune.train.models.activations import ActivationConfig, Relu, Selu
from autotune.train.models.initializers import (
    HeNormal,
    InitializerConfig,
    LecunNormal,
    Normal,
    Orthogonal,
    TruncatedNormal,
    Uniform,
    XavierUniform,
)
from autotune.train.models.weights import initialize

FANS = (300, 200)  # in, out
GAIN = 1.5
VARIANCES = {
    "xavier_uniform": GAIN**2 * 2 / 500,
    "xavier_normal": GAIN**2 * 2 / 500,
    "he_uniform": GAIN**2 / 300,
    "he_normal": GAIN**2 / 300,
    "lecun_uniform": 1 / 300,
    "lecun_normal": 1 / 300,
    "normal": 0.02**2,
    "uniform": 0.02**2,
    "truncated_normal": 0.02**2,
    "orthogonal": GAIN**2 / 300,
}
STABLE = (0.25, 5)
"""Mean square of the twentieth layer, for one of 1 that goes in, where the gain keeps it."""
BANDS = {"gelu": (0.25, 100), "silu": (0.25, 3000), "mish": (0.25, 50)}
"""Of smooth activations: there a deviation grows, whatever the gain."""


@pytest.fixture(autouse=True)
def drawn_from_one_seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("config", examples(InitializerConfig), ids=lambda config: config.name)
def test_initializer_contract(config) -> None:
    """Weights of linear and convolution layers are drawn anew, biases are 0, the rest is left."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.Flatten(), nn.Linear(16, 5))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    initialize(model, config.build(GAIN))
    after = model.state_dict()
    assert {name for name in after if not torch.equal(before[name], after[name])} == {
        "0.weight",
        "0.bias",
        "3.weight",
        "3.bias",
    }
    assert not after["0.bias"].any() and not after["3.bias"].any()


@pytest.mark.parametrize("config", examples(InitializerConfig), ids=lambda config: config.name)
def test_variance_of_weights(config) -> None:
    weight = config.build(GAIN)(torch.empty(FANS[1], FANS[0])).detach()
    assert weight.var().item() == pytest.approx(VARIANCES[config.name], rel=0.03)
    assert abs(weight.mean().item()) < 3 * (VARIANCES[config.name] / weight.numel()) ** 0.5
    if config.name.endswith("uniform"):
        assert weight.abs().max() <= (3 * VARIANCES[config.name]) ** 0.5 * 1.0001


def test_torchs_own_functions_agree() -> None:
    """At relu's gain, he_* are torch's kaiming for it, draw for draw."""
    for name, theirs in (("he_normal", "kaiming_normal_"), ("he_uniform", "kaiming_uniform_")):
        config = next(c for c in examples(InitializerConfig) if c.name == name)
        torch.manual_seed(1)
        ours = config.build(Relu().gain)(torch.empty(30, 20, 3, 3))
        torch.manual_seed(1)
        weight = getattr(init, theirs)(torch.empty(30, 20, 3, 3), nonlinearity="relu")
        torch.testing.assert_close(ours, weight)


def test_orthogonal_keeps_lengths_but_for_the_gain() -> None:
    weight = Orthogonal().build(GAIN)(torch.empty(200, 300))
    torch.testing.assert_close(weight @ weight.T, GAIN**2 * torch.eye(200), atol=1e-5, rtol=0)


def test_plain_ones_have_the_std_they_are_given() -> None:
    for config in (Normal(std=0.5), Uniform(std=0.5), TruncatedNormal(std=0.5)):
        weight = config.build(7.0)(torch.empty(400, 400))
        assert weight.std().item() == pytest.approx(0.5, rel=0.01)
    assert weight.abs().max() <= 0.5 * 2 / 0.8796


def test_a_grouped_convolution_is_many_small_ones() -> None:
    model = nn.Conv2d(512, 512, 7, groups=512)
    for config in (HeNormal(), XavierUniform()):
        initialize(model, config.build(1.0))
        assert model.weight.var().item() == pytest.approx(1 / 49, rel=0.05)


def signal(initializer, activation, width: int = 256) -> float:
    """Mean square of the twentieth layer's sums, for a standard normal input."""
    bend, fill = activation.build(), initializer.build(activation.gain)
    x = torch.randn(128, width)
    with torch.no_grad():
        for _ in range(20):
            sums = x @ fill(torch.empty(width, width)).T
            x = bend(sums)
    return float(sums.square().mean())


MATCHED = [c for c in examples(InitializerConfig) if c.name[:2] in ("he", "xa", "or")]


@pytest.mark.parametrize("activation", examples(ActivationConfig), ids=lambda config: config.name)
def test_matched_weights_carry_a_signal_through_twenty_layers(activation) -> None:
    low, high = BANDS.get(activation.name, STABLE)
    for initializer in MATCHED:
        assert low < signal(initializer, activation) < high, initializer.name
    assert signal(Normal(std=0.02), activation) < 1e-7


def test_mismatched_weights_explode_or_vanish() -> None:
    assert signal(Normal(std=0.2), Relu()) > 1e12
    assert signal(LecunNormal(), Relu()) < 1e-4
    assert math.log10(signal(LecunNormal(), Selu())) == pytest.approx(0, abs=0.1)
