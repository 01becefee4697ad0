"""Every kind of data and network gets pictures that open, with captions that are true."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import accuracy_score, confusion_matrix, r2_score
from torch import Tensor, nn

from autotune.interpret import pictures
from autotune.interpret.draw import draw, paint
from autotune.interpret.examples import EACH, mistakes, successes
from autotune.interpret.scores import accuracy, confusion, r2
from autotune.interpret.subject import Subject, predict, restore
from autotune.train import loop
from autotune.train.config import TrainConfig
from autotune.train.data.base import Dataset, Split

DIGITS = {"name": "digits"}
MIXER = {"name": "custom", "build": "autotune.examples.network:build"}


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        image.load()
    assert image.format == "PNG"
    assert len(np.unique(np.asarray(image.convert("L")))) > 20, f"{path} is blank"
    return image


def trained(folder: Path, data: dict, model: dict, epochs: int = 2, **more: object) -> TrainConfig:
    config = TrainConfig.model_validate({"data": data, "model": model, "epochs": epochs, **more})
    for _ in loop.train(config, folder):
        pass
    return config


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The label is the sign of column 2; column 0 is constant, column 1 is noise."""
    x = np.random.default_rng(0).normal(size=(600, 3)).astype(np.float32)
    x[:, 0] = 1
    path = tmp_path_factory.mktemp("table") / "table.npz"
    np.savez(path, x=x, y=(x[:, 2] > 0).astype(int))
    return {"name": "arrays", "path": str(path)}


def subject(x: Tensor, y: Tensor, model: nn.Module, **about: object) -> Subject:
    part = Split(x, y)
    one = torch.ones(1, *x.shape[1:2], *[1] * (x.ndim - 2))
    facts = {"outputs": about["classes"] or 1, "mean": 0 * one, "std": one, **about}
    data = Dataset(part, part, part, **facts)  # type: ignore[arg-type]
    return Subject(model.eval(), data, part, predict(model, x))


@pytest.mark.parametrize("model", [{"name": "mlp"}, {"name": "cnn", "channels": 4}, MIXER])
def test_images_get_a_confusion_matrix_and_attributions(tmp_path: Path, model: dict) -> None:
    config = trained(tmp_path / "weights", DIGITS, model)
    made, missing = draw(config, tmp_path / "weights", tmp_path / "figures")
    assert missing == []
    assert [one.file.name for one in made] == ["confusion.png", "attribution.png"]
    assert all(min(opened(one.file).size) >= 400 for one in made)
    assert ("Grad-CAM" in made[1].caption) == (model["name"] == "cnn")
    known = restore(config, tmp_path / "weights")
    right = accuracy_score(known.y, known.said)
    assert f"{right:.4f} of {len(known.y)} samples are right" in made[0].caption


def test_a_table_gets_the_importance_of_its_columns(tmp_path: Path, table: dict) -> None:
    config = trained(tmp_path / "weights", table, {"name": "mlp"}, epochs=10)
    made, missing = draw(config, tmp_path / "weights", tmp_path / "figures")
    assert missing == []
    assert [one.file.name for one in made] == ["confusion.png", "importance.png"]
    opened(tmp_path / "figures" / "importance.png")
    told = made[1].caption.partition("shuffles: ")[2].rstrip(".").split(", ")
    lost = {int(word.split()[1]): float(word.split()[2]) for word in told}
    assert list(lost)[0] == 2 and lost[2] > 0.35 and lost[0] == 0 and abs(lost[1]) < 0.03


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"average": {"name": "ema"}},
        {"average": {"name": "swa"}},
        {"prune": {"name": "magnitude"}, "monitor": {"at": "last"}},
        {"optimizer": {"name": "schedule_free"}},
    ],
)
def test_what_is_looked_at_is_what_was_judged(tmp_path: Path, table: dict, more: dict) -> None:
    config = trained(tmp_path, table, {"name": "mlp", "width": 8}, epochs=3, **more)
    known = restore(config, tmp_path)
    expected = loop.test(config, tmp_path)["val_accuracy"]
    assert accuracy(known.said, known.y) == pytest.approx(expected, abs=1e-9)


def test_the_matrix_is_scikit_learns_and_its_rows_sum_to_the_classes() -> None:
    draws = torch.Generator().manual_seed(0)
    y, said = torch.randint(0, 7, (2, 500), generator=draws)
    counts = confusion(said, y, 7)
    assert np.array_equal(counts, confusion_matrix(y, said))
    assert torch.equal(counts.sum(1), torch.bincount(y, minlength=7))
    assert accuracy(said, y) == pytest.approx(accuracy_score(y, said))
    assert r2(said.double(), y.double()) == pytest.approx(r2_score(y, said))


def test_a_regression_gets_its_answers(tmp_path: Path) -> None:
    x = torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
    model = nn.Linear(2, 1)
    nn.init.constant_(model.weight, 1.0)
    known = subject(x, x.sum(1), model, classes=0, y_mean=50.0, y_std=9.0)
    made, missing = paint(known, tmp_path)
    assert missing == []
    assert [one.file.name for one in made] == ["answers.png", "importance.png"]
    assert "R² " in made[0].caption and "R² lost" in made[1].caption
    assert opened(made[0].file).size == (780, 780)


def test_images_of_three_channels_and_of_a_regression(tmp_path: Path) -> None:
    x = torch.rand(30, 3, 9, 7, generator=torch.Generator().manual_seed(0))
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    for classes, outputs in ((5, 5), (0, 1)):
        model = nn.Sequential(net, nn.Linear(4, outputs))
        y = torch.arange(30) % 5 if classes else torch.arange(30) / 30
        known = subject(x, y, model, classes=classes)
        made, missing = paint(known, tmp_path / str(classes))
        assert missing == []
        assert made[-1].file.name == "attribution.png" and opened(made[-1].file)


def test_many_classes_and_long_names_stay_legible(tmp_path: Path) -> None:
    names = [f"the {n}th kind of a very long name" for n in range(120)]
    counts = np.random.default_rng(0).integers(0, 9, (120, 120))
    pictures.confusion(tmp_path / "many.png", counts, names, "many")
    assert max(opened(tmp_path / "many.png").size) < 2000
    pictures.importances(tmp_path / "long.png", names[:20], np.ones((20, 2)), "long", "unit")
    assert opened(tmp_path / "long.png").size[0] == 1040


def test_examples_are_of_many_classes_and_the_surest_mistakes() -> None:
    y = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2])
    output = 4 * nn.functional.one_hot(torch.tensor([0, 0, 0, 1, 1, 2, 1, 0]), 3).float()
    output[7] *= 2
    known = subject(output, y, nn.Identity(), classes=3)
    assert successes(known).tolist() == [0, 3, 5, 1, 4, 2]
    assert mistakes(known).tolist() == [7, 6]
    perfect = subject(output, known.said, nn.Identity(), classes=3)
    assert mistakes(perfect).tolist() == [] and len(successes(perfect)) == EACH


class Stubborn(nn.Module):
    """Its output has no gradient, so nothing can be attributed."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.one_hot((x.flatten(1).sum(1) > 0).long(), 2).float()


def test_a_network_that_cannot_be_followed_costs_one_figure(tmp_path: Path) -> None:
    x = torch.randn(20, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    known = subject(x, (x.flatten(1).sum(1) > 0).long(), Stubborn(), classes=2)
    made, missing = paint(known, tmp_path)
    assert [one.file.name for one in made] == ["confusion.png"]
    assert len(missing) == 1 and missing[0].startswith("no figure attribution.png: RuntimeError: ")
    assert [path.name for path in tmp_path.iterdir()] == ["confusion.png"]
    assert "None is confused" in made[0].caption


def test_data_that_is_gone_is_a_line(tmp_path: Path, table: dict) -> None:
    config = trained(tmp_path / "weights", table, {"name": "mlp"})
    gone = {**config.model_dump(mode="json", by_alias=True), "data": {**table, "path": "gone.npz"}}
    made, missing = draw(TrainConfig.model_validate(gone), tmp_path / "weights", tmp_path / "f")
    assert made == []
    assert missing == [f"no figures: `data.path`: there is no file 'gone.npz' in {Path.cwd()}"]
