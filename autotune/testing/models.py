"""What every network must do: call these for one of your own.

The suite of this project runs them over the union of networks, so a new one is tested unasked.
"""

from typing import Any

import torch
from torch import nn

from autotune.train.models.activations import ActivationConfig
from autotune.train.models.blocks import blocks, head
from autotune.train.models.build import build as build_model
from autotune.train.models.config import ModelConfig
from autotune.train.models.residual import Residual

__all__ = ["check_network", "check_sizes", "check_zero_last", "residuals", "seeded"]

SIZES = ("depth", "width", "widen", "stages", "blocks", "channels", "convs")
"""Knobs of a network's size."""
Shape = tuple[int, ...]


def seeded(
    config: ModelConfig, shape: Shape, outputs: int, activation: ActivationConfig | None = None
) -> nn.Module:
    torch.manual_seed(0)
    return build_model(config, shape, outputs, activation)


def check_network(
    config: ModelConfig, shape: Shape, activation: ActivationConfig | None = None
) -> None:
    """Logits of the right shape, finite gradients everywhere, the same seed gives the same weights,
    evaluation draws nothing, and the head is a linear layer at the end of the last block."""
    model = seeded(config, shape, 5, activation)
    x = torch.randn(4, *shape, generator=torch.Generator().manual_seed(1))
    logits = model(x)
    assert logits.shape == (4, 5)
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 3])).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, f"{name} has no gradient"
        assert parameter.grad.isfinite().all(), f"the gradient of {name} is not finite"
    _same(model, seeded(config, shape, 5, activation))
    model.eval()
    with torch.no_grad():
        assert torch.equal(model(x), model(x))
        alone = torch.cat([model(row) for row in x.split(1)])
        torch.testing.assert_close(alone, model(x), rtol=1e-3, atol=1e-3)
    assert head(model) in blocks(model)[-1] and head(model).out_features == 5


def _same(model: nn.Module, again: nn.Module) -> None:
    """Equal in the weights that no training step has moved."""
    parameters = dict(again.named_parameters())
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, parameters[name]), f"the seed does not decide {name}"


def check_sizes(config: ModelConfig, shape: Shape) -> None:
    """Every knob of size, doubled, adds parameters."""
    small = _parameters(config, shape)
    for knob in SIZES:
        if knob in type(config).model_fields:
            value = getattr(config, knob)
            large = _parameters(config.model_copy(update={knob: 2 * value}), shape)
            assert large > small, f"{config.name}: twice the {knob} does not add parameters"


def _parameters(config: Any, shape: Shape) -> int:
    return sum(parameter.numel() for parameter in build_model(config, shape, 5, None).parameters())


def check_zero_last(config: ModelConfig, shape: Shape, initialized: Any = None) -> None:
    """With `zero_last`, every branch answers 0 at the start; its last layer still learns."""
    model = seeded(config.model_copy(update={"zero_last": True}), shape, 5)
    if initialized is not None:
        initialized(model)
    found = residuals(model)
    assert found, f"{config.name} has no residual branches"
    given: dict[Residual, torch.Tensor] = {}
    for branch in found:
        branch.branch.register_forward_hook(
            lambda _module, _inputs, output, branch=branch: given.__setitem__(branch, output)
        )
    model(torch.randn(4, *shape)).square().sum().backward()
    assert all(not given[branch].any() for branch in found)
    for branch in found:
        gradients = [p.grad for p in branch.branch.parameters() if p.grad is not None]
        assert any(gradient.any() for gradient in gradients), "a branch can never leave 0"


def residuals(model: nn.Module) -> list[Residual]:
    return [module for module in model.modules() if isinstance(module, Residual)]
