"""`autotune explain-model`: what an export goes by, asked of raw samples."""

from pathlib import Path

import numpy as np
import pandas
import pytest
from PIL import Image

from autotune.errors import UserError
from autotune.export.explain import explain

MLP = {"name": "mlp", "width": 16, "depth": 1}


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_a_table_with_labels(exported, table, tmp_path) -> None:
    made = exported(data=table(), model=MLP)
    said = explain(made.folder, Path(table()["path"]), tmp_path / "why")
    assert names(said.files) == ["README.md", "confusion.png", "importance.png"]
    assert "on the people.csv" in said.captions[1] and "is missing" not in said.captions[1]
    assert said.notes == []


def test_a_table_without_labels_asks_the_network_itself(exported, table, tmp_path) -> None:
    made = exported(data=table(), model=MLP)
    rows = pandas.read_csv(table()["path"]).drop(columns="kind")
    rows.to_csv(tmp_path / "new.csv", index=False)
    said = explain(made.folder, tmp_path / "new.csv", tmp_path / "why")
    assert names(said.files) == ["README.md", "importance.png"]
    assert "accuracy against the network's own answers lost" in said.captions[0]


def test_labels_that_were_not_learnt_are_named(exported, table, tmp_path) -> None:
    made = exported(data=table(), model=MLP)
    rows = pandas.read_csv(table()["path"]).assign(kind="rich")
    rows.to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(UserError, match="labels must be among those .* but are rich"):
        explain(made.folder, tmp_path / "new.csv", tmp_path / "why")
    assert not (tmp_path / "why").exists()


@pytest.mark.parametrize("labelled", [True, False])
def test_images(exported, tmp_path, labelled) -> None:
    made = exported(data={"name": "digits"}, model={"name": "cnn", "channels": 4})
    draw = np.random.default_rng(0)
    for number in range(12):
        folder = tmp_path / "new" / (str(number % 3) if labelled else "mixed")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = draw.integers(0, 256, (8, 8)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    said = explain(made.folder, tmp_path / "new", tmp_path / "why")
    figures = ["confusion.png"] * labelled + ["attribution.png"]
    assert [name for name in names(said.files) if name != "README.md"] == sorted(figures)
    assert "Grad-CAM" in said.captions[-1]


def test_a_regression(exported, tmp_path) -> None:
    made = exported(data={"name": "diabetes"}, model=MLP, loss={"name": "mse"})
    data = made.training.data
    raw = data.val.x.double() * data.std + data.mean
    frame = pandas.DataFrame(raw.numpy(), columns=list(data.columns))
    frame.to_csv(tmp_path / "new.csv", index=False)
    said = explain(made.folder, tmp_path / "new.csv", tmp_path / "why")
    assert names(said.files) == ["README.md", "importance.png"]
    assert "R² against the network's own answers lost" in said.captions[0]
