"""Normalisation, by the word a config has for it."""

from math import gcd

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from autotune.train.models.config import Norm

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "LayerNorm2d",
    "by_history",
    "convolution",
    "norm1d",
    "norm2d",
]


def norm1d(kind: Norm, features: int) -> list[nn.Module]:
    """Over (B, features): no module or one."""
    if kind == "none":
        return []
    if kind == "batch":
        return [BatchNorm1d(features)]
    return [nn.LayerNorm(features) if kind == "layer" else group(features)]


def norm2d(kind: Norm, channels: int) -> list[nn.Module]:
    """Over (B, channels, H, W): no module or one."""
    if kind == "none":
        return []
    if kind == "batch":
        return [BatchNorm2d(channels)]
    return [LayerNorm2d(channels) if kind == "layer" else group(channels)]


def convolution(
    channels: int, wider: int, kernel: int, norm: Norm, stride: int = 1
) -> list[nn.Module]:
    """A convolution that keeps the image's size, but for its stride, and its normalisation."""
    bias = norm == "none"  # a normalisation has one of its own
    layer = nn.Conv2d(channels, wider, kernel, stride, padding=kernel // 2, bias=bias)
    return [layer, *norm2d(norm, wider)]


def group(channels: int) -> nn.Module:
    """Eight groups, or as many as divide the channels (Wu & He 2018)."""
    return nn.GroupNorm(gcd(channels, 8), channels)


class LayerNorm2d(nn.LayerNorm):
    """Over the channels of each pixel, as in ConvNeXt (Liu et al. 2022)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class BatchNorm1d(nn.BatchNorm1d):
    """One that takes a part of a batch with a single sample: by the running statistics."""

    def forward(self, x: Tensor) -> Tensor:
        return by_history(self, x) if alone(self, x) else super().forward(x)


class BatchNorm2d(nn.BatchNorm2d):
    """One that takes a part of a batch with a single pixel: by the running statistics."""

    def forward(self, x: Tensor) -> Tensor:
        return by_history(self, x) if alone(self, x) else super().forward(x)


def alone(norm: nn.BatchNorm1d | nn.BatchNorm2d, x: Tensor) -> bool:
    """Whether there is one value a channel, which has no variance."""
    return norm.training and x.numel() == norm.num_features


def by_history(norm: _BatchNorm, x: Tensor) -> Tensor:
    mean, variance = norm.running_mean, norm.running_var
    return functional.batch_norm(x, mean, variance, norm.weight, norm.bias, eps=norm.eps)
