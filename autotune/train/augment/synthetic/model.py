"""A small conditional GAN for images of up to about 32 x 32 pixels.

Generator: a DCGAN (Radford et al. 2016) by nearest-neighbour upsampling, the class embedded and
joined to the noise. Discriminator: convolutions under spectral normalisation (Miyato et al. 2018),
judging the class by projection (Miyato & Koyama 2018). It is shown pairs of one class, so that a
generator that makes one image each time is found out (Lin et al. 2018, "PacGAN").
"""

from math import ceil

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.nn.utils.parametrizations import spectral_norm

__all__ = ["NOISE", "Discriminator", "Generator"]

NOISE = 64  # numbers an image is made from
SLOPE = 0.2


class Generator(nn.Module):
    """(B, NOISE) noise and (B,) classes to (B, C, H, W), -1 to 1."""

    def __init__(self, shape: tuple[int, ...], classes: int, width: int) -> None:
        super().__init__()
        channels, self.height, self.width = shape
        self.start = (4 * width, ceil(self.height / 4), ceil(self.width / 4))
        self.embed = nn.Embedding(classes, NOISE)
        self.first = nn.Linear(2 * NOISE, self.start[0] * self.start[1] * self.start[2])
        self.norm = nn.BatchNorm2d(4 * width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(wide, thin, 3, padding=1), nn.BatchNorm2d(thin), nn.ReLU())
            for wide, thin in ((4 * width, 2 * width), (2 * width, width))
        )
        self.last = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, noise: Tensor, classes: Tensor) -> Tensor:
        joined = torch.cat((noise, self.embed(classes)), 1)
        x = self.norm(self.first(joined).view(-1, *self.start)).relu()
        for block in self.blocks:
            x = block(interpolate(x, scale_factor=2))
        image: Tensor = self.last(x).tanh()
        return image[:, :, : self.height, : self.width]


class Discriminator(nn.Module):
    """(B, C, H, W) and (B,) classes to (B,): above 0 for what looks real."""

    def __init__(self, shape: tuple[int, ...], classes: int, width: int) -> None:
        super().__init__()
        sizes = ((shape[0], width, 1), (width, 2 * width, 2), (2 * width, 4 * width, 2))
        layers: list[nn.Module] = []
        for thin, wide, stride in sizes:
            layers += [
                spectral_norm(nn.Conv2d(thin, wide, 3, stride, padding=1)),
                nn.LeakyReLU(SLOPE),
            ]
        self.features = nn.Sequential(*layers)
        # Not normalised: it would hold the score so near 0 that the generator learns nothing.
        self.score = nn.Linear(4 * width, 1)
        self.embed = nn.Embedding(classes, 4 * width)

    def forward(self, x: Tensor, classes: Tensor) -> Tensor:
        features = self.features(x).sum((2, 3))  # (B, 4 * width)
        score: Tensor = self.score(features)[:, 0] + (features * self.embed(classes)).sum(1)
        return score
