"""Distillation within a training: strategies, teachers, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from autotune.errors import InvalidInput
from autotune.testing.distill import check_distillation, context, first_batch, write_export
from autotune.testing.train import check_documented, examples
from autotune.train import cache, loop
from autotune.train.base import variants
from autotune.train.distill.build import build
from autotune.train.distill.config import DistillConfig, SoftTargets
from autotune.train.distill.context import DistillationContext
from autotune.train.distill.features import HintsLoss
from autotune.train.distill.teacher_config import TeacherConfig
from autotune.train.distill.teachers import answers, find

STRATEGIES = examples(DistillConfig)


@pytest.fixture
def images(make):
    """A small TrainConfig for the digits."""

    def images(values: dict | None = None, **fixed: object):
        model = {"name": "cnn", "channels": 4}
        return make(values, **{"data": {"name": "digits"}, "model": model, "epochs": 2, **fixed})

    return images


def curve(config, folder: Path) -> list[dict[str, float]]:
    return [dict(report.metrics) for report in loop.train(config, folder)]


@pytest.mark.parametrize("config", STRATEGIES, ids=lambda config: config.name)
def test_distillation_contract(config, images, tmp_path) -> None:
    check_distillation(config, images(batch_size=256), tmp_path)


@pytest.mark.parametrize("schedule", ["linear", "cosine", "learned"])
@pytest.mark.parametrize("name", ["soft_targets", "decoupled"])
def test_distillation_contract_of_a_moving_temperature(name, schedule, make, tmp_path) -> None:
    config = variants(DistillConfig)[name](temperature_schedule=schedule)
    check_distillation(config, make(), tmp_path)


@pytest.mark.parametrize("config", [*variants(DistillConfig).values()], ids=lambda c: c.__name__)
def test_strategies_are_documented(config) -> None:
    check_documented(config)


@pytest.mark.parametrize("config", [*variants(TeacherConfig).values()], ids=lambda c: c.__name__)
def test_teachers_are_documented(config) -> None:
    check_documented(config)


def test_without_a_teacher_nothing_changes(make, tmp_path) -> None:
    assert curve(make({"distill.name": "none"}), tmp_path / "a") == curve(make(), tmp_path / "b")


def test_weights_of_the_loss_by_path(make) -> None:
    config = make({"distill.name": "soft_targets", "distill.temperature": 2.0}, epochs=3)
    assert config.distill.temperature == 2.0
    deep = {"distill.name": "hints", "distill.teacher.name": "trained"}
    deep |= {"distill.teacher.model.name": "mlp", "distill.teacher.model.width": 32}
    assert make(deep).distill.teacher.model.width == 32


def test_a_taught_loss_is_the_weighted_sum(make, tmp_path) -> None:
    """Both parts by hand, alpha on its way down."""
    config = make(epochs=3)
    folder = write_export(config.model_copy(update={"seed": 9}), tmp_path)
    distill = {"name": "soft_targets", "alpha": 0.8, "alpha_end": 0.2, "alpha_schedule": "linear"}
    distill |= {"teacher": {"name": "exported", "folder": str(folder)}, "temperature": 2.0}
    made = context(make(epochs=3, distill=distill), _CrossEntropy())
    loss = build(made.config.distill, made)
    batch = first_batch(made)._replace(epoch=2)
    output = made.student(batch.x)
    teacher = find(made.config.distill.teacher, made)
    p, q = (teacher(batch.x) / 2).softmax(1), (output / 2).softmax(1)
    hard = nn.functional.cross_entropy(output, batch.y)
    by_hand = 0.5 * hard + 0.5 * 4 * (p * (p / q).log()).sum(1).mean()
    torch.testing.assert_close(loss(output, batch), by_hand)


class _CrossEntropy(nn.Module):
    def forward(self, output, batch):
        return nn.functional.cross_entropy(output, batch.target)


def test_a_mixed_batch_reaches_both_the_labels_and_the_teacher(make, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(DistillationContext, "fixed", False)  # as with augmentation
    folder = write_export(make(seed=9), tmp_path)
    teacher = {"name": "exported", "folder": str(folder)}
    for name in ("soft_targets", "decoupled"):
        made = context(make(distill={"name": name, "teacher": teacher}), _CrossEntropy())
        loss = build(made.config.distill, made)
        batch = first_batch(made)
        shares = nn.functional.one_hot(batch.y, 3).float() * 0.7 + 0.1
        mixed = batch._replace(x=batch.x.flip(0) * 0.3 + batch.x * 0.7, target=shares)
        said = loss(made.student(mixed.x), mixed)
        at_other_inputs = loss(made.student(mixed.x), mixed._replace(x=batch.x))
        assert torch.isfinite(said) and said != at_other_inputs


def test_logits_told_once_are_those_told_on_the_fly(make, tmp_path, monkeypatch) -> None:
    folder = write_export(make(seed=31), tmp_path)
    teacher = {"name": "exported", "folder": str(folder)}
    made = context(make(distill={"name": "soft_targets", "teacher": teacher}))
    found = find(made.config.distill.teacher, made)
    before = {path.name for path in cache.folder().glob("logits-*")}
    told = answers(made, found)
    kept = {path.name for path in cache.folder().glob("logits-*")} - before
    rows = torch.tensor([5, 0, 63])
    x, y = made.data.train.x[rows], made.data.train.y[rows]
    batch = first_batch(made)._replace(rows=rows, x=x, y=y)
    torch.testing.assert_close(told(batch), found(x))
    assert len(kept) == 1
    assert torch.equal(answers(made, found)(batch), told(batch))
    monkeypatch.setattr(DistillationContext, "fixed", False)
    changed = batch._replace(x=x + 1)
    torch.testing.assert_close(answers(made, found)(changed), found(x + 1))


def test_a_trained_teacher_is_trained_once_and_shared(make, tmp_path, monkeypatch) -> None:
    teacher = {"name": "trained", "model": {"name": "mlp", "width": 16}, "epochs": 3, "seed": 77}
    trainings = []
    real = loop.train

    def counted(config, *rest):
        trainings.append(config)
        return real(config, *rest)

    monkeypatch.setattr(loop, "train", counted)
    for seed in (1, 2):
        config = make(seed=seed, distill={"name": "soft_targets", "teacher": teacher})
        list(real(config, tmp_path / str(seed)))
    assert [(config.seed, config.model.width) for config in trainings] == [(77, 16)]
    kept = sorted(path.name for path in _newest("trained-*").iterdir())
    assert kept == ["best.json", "best.safetensors"]


def test_the_first_teacher_changes_no_number_of_the_student(make, tmp_path) -> None:
    """The trial that trains the teacher has the curve of one that finds it in the cache."""
    teacher = {"name": "trained", "model": {"name": "mlp", "width": 5}, "epochs": 2}
    config = make({"model.dropout": 0.2}, distill={"name": "hints", "teacher": teacher})
    first, second = curve(config, tmp_path / "a"), curve(config, tmp_path / "b")
    assert first == second


def test_other_data_have_another_teacher(make, blobs, tmp_path) -> None:
    with np.load(blobs) as file:
        np.savez(tmp_path / "x.npz", x=file["x"], y=file["y"])
    data = {"name": "arrays", "path": str(tmp_path / "x.npz")}
    config = make(data=data, distill={"name": "soft_targets"})
    list(loop.train(config, tmp_path / "a"))
    before = len(list(cache.folder().glob("trained-*")))
    list(loop.train(config, tmp_path / "b"))
    assert len(list(cache.folder().glob("trained-*"))) == before
    with np.load(blobs) as file:
        np.savez(tmp_path / "x.npz", x=2 - file["x"] ** 2, y=file["y"])
    from autotune.train.data import base

    base._prepared.cache_clear()
    list(loop.train(config, tmp_path / "c"))
    assert len(list(cache.folder().glob("trained-*"))) == before + 1


def test_born_again_and_again(make, tmp_path) -> None:
    """Each generation is taught by the one before, with the student's own config."""
    distill = {"name": "soft_targets", "teacher": {"name": "self", "generations": 3, "seed": 5}}
    before = len(list(cache.folder().glob("trained-*")))
    list(loop.train(make(distill=distill), tmp_path))
    assert len(list(cache.folder().glob("trained-*"))) == before + 3


def test_a_good_teacher_teaches_without_labels(make, tmp_path) -> None:
    teacher = {"name": "trained", "model": {"name": "mlp", "width": 64}, "epochs": 30}
    distill = {"name": "soft_targets", "alpha": 1.0, "teacher": teacher}
    config = make({"optimizer.lr": 0.02}, epochs=20, distill=distill)
    assert curve(config, tmp_path)[-1]["val_accuracy"] > 0.85


def test_the_exported_teacher_sees_inputs_as_it_was_trained_to(make, blobs, tmp_path) -> None:
    with np.load(blobs) as file:
        np.savez(tmp_path / "other.npz", x=3 * file["x"] + 5, y=file["y"])
    other = make(data={"name": "arrays", "path": str(tmp_path / "other.npz")}, seed=3)
    teacher = {"name": "exported", "folder": str(write_export(other, tmp_path / "best"))}
    made = context(make(distill={"name": "soft_targets", "teacher": teacher}))
    found = find(made.config.distill.teacher, made)
    data, theirs = made.data, context(other)
    raw = made.data.train.x * data.std + data.mean
    expected = theirs.student.eval()((raw - theirs.data.mean) / theirs.data.std)
    torch.testing.assert_close(found(data.train.x), expected, rtol=1e-4, atol=1e-4)


def test_a_torchvision_teacher(images, tmp_path) -> None:
    from torchvision import models

    torch.manual_seed(0)
    network = models.get_model("squeezenet1_1", weights=None, num_classes=10)
    torch.save(network.state_dict(), tmp_path / "net.pth")
    save_file(network.state_dict(), tmp_path / "net.safetensors")
    said = []
    for file, inputs in (("net.pth", "data"), ("net.safetensors", "data"), ("net.pth", "imagenet")):
        teacher = {"name": "torchvision", "arch": "squeezenet1_1", "inputs": inputs}
        teacher |= {"weights": str(tmp_path / file)}
        made = context(images(distill={"name": "soft_targets", "teacher": teacher}))
        made = _larger(made)
        said.append(find(made.config.distill.teacher, made)(made.data.train.x[:3]))
    assert said[0].shape == (3, 10)
    assert torch.equal(said[0], said[1]) and not torch.equal(said[0], said[2])


def _larger(made):
    """Digits of 32 x 32 pixels, few of them."""
    from dataclasses import replace

    split = made.data.train
    x = nn.functional.interpolate(split.x[:8], scale_factor=4)
    data = replace(made.data, train=replace(split, x=x, y=split.y[:8]))
    return replace(made, data=data)


def _newest(pattern: str) -> Path:
    return max(cache.folder().glob(pattern), key=lambda path: path.stat().st_mtime_ns)


@pytest.fixture
def refused(make, tmp_path):
    """What is said of a distillation that cannot begin, in one line."""

    def refused(distill: dict, **fixed: object) -> str:
        with pytest.raises(InvalidInput) as caught:
            next(loop.train(make(distill=distill, **fixed), tmp_path / "run"))
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return refused


def test_an_exported_folder_that_is_none(refused, tmp_path) -> None:
    teacher = {"name": "exported", "folder": str(tmp_path / "no")}
    assert "there is no folder" in refused({"name": "hints", "teacher": teacher})
    (tmp_path / "old").mkdir()
    teacher["folder"] = str(tmp_path / "old")
    assert "is no exported folder" in refused({"name": "hints", "teacher": teacher})
    save_file({"a": torch.ones(1)}, tmp_path / "old" / "model.safetensors")
    assert "has no config.json: export the study anew" in refused(
        {"name": "hints", "teacher": teacher}
    )


def test_a_study_that_is_not_exported_or_not_there(refused, tmp_path) -> None:
    teacher = {"name": "study", "study": "fine", "runs": str(tmp_path)}
    assert "there is no study 'fine'" in refused({"name": "hints", "teacher": teacher})
    (tmp_path / "fine").mkdir()
    said = refused({"name": "hints", "teacher": teacher})
    assert "autotune export fine -o" in said


def test_a_study_that_is_exported(make, tmp_path) -> None:
    write_export(make(seed=4), tmp_path / "fine" / "best")
    teacher = {"name": "study", "study": "fine", "runs": str(tmp_path)}
    made = context(make(distill={"name": "soft_targets", "teacher": teacher}))
    expected = context(make(seed=4)).student.state_dict()
    found = find(made.config.distill.teacher, made).model.state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_teacher_of_other_classes(refused, make, blobs, tmp_path) -> None:
    with np.load(blobs) as file:
        np.savez(tmp_path / "two.npz", x=file["x"], y=file["y"] > 0)
    two = make(data={"name": "arrays", "path": str(tmp_path / "two.npz")})
    teacher = {"name": "exported", "folder": str(write_export(two, tmp_path / "best"))}
    said = refused({"name": "soft_targets", "teacher": teacher})
    assert "the teacher has 2 classes and `data` 3" in said


def test_a_teacher_whose_weights_do_not_fit(refused, make, tmp_path) -> None:
    folder = write_export(make(), tmp_path / "best")
    config = json.loads((folder / "config.json").read_text())
    config["model"]["width"] = 9
    (folder / "config.json").write_text(json.dumps(config))
    said = refused({"name": "hints", "teacher": {"name": "exported", "folder": str(folder)}})
    assert "'1.weight' is (8, 4) in the weights and (9, 4) in the model" in said
    weights = load_file(folder / "model.safetensors")
    del weights["1.bias"]
    save_file(weights, folder / "model.safetensors")


def test_a_teacher_that_saw_the_validation_part(refused, make, blobs, tmp_path) -> None:
    other = make(data={"name": "arrays", "path": str(blobs), "seed": 1})
    teacher = {"name": "exported", "folder": str(write_export(other, tmp_path / "best"))}
    said = refused({"name": "soft_targets", "teacher": teacher})
    assert "trained on another split of the same data (`data.seed` 1, here 0)" in said


def test_features_that_cannot_be_compared(refused) -> None:
    digits = {"data": {"name": "digits"}, "epochs": 1}
    teacher = {"name": "trained", "epochs": 1, "model": {"name": "cnn", "channels": 4}}
    said = refused({"name": "hints", "teacher": teacher}, **digits)
    assert "features of one kind, but the student's are (8,) and the teacher's (4, 4, 4)" in said
    said = refused({"name": "attention", "teacher": teacher}, **digits)
    assert "feature maps (C, H, W), but the student's features are (8,)" in said


def test_an_unknown_torchvision_network(refused, tmp_path) -> None:
    teacher = {"name": "torchvision", "arch": "resnet19", "weights": str(tmp_path / "w.pth")}
    said = refused({"name": "hints", "teacher": teacher})
    assert "'resnet19' is unknown; did you mean" in said


def test_a_temperature_that_cannot_be_learned(make) -> None:
    distill = {"name": "soft_targets", "temperature": 30.0, "temperature_schedule": "learned"}
    with pytest.raises(InvalidInput, match="must lie between 1 and 21 where it is learned"):
        make(distill=distill)


def test_a_projector_only_where_it_is_needed(images, tmp_path) -> None:
    folder = write_export(images({"model.channels": 6}), tmp_path)
    for channels, kind in ((4, nn.Conv2d), (6, nn.Identity)):
        teacher = {"name": "exported", "folder": str(folder)}
        config = images({"model.channels": channels}, distill={"name": "hints", "teacher": teacher})
        loss = build(config.distill, context(config))
        assert isinstance(loss, HintsLoss) and isinstance(loss.projector, kind)


def test_evaluation_and_copies_leave_nothing_in_the_taps(images) -> None:
    from copy import deepcopy

    config = images(distill={"name": "attention"})
    made = context(config)
    loss = build(made.config.distill, made)
    batch = first_batch(made)
    output = made.student(batch.x)
    with torch.no_grad():
        deepcopy(context(config).student)(batch.x)
        made.student.eval()(batch.x)
    assert torch.isfinite(loss(output, batch))
    assert isinstance(SoftTargets().teacher.seed, int)
