"""A classifier of torchvision.models, made to fit the data."""

from typing import Any

import torch
from torch import nn
from torchvision import models

from autotune.errors import InvalidInput, Problem, nearest
from autotune.train.models.blocks import head
from autotune.train.models.config import TorchvisionModel
from autotune.train.models.images import image

__all__ = ["adapt_input", "build"]

AT = ("model", "arch")
SIDES = (16, 32, 48, 64, 96, 128, 224, 299)
"""Sizes of images that are tried, to say which would have been large enough."""


def build(config: TorchvisionModel, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Raises InvalidInput for a name that torchvision has not, and images it cannot take."""
    channels, height, width = image(shape, "torchvision")
    names = models.list_models(module=models)
    if config.arch not in names:
        message = f"`model.arch` {config.arch!r} is no classifier of torchvision"
        raise InvalidInput([Problem(message + nearest(config.arch, names), AT)])
    model = made(config.arch, channels, height, width, outputs)
    if model is None or not takes(model, channels, height, width):
        raise InvalidInput([Problem(refused(config.arch, channels, height, width, outputs), AT)])
    if config.dropout is not None:
        drop(model, config.dropout)
    return model


def made(arch: str, channels: int, height: int, width: int, outputs: int) -> nn.Module | None:
    """The network for such images; None where torchvision will not build it."""
    options: dict[str, Any] = {}
    if arch in ("googlenet", "inception_v3"):
        options = {"aux_logits": False, "init_weights": True}  # one output; and no warning
    elif arch.startswith("vit_"):
        options = {"image_size": height}
    elif arch.startswith("maxvit_"):
        options = {"input_size": (height, width)}
    try:
        model: nn.Module = models.get_model(arch, num_classes=outputs, **options)
    except (AssertionError, ValueError):  # an image that does not divide into its patches
        return None
    if isinstance(model, models.SqueezeNet):
        model.classifier = averaged(model.classifier)
    name, first = next((n, m) for n, m in model.named_modules() if isinstance(m, nn.Conv2d))
    if first.in_channels != channels:
        model.set_submodule(name, adapt_input(first, channels))
    return model


def averaged(classifier: nn.Sequential) -> nn.Sequential:
    """SqueezeNet's classifier with a linear layer for its last convolution: the mean of a 1 x 1
    convolution is that layer of the mean."""
    dropout, last = classifier[0], classifier[1]
    assert isinstance(last, nn.Conv2d)
    return nn.Sequential(
        dropout,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(last.in_channels, last.out_channels),
    )


def adapt_input(old: nn.Conv2d, channels: int) -> nn.Conv2d:
    """A convolution of images with `channels`, weighted as `old` is.

    Its weights are those of `old` for each channel in turn, scaled so that an image of equal
    channels gives the same; for one channel, their sum.
    """
    new = nn.Conv2d(
        channels,
        old.out_channels,
        old.kernel_size,  # type: ignore[arg-type]
        old.stride,  # type: ignore[arg-type]
        old.padding,  # type: ignore[arg-type]
        old.dilation,  # type: ignore[arg-type]
        bias=old.bias is not None,
    )
    with torch.no_grad():
        turns = torch.arange(channels) % old.in_channels
        new.weight.copy_(old.weight[:, turns] * (old.in_channels / channels))
        if channels == 1:
            new.weight.copy_(old.weight.sum(1, keepdim=True))
        if new.bias is not None and old.bias is not None:
            new.bias.copy_(old.bias)
    return new


def drop(model: nn.Module, share: float) -> None:
    """Set the share of every dropout, or put one before the head where there is none."""
    dropouts = [module for module in model.modules() if isinstance(module, nn.Dropout)]
    for module in dropouts:
        module.p = share
    if not dropouts:
        last = head(model)
        name = next(name for name, module in model.named_modules() if module is last)
        model.set_submodule(name, nn.Sequential(nn.Dropout(share), last))


@torch.no_grad()
def takes(model: nn.Module, channels: int, height: int, width: int) -> bool:
    """Whether an image of this size survives to the network's end."""
    training = model.training
    model.eval()
    try:
        model(torch.zeros(1, channels, height, width))
    except (RuntimeError, AssertionError):
        return False
    finally:
        model.train(training)
    return True


def refused(arch: str, channels: int, height: int, width: int, outputs: int) -> str:
    """That the images do not fit, and the smallest that would."""
    message = f"`model.arch` {arch} cannot take images of {height} x {width} pixels"
    for side in SIDES:
        if side > min(height, width):
            model = made(arch, channels, side, side, outputs)
            if model is not None and takes(model, channels, side, side):
                return f"{message}; {side} x {side} would fit"
    return message
