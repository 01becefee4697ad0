"""What every augmentation must do: call these for a variant of your own.

The suites of this project run them over the unions of policies and of mixes, so a new variant is
tested unasked.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor

from autotune.train.augment.pipeline import build_mix, build_policy
from autotune.train.augment.table import Table
from autotune.train.batch import Batch
from autotune.train.data.base import Dataset, Split

__all__ = ["batch_of", "check_mix", "check_policy", "check_table", "images", "rows", "seeded"]

Change = Callable[[Tensor, Generator], Tensor]


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def images(shape: tuple[int, ...] = (3, 32, 32), samples: int = 64, classes: int = 10) -> Dataset:
    """A data set of random images, of pixels from 0 to 255 before they were normalised."""
    x = torch.randint(256, (samples, *shape), generator=seeded()).float()
    x[0] = torch.linspace(0, 255, x[0].numel()).view(shape)  # black and white are there
    return dataset(x, x.mean((0, 2, 3), keepdim=True), x.std((0, 2, 3), keepdim=True), classes)


def rows(features: int = 6, samples: int = 64, classes: int = 3) -> Dataset:
    """A data set of random rows of a table; `classes` 0 makes a regression."""
    x = 3 + 2 * torch.randn(samples, features, generator=seeded())
    return dataset(x, x.mean(0, keepdim=True), x.std(0, keepdim=True), classes)


def dataset(x: Tensor, mean: Tensor, std: Tensor, classes: int) -> Dataset:
    y = torch.arange(len(x)) % classes if classes else torch.linspace(-1, 1, len(x))
    split = Split((x - mean) / std, y)
    return Dataset(split, split, split, classes, classes or 1, mean, std)


def batch_of(data: Dataset, count: int = 16) -> Batch:
    x, y = data.train.x[:count], data.train.y[:count]
    return Batch(torch.arange(count), x, y, y, 1)


def check_policy(config: Any, data: Dataset) -> None:
    """A policy of images: each image has a draw of its own, and nothing but the generator's."""
    policy = build_policy(config, data)
    assert policy is not None, f"{config.name} changes nothing"
    x = data.train.x
    one = x[:1].expand(len(x), *x.shape[1:]).clone()
    check_change(config.name, policy, x)
    check_change(config.name, policy, one)
    check_own_draws(config.name, policy(one, seeded()))
    low, high = x.amin((0, 2, 3), keepdim=True), x.amax((0, 2, 3), keepdim=True)
    changed = policy(x, seeded())
    inside = (changed >= low - 1e-4) & (changed <= high + 1e-4)
    assert inside.all(), f"{config.name} makes pixels darker than black or lighter than white"


def check_table(config: Any, data: Dataset) -> None:
    """A change of rows: each row has a draw of its own, and nothing but the generator's."""
    change = Table(config, data)
    check_change("table", change, data.train.x)
    check_own_draws("table", change(data.train.x, seeded()) - data.train.x)


def check_change(name: str, change: Change, x: Tensor) -> None:
    before, state = x.clone(), torch.get_rng_state()
    first, again, other = change(x, seeded(1)), change(x, seeded(1)), change(x, seeded(2))
    assert torch.equal(x, before), f"{name} changes its input in place"
    assert torch.equal(torch.get_rng_state(), state), f"{name} draws from torch's own generator"
    assert first.shape == x.shape and first.dtype == x.dtype, f"{name} changes the shape or dtype"
    assert first.isfinite().all(), f"{name} makes numbers that are not finite"
    assert torch.equal(first, again), f"{name}: one seed gives two results"
    assert not torch.equal(first, other), f"{name}: two seeds give one result"
    assert change(x[:1], seeded()).shape == x[:1].shape, f"{name} needs more than one sample"


def check_own_draws(name: str, changed: Tensor) -> None:
    """`changed` was one sample many times over."""
    kinds = len(changed.flatten(1).unique(dim=0))
    assert kinds > 1, f"{name} draws once for a batch: all samples are changed alike"


def check_mix(config: Any, shape: tuple[int, ...] = (3, 8, 8), samples: int = 32) -> None:
    """Its target tells, exactly, what each sample is made of."""
    mix = build_mix(config)
    assert mix is not None, f"{config.name} mixes nothing"
    # Sample i is i everywhere and of class i: so its mean says what it was made of.
    number = torch.arange(samples, dtype=torch.float32)
    x = number.view(-1, *[1] * len(shape)).expand(samples, *shape).clone()
    target = torch.eye(samples)
    mixed, shares = mix(x, target, seeded())
    assert torch.equal(x.flatten(1).amin(1), number), f"{config.name} changes x in place"
    assert torch.equal(target, torch.eye(samples)), f"{config.name} changes the target in place"
    assert mixed.shape == x.shape and shares.shape == target.shape
    assert mixed.dtype == x.dtype and shares.dtype == target.dtype
    assert (shares >= 0).all(), f"{config.name} gives negative shares"
    torch.testing.assert_close(shares.sum(1), torch.ones(samples))
    torch.testing.assert_close(mixed.flatten(1).mean(1), shares @ number, atol=1e-4, rtol=1e-5)
    check_mix_draws(config.name, mix, x, target)


def check_mix_draws(name: str, mix: Any, x: Tensor, target: Tensor) -> None:
    first, again, other = (mix(x, target, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[1], other[1]), f"{name}: two seeds give one result"
    kept = first[1].diagonal()
    assert len(kept.unique()) > 2, f"{name} draws one share for the batch"
    alone, share = mix(x[:1], target[:1], seeded())
    torch.testing.assert_close((alone, share), (x[:1], target[:1]))
