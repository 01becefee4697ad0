"""`augment` in a whole training: its paths, its repeatability, and that its absence is free."""

import pytest
import torch

from autotune.errors import InvalidInput
from autotune.testing.train import check_resumes
from autotune.train import loop
from autotune.train.config import apply

DIGITS = {
    "data": {"name": "digits"},
    "model": {"name": "cnn", "blocks": 1, "channels": 4},
    "epochs": 4,
    "batch_size": 128,
}
PARTS = [
    {"policy": {"name": "basic", "rotate": 15.0, "erase": 0.5}},
    {"policy": {"name": "rand_augment"}, "mix": {"name": "mixup"}},
    {"policy": {"name": "augmix"}, "mix": {"name": "both"}},
    {"synthetic": {"ratio": 0.5, "steps": 2, "width": 4}, "mix": {"name": "cutmix"}},
]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOTUNE_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("augment", PARTS, ids=lambda part: "-".join(part))
def test_a_training_resumes_to_the_same_curve(augment, tmp_path):
    check_resumes(apply({**DIGITS, "augment": augment, "label_smoothing": 0.1}, {}), tmp_path)


def test_rows_of_a_table_are_augmented(make, tmp_path):
    config = make(
        {"augment.table.noise": 0.1, "augment.table.mask": 0.2, "augment.mix.name": "mixup"}
    )
    check_resumes(config, tmp_path)


def curve(config, folder):
    return [report.metrics for report in loop.train(config, folder)]


def test_a_section_that_does_nothing_changes_no_number(make, tmp_path):
    bare = curve(make(), tmp_path / "bare")
    assert curve(make(augment={}), tmp_path / "empty") == bare
    assert curve(make({"augment.table.noise": 0.5}), tmp_path / "noisy") != bare


def test_every_epoch_and_seed_draws_anew(tmp_path):
    seen = []

    def run(seed):
        config = apply({**DIGITS, "augment": PARTS[0], "epochs": 2}, {"seed": seed})
        run = loop.begin(config)
        augment = run.augment

        def watch(batch, draws):
            changed = augment(batch, draws)
            seen.append(changed.x[0])
            return changed

        object.__setattr__(run, "augment", watch)
        for epoch in (1, 2):
            seen.clear()
            loop.learn(run, epoch)
            yield torch.stack(seen)

    first, second = run(0)
    again, _ = run(0)
    other, _ = run(1)
    assert torch.equal(first, again)
    assert not torch.equal(first, second) and not torch.equal(first, other)


def test_values_reach_every_part():
    config = apply(
        DIGITS,
        {
            "augment.policy.name": "rand_augment",
            "augment.policy.m": 12.0,
            "augment.mix.name": "mixup",
            "augment.mix.alpha": 0.4,
            "augment.synthetic.ratio": 0.25,
        },
    )
    assert config.augment.policy.m == 12 and config.augment.mix.alpha == 0.4
    assert config.augment.synthetic.ratio == 0.25


def test_what_the_data_cannot_take_is_said_before_training(make, tmp_path):
    with pytest.raises(InvalidInput, match="use `augment.table`"):
        curve(make({"augment.policy.name": "basic"}), tmp_path)
    with pytest.raises(InvalidInput, match="use mixup"):
        curve(make({"augment.mix.name": "cutmix"}), tmp_path)


def test_a_knob_of_another_policy_names_the_condition_to_add():
    with pytest.raises(
        InvalidInput, match=r"add `when: \{augment.policy.name: \[rand_augment\]\}`"
    ):
        apply(DIGITS, {"augment.policy.name": "basic", "augment.policy.n": 2})
