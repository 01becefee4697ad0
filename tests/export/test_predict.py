"""`autotune predict`: equal to the product's own evaluation, and refusals by name."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from PIL import Image

from autotune.errors import AutotuneError, UserError
from autotune.export import load as standalone
from autotune.export.folder import open_export
from autotune.export.predict import check_out, predict, write
from autotune.export.sums import write_sums
from autotune.train.data.config import FolderData, TableData
from autotune.train.data.read import read
from autotune.train.data.splits import split

MLP = {"name": "mlp", "width": 16, "depth": 1}
DIGITS = {"name": "digits"}


def validation_rows(data: dict[str, Any]) -> pandas.DataFrame:
    """The rows of the validation split, in its order, as the file has them."""
    config = TableData.model_validate(data)
    whole = read(config)
    parts = split(config, whole, "classification")
    place = {row.tobytes(): number for number, row in enumerate(whole.x)}
    assert parts.x_val is not None
    file = Path(data["path"])
    frame = pandas.read_parquet(file) if file.suffix == ".parquet" else pandas.read_csv(file)
    return frame.iloc[[place[row.tobytes()] for row in parts.x_val]]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_is_predicted_as_the_product_does(exported, table, tmp_path, suffix) -> None:
    data = table(suffix)
    made = exported(data=data, model=MLP)
    rows = validation_rows(data)
    new = tmp_path / f"new{suffix}"
    rows.to_parquet(new) if suffix == ".parquet" else rows.to_csv(new, index=False)
    said = predict(made.folder, new)
    wanted = made.product(made.training.data.val.x).softmax(1)
    np.testing.assert_allclose(said.table.iloc[:, 1:], wanted, rtol=0, atol=1e-6)
    assert list(said.table.columns) == ["prediction", "p_<=50K", "p_>50K"]
    assert said.table["prediction"].isin(["<=50K", ">50K"]).all()
    assert said.notes == []


def test_one_row_whose_columns_read_otherwise_alone(exported, table, tmp_path) -> None:
    """A column of 7.0 and gaps is one of 7 where no row has a gap."""
    data = table()
    made = exported(data=data, model=MLP)
    rows = validation_rows(data)
    whole = predict_rows(made.folder, tmp_path, rows)
    alone = [predict_rows(made.folder, tmp_path, rows.iloc[[i]]) for i in range(12)]
    np.testing.assert_allclose(pandas.concat(alone).iloc[:, 1:], whole.iloc[:12, 1:], atol=1e-6)


def predict_rows(folder: Path, tmp_path: Path, rows: pandas.DataFrame) -> pandas.DataFrame:
    rows.convert_dtypes().to_csv(tmp_path / "rows.csv", index=False)  # 7.0 is written as 7
    return predict(folder, tmp_path / "rows.csv").table


@pytest.mark.parametrize("kind", ["npy", "png"])
def test_images_are_predicted_as_the_product_does(exported, tmp_path, kind) -> None:
    made = exported(data=DIGITS, model={"name": "cnn", "channels": 8})
    data = made.training.data
    raw = (data.val.x * data.std + data.mean).round().numpy()[:20]
    if kind == "npy":
        np.save(tmp_path / "new.npy", raw)
        said = predict(made.folder, tmp_path / "new.npy")
    else:
        (tmp_path / "new" / "deep").mkdir(parents=True)
        for number, image in enumerate(raw):
            place = tmp_path / "new" / ("deep" if number % 2 else ".") / f"{number:02d}.png"
            Image.fromarray((image[0] * 255 / 16).round().astype(np.uint8)).save(place)
        said = predict(made.folder, tmp_path / "new")
        order = [int(Path(name).stem) for name in said.table.pop("file")]
        raw = raw[order]
    x = (torch.from_numpy(raw) - data.mean) / data.std
    wanted = made.product(x).softmax(1)
    near = 1e-6 if kind == "npy" else 0.02  # a PNG file of digits is rounded to 256 greys
    np.testing.assert_allclose(said.table.iloc[:, 1:], wanted, rtol=0, atol=near)


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, Any]:
    """Two classes of images of several sizes, in colour."""
    draw = np.random.default_rng(0)
    for number in range(24):
        folder = tmp_path / "pictures" / ("bright" if number % 2 else "dark")
        folder.mkdir(parents=True, exist_ok=True)
        size = (10 + number % 3, 12, 3)
        pixels = draw.integers(0, 128, size) + 127 * (number % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    return {"name": "folder", "path": str(tmp_path / "pictures"), "size": 8}


def test_image_files_are_resized_as_in_training(exported, pictures) -> None:
    made = exported(data=pictures, model=MLP)
    said = predict(made.folder, Path(pictures["path"])).table
    whole = read(FolderData.model_validate(pictures)).x  # class by class, as the folder lists them
    data = made.training.data
    wanted = made.product((torch.from_numpy(whole).float() - data.mean) / data.std).softmax(1)
    np.testing.assert_allclose(said.iloc[:, 2:], wanted, rtol=0, atol=1e-6)
    assert said["file"][0].startswith("bright/")
    one = Path(pictures["path"]) / said["file"][3]
    np.testing.assert_allclose(predict(made.folder, one).table.iloc[0, 2:], wanted[3], atol=1e-6)


def test_a_regression(exported, tmp_path) -> None:
    made = exported(data={"name": "diabetes"}, model=MLP, loss={"name": "mse"})
    data = made.training.data
    raw = data.val.x.double() * data.std + data.mean
    frame = pandas.DataFrame(raw.numpy(), columns=list(data.columns))
    frame.to_csv(tmp_path / "new.csv", index=False)
    said = predict(made.folder, tmp_path / "new.csv").table
    wanted = made.product(data.val.x)[:, 0].double() * data.y_std + data.y_mean
    np.testing.assert_allclose(said["prediction"], wanted, rtol=1e-5)


def test_unknown_categories_are_counted(exported, table, tmp_path) -> None:
    made = exported(data=table(), model=MLP)
    rows = pandas.read_csv(table()["path"]).head(10)
    rows.loc[[2, 5, 6], "town"] = ["Rome", "Rome", "Oslo"]
    rows.to_csv(tmp_path / "new.csv", index=False)
    assert predict(made.folder, tmp_path / "new.csv").notes == [
        "column 'town': 3 of 10 rows hold what training did not see ('Rome', 'Oslo')"
    ]


Change = Callable[[pandas.DataFrame], pandas.DataFrame]
MISFITS: list[tuple[Change, str]] = [
    (
        lambda rows: rows.rename(columns={"age": "Age"}),
        "lacks column 'age'; did you mean 'Age'",
    ),
    (lambda rows: rows.drop(columns=["town", "pay"]), "lacks column 'pay'.*\n.*column 'town'"),
    (
        lambda rows: rows.assign(age=[*rows["age"][:-1], "old"]),
        "column 'age' must hold numbers, but row 10 holds 'old'",
    ),
    (
        lambda rows: rows.assign(post=["x", *rows["post"][1:]]),
        "column 'post' must hold numbers, but holds 'x'",
    ),
    (lambda rows: rows.assign(pay=np.inf), "column 'pay' holds infinity"),
    (lambda rows: rows.head(0), "holds no rows"),
]


@pytest.mark.parametrize(("change", "words"), MISFITS, ids=lambda part: str(part)[:12])
def test_rows_that_do_not_fit_are_refused_by_name(exported, table, tmp_path, change, words) -> None:
    made = exported(data=table(), model=MLP)
    change(pandas.read_csv(table()["path"]).head(10)).to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(UserError, match=words):
        predict(made.folder, tmp_path / "new.csv")


def test_a_parquet_file_of_other_types_is_refused(exported, table, tmp_path) -> None:
    data = table(".parquet")
    made = exported(data=data, model=MLP)
    rows = pandas.read_parquet(data["path"]).assign(town=7)
    rows.to_parquet(tmp_path / "new.parquet")
    with pytest.raises(UserError, match="column 'town' must hold text, as in training, but holds"):
        predict(made.folder, tmp_path / "new.parquet")
    rows = rows.assign(town="Ulm", age=pandas.Timestamp("2020-01-01"))
    rows.to_parquet(tmp_path / "new.parquet")
    with pytest.raises(UserError, match="column 'age' must hold numbers, but holds times"):
        predict(made.folder, tmp_path / "new.parquet")


def test_files_that_are_no_samples_are_refused(exported, tmp_path) -> None:
    folder = exported(data=DIGITS, model=MLP).folder
    np.save(tmp_path / "wide.npy", np.zeros((3, 1, 9, 9)))
    np.save(tmp_path / "nan.npy", np.full((3, 1, 8, 8), np.nan))
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "empty").mkdir()
    Image.new("L", (9, 8)).save(tmp_path / "wide.png")
    for name, words in {
        "wide.npy": r"samples must be \(N, 1, 8, 8\), got \(3, 1, 9, 9\)",
        "nan.npy": "must be finite numbers",
        "text.npy": "does not hold one array of numbers",
        "text.png": "is no whole image",
        "wide.png": "must have 8 x 8 pixels, got 9 x 8: cut or resize it",
        "empty": "holds no image",
        "none.png": "there is no file",
    }.items():
        with pytest.raises(UserError, match=words):
            predict(folder, tmp_path / name)


def test_a_network_of_arrays_takes_arrays(exported, tmp_path) -> None:
    draw = np.random.default_rng(0)
    np.savez(tmp_path / "own.npz", x=draw.random((60, 5)), y=np.arange(60) % 2)
    folder = exported(data={"name": "arrays", "path": str(tmp_path / "own.npz")}, model=MLP).folder
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"learnt from arrays of 5 values.* give a \.npy file"):
        predict(folder, tmp_path / "a.png")
    assert len(predict(folder, tmp_path / "own.npz").table) == 60


def test_what_is_no_export_is_refused(exported, tmp_path) -> None:
    with pytest.raises(UserError, match="there is no folder"):
        open_export(tmp_path / "none")
    with pytest.raises(UserError, match="is no export .*autotune export STUDY -o DIR"):
        open_export(tmp_path)


@pytest.mark.parametrize("name", ["input.json", "model.safetensors", "config.json", "model.pt2"])
def test_a_changed_file_of_an_export_is_refused(exported, name) -> None:
    folder = exported(data=DIGITS, model=MLP).folder
    raw = bytearray((folder / name).read_bytes())
    raw[len(raw) // 2] ^= 1
    (folder / name).write_bytes(raw)
    with pytest.raises(UserError, match=f"{name} was changed since it was exported"):
        open_export(folder)


def changed_input(folder: Path, **values: Any) -> None:
    input = json.loads((folder / "input.json").read_text())
    (folder / "input.json").write_text(json.dumps(input | values))
    write_sums(folder)


def test_another_version_is_said_and_used(exported) -> None:
    made = exported(data=DIGITS, model=MLP)
    by = {"autotune": "9.9", "torch": torch.__version__, "python": "3.11.0"}
    changed_input(made.folder, made_by=by)
    opened = open_export(made.folder)
    assert len(opened.notes) == 1 and opened.notes[0].startswith("exported with autotune 9.9 (this")
    changed_input(made.folder, format=2)
    with pytest.raises(UserError, match=r"written by autotune 9\.9, which this one cannot read"):
        open_export(made.folder)


def test_a_config_of_another_version_leaves_the_program(exported) -> None:
    made = exported(data=DIGITS, model=MLP)
    config = json.loads((made.folder / "config.json").read_text())
    (made.folder / "config.json").write_text(json.dumps(config | {"unheard": 1}))
    write_sums(made.folder)
    opened = open_export(made.folder)
    assert "is no config of this version" in opened.notes[0]
    x = torch.rand(3, 1, 8, 8)
    wanted = [list(answer["p"].values()) for answer in standalone.predict(x, made.folder)]
    torch.testing.assert_close(opened.model(x).softmax(1), torch.tensor(wanted))
    (made.folder / "model.pt2").unlink()
    with pytest.raises(AutotuneError, match="cannot be run; .* no config of this"):
        open_export(made.folder)


def test_a_network_of_the_users_own_needs_no_code(exported, tmp_path, monkeypatch) -> None:
    (tmp_path / "own_net_at_home.py").write_text(
        "import torch\n"
        "def build(shape, outputs):\n"
        "    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, outputs))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    made = exported(data=DIGITS, model={"name": "custom", "build": "own_net_at_home:build"})
    monkeypatch.delitem(__import__("sys").modules, "own_net_at_home")
    (tmp_path / "own_net_at_home.py").unlink()
    opened = open_export(made.folder)
    assert opened.notes == []
    x = torch.rand(3, 1, 8, 8) * 16
    data = made.training.data
    torch.testing.assert_close(opened.model(x), made.product((x - data.mean) / data.std))
    (made.folder / "model.pt2").unlink()
    with pytest.raises(AutotuneError, match="there is no module 'own_net_at_home' in"):
        open_export(made.folder)


def test_where_predictions_are_written(tmp_path) -> None:
    source = tmp_path / "new.csv"
    source.write_text("a\n1\n")
    for out, words in {
        source: "is the file that is predicted",
        tmp_path / "p.txt": r"--out must end in \.csv, \.tsv, \.parquet, got",
        tmp_path: "--out must end in",
    }.items():
        with pytest.raises(UserError, match=words):
            check_out(out, source)
    table = pandas.DataFrame({"prediction": ["a", "b"], "p_a": [0.75, 0.25]})
    for name in ("p.csv", "p.tsv", "p.parquet"):
        write(table, tmp_path / name)
    assert (tmp_path / "p.csv").read_text() == "prediction,p_a\na,0.75\nb,0.25\n"
    assert pandas.read_parquet(tmp_path / "p.parquet").equals(table)
