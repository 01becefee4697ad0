"""The contract of every policy and mix, what each part promises of its own, and what is refused."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.errors import InvalidInput
from autotune.testing import augment as suite
from autotune.testing.augment import batch_of, images, rows, seeded
from autotune.testing.train import check_documented, examples
from autotune.train.augment import pipeline, transforms
from autotune.train.augment.config import (
    AugmentConfig,
    AugMix,
    Basic,
    Both,
    CutMix,
    MixConfig,
    MixUp,
    PolicyConfig,
    RandAugment,
    TableConfig,
    TrivialAugment,
)
from autotune.train.augment.synthetic.config import SyntheticConfig
from autotune.train.augment.table import Table
from autotune.train.base import variants

STRONG = {
    "translate": 0.3,
    "rotate": 30.0,
    "scale": 0.3,
    "shear": 20.0,
    "resized_crop": 0.3,
    "brightness": 0.5,
    "contrast": 0.5,
    "saturation": 0.5,
    "hue": 0.2,
    "grayscale": 0.2,
    "blur": 1.5,
    "erase": 0.5,
    "cutout": 0.4,
    "flip": 0.5,
    "flip_vertical": 0.5,
}
POLICIES = [
    *(config for config in examples(PolicyConfig) if config.name != "none"),
    *(Basic(**{"crop_pad": 0.0, knob: strength}) for knob, strength in STRONG.items()),
    Basic(**STRONG),
    RandAugment(n=3, m=30.0, flip=0.5, cutout=0.5),
    AugMix(severity=10.0, width=2, depth=4, alpha=0.3),
]
MIXES = [
    *(config for config in examples(MixConfig) if config.name != "none"),
    *(config(alpha=alpha) for config in (MixUp, CutMix) for alpha in (0.01, 8.0)),
    MixUp(probability=0.5),
    CutMix(probability=0.5),
    Both(switch=0.2, probability=0.7),
]
COLOURLESS = {"saturation", "hue", "grayscale"}  # what leaves a grey image as it is


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def named(config):
    changed = config.model_dump(exclude_defaults=True, exclude={"name"})
    return f"{config.name}-{'-'.join(changed)}"[:60]


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (1, 8, 8), (3, 20, 13)])
@pytest.mark.parametrize("config", POLICIES, ids=named)
def test_policy_contract(config, shape):
    knobs = set(config.model_dump(exclude_defaults=True)) - {"crop_pad"}
    if shape[0] == 1 and knobs and knobs <= COLOURLESS:
        data = images(shape, samples=8)
        unchanged = pipeline.build_policy(config, data)(data.train.x, seeded())
        torch.testing.assert_close(unchanged, data.train.x, atol=1e-6, rtol=0)
        return
    suite.check_policy(config, images(shape, samples=40))


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 28, 28), (3, 7, 12)])
@pytest.mark.parametrize("config", MIXES, ids=named)
def test_mix_contract(config, shape):
    suite.check_mix(config, shape)


@pytest.mark.parametrize(
    "config",
    [TableConfig(noise=0.1), TableConfig(mask=0.3), TableConfig(noise=0.2, mask=0.3, fill="other")],
)
def test_table_contract(config):
    suite.check_table(config, rows())


@given(
    st.sampled_from([config for config in examples(PolicyConfig) if config.name != "none"]),
    st.tuples(st.sampled_from([1, 3]), st.integers(1, 24), st.integers(1, 24)),
    st.integers(1, 5),
)
@settings(max_examples=60, deadline=None)
def test_policies_take_images_of_any_size(config, shape, count):
    data = images(shape, samples=8)
    changed = pipeline.build_policy(config, data)(data.train.x[:count], seeded())
    assert changed.shape == (count, *shape) and changed.isfinite().all()


@given(
    st.sampled_from([config for config in examples(MixConfig) if config.name != "none"]),
    st.tuples(st.integers(1, 4), st.integers(1, 24), st.integers(1, 24)),
    st.integers(1, 9),
)
@settings(max_examples=60, deadline=None)
def test_mixes_keep_the_sum_of_targets(config, shape, count):
    x, target = torch.rand(count, *shape), torch.eye(count)
    mixed, shares = pipeline.build_mix(config)(x, target, seeded())
    assert mixed.shape == x.shape and mixed.isfinite().all()
    torch.testing.assert_close(shares.sum(1), torch.ones(count))


@pytest.mark.parametrize(
    "config",
    [
        Basic(crop_pad=0.0),
        Basic(crop_pad=0.0, erase=0.0, erase_area=0.5),
        RandAugment(crop_pad=0.0, n=1, m=0.0),
    ],
    ids=named,
)
def test_what_has_no_strength_changes_nothing(config):
    data = images()
    x = data.train.x
    changed = pipeline.build_policy(config, data)(x, seeded())
    if config.name == "rand_augment":  # but for autocontrast and equalize, which have no strength
        changed, x = (value[(changed - x).abs().amax((1, 2, 3)) < 0.05] for value in (changed, x))
        assert len(x) > 40
    torch.testing.assert_close(changed, x, atol=2e-6, rtol=0)


TRANSFORMS = [transforms.RANDOM, transforms.wide(32), transforms.MIXED]


@pytest.mark.parametrize("table", TRANSFORMS, ids=["random", "wide", "mixed"])
def test_every_move_is_chosen_equally_often_and_to_both_sides(table):
    count = 14_000
    choice = transforms.chosen(table, torch.ones(count), seeded())
    share = torch.bincount(choice.which, minlength=len(table)) / count
    torch.testing.assert_close(share, torch.full_like(share, 1 / len(table)), atol=0.012, rtol=0)
    for place, move in enumerate(table):
        amounts = choice.amount[choice.which == place]
        assert torch.allclose(amounts.abs(), torch.tensor(float(abs(move.strongest))))
        assert (amounts < 0).float().mean().item() == pytest.approx(0.5 * move.signed, abs=0.07)


def test_the_moves_are_the_papers():
    random = {move.name for move in transforms.RANDOM}
    assert len(random) == 14 and random == {move.name for move in transforms.wide(32)}
    tested = {"brightness", "colour", "contrast", "sharpness", "identity"}
    assert {move.name for move in transforms.MIXED} == random - tested


@pytest.mark.parametrize("name", [move.name for move in transforms.RANDOM])
def test_each_image_gets_the_move_that_it_chose(name):
    """One after the other and in one batch: the same."""
    p = torch.rand(28, 3, 16, 16, generator=seeded())
    level = torch.full((28,), 0.7)
    choice = transforms.chosen(transforms.RANDOM, level, seeded(3))
    place = [move.name for move in transforms.RANDOM].index(name)
    choice = transforms.Choice(
        torch.where(torch.arange(28) % 2 == 0, place, choice.which), choice.amount
    )
    together = transforms.carried(p, transforms.RANDOM, [choice])
    for i in range(28):
        one = transforms.Choice(choice.which[i : i + 1], choice.amount[i : i + 1])
        alone = transforms.carried(p[i : i + 1], transforms.RANDOM, [one])
        torch.testing.assert_close(together[i : i + 1], alone, atol=1e-6, rtol=0)


def test_rand_augment_draws_n_moves():
    """At full strength, more transforms leave fewer images as they were."""
    data = images(samples=400)
    kept = []
    for n in (1, 2, 4):
        policy = pipeline.build_policy(RandAugment(crop_pad=0.0, n=n, m=30.0), data)
        changed = policy(data.train.x, seeded())
        same = (changed - data.train.x).abs().amax((1, 2, 3)) < 1e-5
        kept.append(same.float().mean().item())
    # identity, and what these full-range images do not show: autocontrast
    expected = [(2 / 14) ** n for n in (1, 2, 4)]
    assert kept == pytest.approx(expected, abs=0.06)


def test_trivial_augment_moves_no_further_than_the_image():
    assert transforms.wide(8)[3].strongest == 1 and transforms.wide(64)[3].strongest == 0.5


def test_mixup_is_its_formula():
    x, target = torch.rand(64, 5), torch.eye(64)
    mixed, shares = pipeline.build_mix(MixUp(alpha=1.0))(x, target, seeded())
    torch.testing.assert_close(mixed, shares @ x)
    own = shares.diagonal()
    assert own.mean().item() == pytest.approx(0.5, abs=0.12) and own.std() > 0.2


def test_mixup_shares_are_of_the_beta_distribution():
    x = torch.zeros(20_000, 1)
    x[:, 0] = torch.arange(20_000) % 2
    for alpha in (0.2, 1.0, 4.0):
        _, shares = pipeline.build_mix(MixUp(alpha=alpha))(
            x, torch.arange(20_000.0).view(-1, 1), seeded()
        )
        from autotune.train.augment.draws import beta

        drawn = beta(20_000, alpha, seeded())
        assert drawn.mean().item() == pytest.approx(0.5, abs=0.01)
        assert drawn.var().item() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.04)
        assert shares.isfinite().all()


def test_cutmix_weighs_by_the_pixels_that_were_pasted():
    x = torch.arange(48.0).view(-1, 1, 1, 1).expand(48, 2, 9, 14)
    mixed, shares = pipeline.build_mix(CutMix())(x, torch.eye(48), seeded(5))
    cut = 0
    for i in range(48):
        foreign = mixed[i, 0] != i
        cut += bool(foreign.any())
        assert foreign.float().mean().item() == pytest.approx(1 - shares[i, i].item(), abs=1e-6)
        if foreign.any():
            partner = int(mixed[i, 0][foreign][0])
            assert (mixed[i][:, foreign] == partner).all()
            assert shares[i, partner].item() == pytest.approx(foreign.float().mean().item())
            rows, columns = foreign.any(1).sum(), foreign.any(0).sum()
            assert rows * columns == foreign.sum()  # a rectangle
    assert cut > 35


def test_the_switch_chooses_for_each_image():
    x = torch.arange(400.0).view(-1, 1, 1, 1).expand(400, 1, 8, 8)
    both = pipeline.build_mix(Both(switch=0.3, mixup_alpha=4.0, cutmix_alpha=4.0))
    mixed, _ = both(x, torch.eye(400), seeded())
    values = torch.tensor([len(image.unique()) for image in mixed])
    assert (values == 2).float().mean().item() == pytest.approx(0.3, abs=0.07)


def test_a_share_of_the_samples_is_mixed():
    x = torch.arange(2000.0).view(-1, 1)
    _, shares = pipeline.build_mix(MixUp(alpha=4.0, probability=0.25))(x, torch.eye(2000), seeded())
    assert (shares.diagonal() < 1).float().mean().item() == pytest.approx(0.25, abs=0.04)


def test_noise_and_masks_have_their_strength():
    data = rows(features=8, samples=2000)
    x = data.train.x
    noisy = Table(TableConfig(noise=0.3), data)(x, seeded())
    assert (noisy - x).std().item() == pytest.approx(0.3, rel=0.03)
    hidden = Table(TableConfig(mask=0.2), data)(x, seeded())
    assert (hidden == 0).float().mean().item() == pytest.approx(0.2, abs=0.01)
    assert ((hidden == x) | (hidden == 0)).all()


def test_another_samples_value_is_of_the_same_feature():
    data = rows(features=4, samples=300)
    x = data.train.x
    hidden = Table(TableConfig(mask=0.5, fill="other"), data)(x, seeded())
    for feature in range(4):
        assert torch.isin(hidden[:, feature], x[:, feature]).all()
    assert (hidden != x).float().mean().item() == pytest.approx(0.5, abs=0.03)


def test_codes_of_categories_get_no_noise():
    data = rows(features=5)
    codes = torch.arange(64).remainder(4).float()[:, None]
    x = torch.cat((data.train.x[:, :3], codes, codes), 1)
    from dataclasses import replace

    data = replace(data, train=replace(data.train, x=x), categories=(4, 4))
    changed = Table(TableConfig(noise=1.0, mask=0.4), data)(x, seeded())
    assert ((changed[:, 3:] == x[:, 3:]) | (changed[:, 3:] == 0)).all()
    assert (changed[:, :3] != x[:, :3]).all()


def test_categories_are_mixed_by_choosing_one():
    x = torch.cat((torch.randn(3000, 2), torch.arange(3000.0).view(-1, 1).expand(3000, 2)), 1)
    mixed, shares = pipeline.build_mix(MixUp(alpha=2.0), 2)(
        x, torch.arange(3000.0).view(-1, 1), seeded()
    )
    partner = torch.randperm(3000, generator=seeded())
    own, other = mixed[:, 2:] == x[:, 2:], mixed[:, 2:] == x[partner, 2:]
    assert (own | other).all()
    share = (mixed - x)[:, 0] / (x[partner] - x)[:, 0]  # of the numbers
    chosen = other.float().mean(1)
    assert chosen[share > 0.7].mean() > 0.7 and chosen[share < 0.3].mean() < 0.3


def test_parts_work_together_in_their_order():
    data = images((1, 8, 8), classes=4)
    augment = pipeline.build(AugmentConfig(policy=Basic(rotate=20.0), mix=CutMix()), data)
    assert augment is not None
    batch = batch_of(data)
    changed = augment(batch, seeded())
    assert torch.equal(changed.y, batch.y) and torch.equal(changed.rows, batch.rows)
    assert changed.target.shape == (16, 4) and changed.target.dtype == torch.float32
    torch.testing.assert_close(changed.target.sum(1), torch.ones(16))
    loss = torch.nn.functional.cross_entropy(
        torch.zeros(16, 4), changed.target, label_smoothing=0.1
    )
    assert loss.item() == pytest.approx(torch.tensor(4.0).log().item())


def test_without_a_mix_the_target_stays_a_class():
    batch = batch_of(images())
    changed = pipeline.build(AugmentConfig(policy=Basic()), images())(batch, seeded())
    assert changed.target is batch.target


def test_a_regression_is_mixed_when_a_rule_is_named():
    data = rows(classes=0)
    batch = batch_of(data)
    augment = pipeline.build(AugmentConfig(mix=MixUp(alpha=2.0, targets="linear")), data)
    changed = augment(batch, seeded())
    partner = torch.randperm(16, generator=seeded())
    assert changed.target.shape == (16,)
    share = (changed.x - batch.x)[:, 0] / (batch.x[partner] - batch.x)[:, 0]
    expected = torch.lerp(batch.y, batch.y[partner], share.nan_to_num())
    torch.testing.assert_close(changed.target, expected, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    "config",
    [
        AugmentConfig(),
        AugmentConfig(synthetic=SyntheticConfig(ratio=0.0)),
    ],
)
def test_nothing_to_do_costs_nothing(config):
    assert pipeline.build(config, images()) is None
    assert pipeline.build(AugmentConfig(table=TableConfig()), rows()) is None


REFUSED = [
    (
        AugmentConfig(policy=Basic()),
        rows(),
        "`augment.policy` basic needs images, but the samples of `data` are (6,): "
        "use `augment.table`",
    ),
    (
        AugmentConfig(policy=TrivialAugment()),
        images((4, 8, 8)),
        "`augment.policy` trivial_augment changes colours, for which images of 1 or 3 channels are "
        "needed, not 4: use basic without them",
    ),
    (
        AugmentConfig(table=TableConfig(noise=0.1)),
        images(),
        "`augment.table` needs rows of a table, but the samples of `data` are (3, 32, 32): "
        "use `augment.policy`",
    ),
    (
        AugmentConfig(mix=CutMix()),
        rows(),
        "`augment.mix` cutmix needs images, but the samples of `data` are (6,): use mixup",
    ),
    (
        AugmentConfig(mix=MixUp()),
        rows(classes=0),
        "`augment.mix` mixup on a regression needs a rule for the targets: "
        "set `augment.mix.targets: linear`",
    ),
    (
        AugmentConfig(synthetic=SyntheticConfig()),
        rows(),
        "`augment.synthetic` needs images, but the samples of `data` are (6,)",
    ),
    (
        AugmentConfig(synthetic=SyntheticConfig()),
        images(classes=0),
        "`augment.synthetic` makes samples of classes, which a regression has not",
    ),
]


@pytest.mark.parametrize(("config", "data", "line"), REFUSED, ids=lambda value: "")
def test_what_does_not_fit_the_data_is_refused_in_one_line(config, data, line):
    with pytest.raises(InvalidInput) as caught:
        pipeline.build(config, data)
    assert [problem.message for problem in caught.value.problems] == [line]
    assert caught.value.problems[0].path[0] == "augment"


def test_every_misfit_is_named_at_once():
    config = AugmentConfig(policy=Basic(), mix=Both(), synthetic=SyntheticConfig())
    with pytest.raises(InvalidInput) as caught:
        pipeline.build(config, rows(classes=0))
    assert len(caught.value.problems) == 4


def test_four_channels_may_be_moved_and_erased():
    data = images((4, 8, 8))
    suite.check_policy(Basic(rotate=20.0, erase=0.5), data)


@pytest.mark.parametrize(
    "config",
    [
        AugmentConfig,
        TableConfig,
        SyntheticConfig,
        *variants(PolicyConfig).values(),
        *variants(MixConfig).values(),
    ],
)
def test_every_field_is_documented(config):
    check_documented(config)
