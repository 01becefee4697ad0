"""Activations are torch's own, and their gains keep a signal's spread."""

import math

import pytest
import torch
from torch.nn import functional, init

from autotune.testing.train import examples
from autotune.train.models.activations import ActivationConfig, Elu, LeakyRelu

FUNCTIONS = {
    "relu": functional.relu,
    "leaky_relu": functional.leaky_relu,
    "prelu": lambda x: functional.prelu(x, torch.tensor([0.25], dtype=x.dtype)),
    "elu": functional.elu,
    "selu": functional.selu,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "mish": functional.mish,
    "tanh": torch.tanh,
}
KNOBS = [LeakyRelu(slope=0.3), Elu(alpha=0.5), Elu(alpha=2.0)]


@pytest.mark.parametrize("config", examples(ActivationConfig), ids=lambda config: config.name)
def test_activation_is_torchs(config) -> None:
    x = torch.linspace(-4, 4, 101)
    assert torch.equal(config.build()(x), FUNCTIONS[config.name](x))
    assert config.build() is not config.build()


def test_activation_knobs() -> None:
    x = torch.linspace(-4, 4, 101)
    assert torch.equal(LeakyRelu(slope=0.3).build()(x), functional.leaky_relu(x, 0.3))
    assert torch.equal(Elu(alpha=0.5).build()(x), functional.elu(x, 0.5))


def second_moment(config) -> float:
    """E[f(z)^2] for standard normal z, by the rectangle rule."""
    z = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    density = torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    y = config.build().double()(z).detach()
    return float((y.square() * density).sum() * (z[1] - z[0]))


@pytest.mark.parametrize(
    "config", [c for c in examples(ActivationConfig) if c.name != "tanh"] + KNOBS, ids=repr
)
def test_gain_undoes_what_the_activation_takes(config) -> None:
    assert config.gain**2 * second_moment(config) == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "tanh"])
def test_gain_is_torchs_where_it_has_one(name: str) -> None:
    config = next(config for config in examples(ActivationConfig) if config.name == name)
    assert config.gain == pytest.approx(init.calculate_gain(name))
    assert LeakyRelu(slope=0.3).gain == pytest.approx(init.calculate_gain("leaky_relu", 0.3))
