"""Trains the GAN, by the hinge loss (Lim & Ye 2017), for few samples.

Real and generated images get the same differentiable augmentation, so that the discriminator cannot
memorize a small training split (Zhao et al. 2020): translation and cutout. The kept generator is a
running average.
"""

import copy

import torch
from torch import Tensor, nn
from torch.optim import Adam

from autotune.train.augment import geometry
from autotune.train.augment.draws import signed
from autotune.train.augment.erase import cutout
from autotune.train.augment.synthetic.config import SyntheticConfig
from autotune.train.augment.synthetic.model import NOISE, Discriminator, Generator

__all__ = ["fit", "sample"]

RATE = 1e-3  # of both networks
BETAS = (0.0, 0.99)
KEPT = 0.995  # of the running average, a step
MOVED = 0.125  # share of the side
HIDDEN = 0.25


def fit(x: Tensor, y: Tensor, classes: int, config: SyntheticConfig) -> Generator:
    """The averaged generator of images like x (N, C, H, W), -1 to 1, with classes y (N,).

    Deterministic for the same arguments, kind of device and number of threads; torch's own random
    state is preserved.
    """
    device = x.device
    draws = torch.Generator(device).manual_seed(config.seed)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(config.seed)
        maker = Generator(tuple(x.shape[1:]), classes, config.width).to(device)
        judge = Discriminator(tuple(paired(x[:2]).shape[1:]), classes, config.width).to(device)
    average = copy.deepcopy(maker)
    makes = Adam(maker.parameters(), RATE, BETAS)
    judges = Adam(judge.parameters(), RATE, BETAS)
    members, pairs = Members(y), max(1, config.batch_size // 2)
    for _ in range(config.steps):
        labels = y[torch.randint(len(y), (pairs,), generator=draws, device=device)]
        real = seen(x[members.drawn(labels.repeat(2), draws)], draws)
        with torch.no_grad():
            fake = seen(maker(noise(2 * pairs, draws), labels.repeat(2)), draws)
        both = judge(torch.cat((paired(real), paired(fake))), labels.repeat(2))
        step(judges, hinge(*both.split(pairs)))
        fake = seen(maker(noise(2 * pairs, draws), labels.repeat(2)), draws)
        step(makes, -judge(paired(fake), labels).mean())
        follow(average, maker)
    return average.eval()


@torch.no_grad()
def sample(maker: Generator, classes: Tensor, seed: int, batch: int = 500) -> Tensor:
    """One image, -1 to 1, of each of the classes (N,)."""
    draws = torch.Generator(classes.device).manual_seed(seed)
    parts = [maker(noise(len(part), draws), part) for part in classes.split(batch)]
    return torch.cat(parts)


class Members:
    """Which rows are of a class."""

    def __init__(self, y: Tensor) -> None:
        self.rows, self.counts = y.argsort(stable=True), y.bincount()
        self.starts = self.counts.cumsum(0) - self.counts

    def drawn(self, labels: Tensor, draws: torch.Generator) -> Tensor:
        """(B,) random rows of the classes `labels` (B,)."""
        place = torch.rand(len(labels), generator=draws, device=labels.device)
        return self.rows[self.starts[labels] + (place * self.counts[labels]).long()]


def paired(x: Tensor) -> Tensor:
    """(2B, C, H, W) to (B, 2C, H, W): what the discriminator judges together."""
    return torch.cat(x.chunk(2), 1)


def noise(count: int, draws: torch.Generator) -> Tensor:
    return torch.randn(count, NOISE, generator=draws, device=draws.device)


def hinge(real: Tensor, fake: Tensor) -> Tensor:
    return (1 - real).relu().mean() + (1 + fake).relu().mean()


def seen(x: Tensor, draws: torch.Generator) -> Tensor:
    """The discriminator's view; differentiable."""
    count, (height, width) = len(x), x.shape[2:]
    right = signed(count, MOVED * width, draws).round()
    down = signed(count, MOVED * height, draws).round()
    black = torch.full((1, 1, 1, 1), -1.0, device=x.device)
    x = geometry.warp(x, geometry.translate(right, down), black, whole=True)
    return cutout(x, HIDDEN, draws)


def step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module) -> None:
    """Averages the model's weights; buffers of normalizations are copied."""
    for own, new in zip(average.parameters(), model.parameters(), strict=True):
        own.lerp_(new, 1 - KEPT)
    for kept, seen in zip(average.buffers(), model.buffers(), strict=True):
        kept.copy_(seen)
