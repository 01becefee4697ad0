"""Generated samples: made once, from the train split alone, and like it."""

from dataclasses import replace

import pytest
import torch

from autotune.testing.augment import batch_of, images, seeded
from autotune.train.augment import pipeline
from autotune.train.augment.config import AugmentConfig
from autotune.train.augment.synthetic import pool as pools
from autotune.train.augment.synthetic.config import SyntheticConfig
from autotune.train.augment.synthetic.model import NOISE, Discriminator, Generator
from autotune.train.augment.synthetic.train import fit, sample
from autotune.train.data.base import Split, prepare
from autotune.train.data.config import DigitsData

QUICK = {"steps": 3, "width": 4, "batch_size": 8}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.setenv("AUTOTUNE_CACHE", str(tmp_path))
    pools.images.cache_clear()
    yield tmp_path
    pools.images.cache_clear()


def folders(cache):
    return [path for path in cache.iterdir() if path.is_dir()]


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 9, 14)])
def test_networks_fit_the_images(shape):
    maker, judge = Generator(shape, 5, 4), Discriminator(shape, 5, 4)
    classes = torch.tensor([0, 4, 2])
    made = maker(torch.randn(3, NOISE), classes)
    assert made.shape == (3, *shape) and made.abs().max() <= 1
    assert judge(made, classes).shape == (3,)


def test_a_share_of_each_batch_is_replaced_by_samples_of_the_same_class():
    data = images((1, 8, 8), classes=4)
    config = SyntheticConfig(ratio=0.25, **QUICK)
    augment = pipeline.build(AugmentConfig(synthetic=config), data)
    batch = batch_of(data)
    changed = augment(batch, seeded())
    assert torch.equal(changed.x[4:], batch.x[4:])
    assert torch.equal(changed.y, batch.y) and torch.equal(changed.target, batch.target)
    pool = pools.build(config, data)
    made = pool.pixels.leave(pool.images.float() / 255)  # (classes, S, C, H, W)
    for image, label in zip(changed.x[:4], batch.y[:4], strict=True):
        assert (made[label] - image).abs().flatten(1).amax(1).min() < 1e-5


def test_one_seed_gives_one_batch():
    data = images((1, 8, 8), classes=4)
    augment = pipeline.build(AugmentConfig(synthetic=SyntheticConfig(ratio=0.5, **QUICK)), data)
    first, again, other = (augment(batch_of(data), seeded(seed)).x for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_it_is_trained_once_for_all_who_ask(own_cache):
    data = images((1, 8, 8), classes=4)
    half = pools.build(SyntheticConfig(ratio=0.5, **QUICK), data)
    stamp = [path.stat().st_mtime_ns for path in own_cache.rglob("*.safetensors")]
    pools.images.cache_clear()  # as another process would find it
    quarter = pools.build(SyntheticConfig(ratio=0.25, **QUICK), data)
    assert torch.equal(half.images, quarter.images)
    assert [path.stat().st_mtime_ns for path in own_cache.rglob("*.safetensors")] == stamp
    assert len(folders(own_cache)) == 1


def test_another_split_or_seed_has_another_generator(own_cache):
    data = images((1, 8, 8), classes=4)
    first = pools.build(SyntheticConfig(**QUICK), data)
    seed = pools.build(SyntheticConfig(seed=1, **QUICK), data)
    fewer = replace(data, train=Split(data.train.x[:40], data.train.y[:40]))
    split = pools.build(SyntheticConfig(**QUICK), fewer)
    assert len(folders(own_cache)) == 3
    assert not torch.equal(first.images, seed.images)
    assert not torch.equal(first.images, split.images)


def test_only_the_train_split_is_read(tmp_path, monkeypatch):
    data = images((1, 8, 8), classes=4)
    nothing = Split(torch.full((5, 1, 8, 8), torch.nan), torch.full((5,), -1))
    blind = replace(data, val=nothing, test=nothing)
    assert pools.key(SyntheticConfig(), data) == pools.key(SyntheticConfig(), blind)
    seen = pools.build(SyntheticConfig(**QUICK), data).images
    pools.images.cache_clear()
    monkeypatch.setenv("AUTOTUNE_CACHE", str(tmp_path / "another"))
    assert torch.equal(pools.build(SyntheticConfig(**QUICK), blind).images, seen)


def test_training_is_the_same_for_the_same_seed_and_leaves_torchs_own():
    x, y = torch.rand(20, 1, 8, 8, generator=seeded()) * 2 - 1, torch.arange(20) % 4
    state = torch.get_rng_state()
    made = []
    for noise in (0, 1):
        torch.rand(noise)
        maker = fit(x, y, 4, SyntheticConfig(**QUICK))
        made.append(sample(maker, torch.arange(4), seed=0))
    torch.rand(0)
    assert torch.equal(made[0], made[1])
    torch.set_rng_state(state)
    fit(x, y, 4, SyntheticConfig(**QUICK))
    assert torch.equal(torch.get_rng_state(), state)


def test_classes_that_are_rare_are_made_as_often():
    data = images((1, 8, 8), classes=4)
    y = torch.zeros(64, dtype=torch.int64)
    y[:3] = torch.arange(1, 4)
    rare = replace(data, train=Split(data.train.x, y))
    assert pools.build(SyntheticConfig(**QUICK), rare).images.shape == (4, 2500, 1, 8, 8)


@pytest.mark.slow
def test_generated_digits_look_like_their_classes():
    """A classifier of the nearest class mean, made of real digits, names generated ones."""
    data = prepare(DigitsData(), "cpu")
    pool = pools.build(SyntheticConfig(steps=1500), data)
    x, y = data.train.x, data.train.y
    means = torch.stack([x[y == label].mean(0) for label in range(10)]).flatten(1)

    def right(x, y):
        return (torch.cdist(x.flatten(1), means).argmin(1) == y).float().mean().item()

    made = pool.pixels.leave(pool.images[:, :50].float() / 255).flatten(0, 1)
    labels = torch.arange(10).repeat_interleave(50)
    assert right(x, y) > 0.88  # what it knows of real ones
    assert right(made, labels) > 0.8
    spread = made.view(10, 50, -1).std(1).mean()  # within a class: they are not all alike
    real = torch.stack([x[y == label].flatten(1).std(0) for label in range(10)]).mean()
    assert spread > 0.5 * real
