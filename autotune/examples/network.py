"""A network of a user's own, as studies/custom-model.yaml names it: a small MLP-Mixer.

Copy this file into the folder you start autotune from, say as my_net.py, and write
`build: "my_net:build"` in the study. It needs nothing of autotune.

Shapes: B samples, T patches of an image, D features of a patch.
"""

from torch import Tensor, nn

__all__ = ["Mixer", "build"]


def build(
    shape: tuple[int, ...], classes: int, patch: int = 2, width: int = 32, depth: int = 2
) -> nn.Module:
    """`shape` is that of one sample, (C, H, W); the rest are `args` of the study file."""
    channels, height, rows = shape
    if height % patch or rows % patch:
        raise ValueError(f"patches of {patch} do not tile images of {height} x {rows}")
    tokens = (height // patch) * (rows // patch)
    mixers = [Mixer(tokens, width) for _ in range(depth)]
    return nn.Sequential(
        nn.Unfold(patch, stride=patch),  # (B, C * patch * patch, T)
        Swap(),
        nn.Linear(channels * patch * patch, width),  # (B, T, D)
        *mixers,
        nn.LayerNorm(width),
        nn.Flatten(),
        nn.Linear(tokens * width, classes),
    )


class Mixer(nn.Module):
    """Mixes over patches, then over the features of each (Tolstikhin et al. 2021)."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.across = nn.Sequential(nn.LayerNorm(width), Swap(), mlp(tokens, 2 * tokens), Swap())
        self.within = nn.Sequential(nn.LayerNorm(width), mlp(width, 2 * width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.across(x)  # (B, T, D)
        return x + self.within(x)  # type: ignore[no-any-return]


class Swap(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


def mlp(size: int, hidden: int) -> nn.Module:
    return nn.Sequential(nn.Linear(size, hidden), nn.GELU(), nn.Linear(hidden, size))
