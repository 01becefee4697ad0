"""A small vision transformer. Shapes: B samples, P tokens, W numbers a token, H heads."""

import torch
from torch import Tensor, nn
from torch.nn import functional, init

from autotune.train.models.activations import ActivationConfig
from autotune.train.models.config import VitModel
from autotune.train.models.images import image, pad
from autotune.train.models.residual import Residual
from autotune.train.models.weights import initialize

__all__ = ["build"]

RATIO = 4
"""Hidden numbers of a perceptron, for one that it is given."""
POSITION = 0.02
"""Standard deviation of what stands for a place, as in BERT (Devlin et al. 2019)."""


def build(
    config: VitModel, shape: tuple[int, ...], outputs: int, activation: ActivationConfig
) -> nn.Module:
    channels, height, width = image(shape, "vit")
    padding = pad(height, width, config.patch)
    patches = -(-height // config.patch) * -(-width // config.patch)
    blocks = [
        Block(config, activation, (number + 1) / config.depth) for number in range(config.depth)
    ]
    model = nn.Sequential(
        *padding,
        Tokens(config, channels, patches),
        *blocks,
        nn.LayerNorm(config.width),
        Pool(config.pool),
        nn.Linear(config.width, outputs),
    )
    initialize(model, init.xavier_uniform_)  # as its authors' own code
    return model


class Tokens(nn.Module):
    """(B, C, height, width) -> (B, P, W): a token for each patch, which knows its place."""

    def __init__(self, config: VitModel, channels: int, patches: int) -> None:
        super().__init__()
        own = config.pool == "token"
        self.token = nn.Parameter(torch.zeros(1, 1, config.width)) if own else None
        self.place = nn.Parameter(torch.empty(1, patches + own, config.width))
        init.normal_(self.place, std=POSITION)
        self.patches = nn.Conv2d(channels, config.width, config.patch, config.patch)
        self.dropout = nn.Sequential(*dropout(config))

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        if self.token is not None:
            x = torch.cat([self.token.expand(len(x), -1, -1), x], 1)
        out: Tensor = self.dropout(x + self.place)
        return out


class Block(nn.Module):
    """Attention, then a perceptron, each a residual branch."""

    def __init__(self, config: VitModel, activation: ActivationConfig, place: float) -> None:
        super().__init__()
        width = config.width
        attention = nn.Sequential(
            nn.LayerNorm(width), Attention(width, config.heads), *dropout(config)
        )
        perceptron = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, RATIO * width),
            activation.build(),
            *dropout(config),
            nn.Linear(RATIO * width, width),
            *dropout(config),
        )
        self.attention = Residual(attention, config, place)
        self.perceptron = Residual(perceptron, config, place)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.perceptron(self.attention(x))
        return out


class Attention(nn.Module):
    """Vaswani et al. 2017, of linear layers, so that initializers and weight decay see them."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.into = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        into = self.into(x).unflatten(2, (3, self.heads, -1))  # (B, P, 3, H, W / H)
        query, key, value = into.permute(2, 0, 3, 1, 4)  # each (B, H, P, W / H)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out


class Pool(nn.Module):
    """(B, P, W) -> (B, W)"""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0] if self.kind == "token" else x.mean(1)


def dropout(config: VitModel) -> list[nn.Module]:
    return [nn.Dropout(config.dropout)] if config.dropout else []
