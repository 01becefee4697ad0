"""What an export holds to predict elsewhere: equal to the product's own evaluation."""

import ast
import csv
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autotune.errors import AutotuneError, UserError
from autotune.export import load as standalone
from autotune.export.input import Input
from autotune.export.paths import absolute
from autotune.export.program import predictor, save_program
from autotune.export.source import copy_sources
from autotune.export.sums import verify, write_sums
from autotune.train.data.config import TableData
from autotune.train.data.preprocessing import Front
from autotune.train.data.read import read
from autotune.train.data.splits import split

MLP = {"name": "mlp", "width": 16, "depth": 1}


def raw_of(data: Any) -> torch.Tensor:
    """The validation split of a `data:` section before its transform, by the codes of training."""
    config = TableData.model_validate(data)
    parts = split(config, read(config), "classification")
    return torch.from_numpy(np.asarray(parts.x_val))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_front_is_the_data_sets_own_transform_to_the_last_bit(exported, table, suffix) -> None:
    made = exported(data=table(suffix), model=MLP)
    data = made.training.data
    input = Input.model_validate_json((made.folder / "input.json").read_bytes())
    assert [column.name for column in input.columns if column.marked] == ["age"]
    rows = raw_of(table(suffix)).float()
    codes = len(input.categories)
    ours = torch.cat([rows[:, :-codes], data.val.x[:, -codes:]], dim=1)  # numbers, and codes
    front = Front(input.columns, *input.statistics())
    assert front(ours).equal(data.val.x)


def test_the_vocabulary_is_of_the_train_part_by_code(exported, table) -> None:
    made = exported(data=table(), model=MLP)
    columns = {
        c["name"]: c for c in json.loads((made.folder / "input.json").read_text())["columns"]
    }
    assert columns["town"]["values"] == ["Bonn", "Ulm", "Zürich", None]
    assert columns["post"] == {
        "name": "post",
        "kind": "category",
        "median": None,
        "marked": False,
        "type": "number",
        "values": [11, 13, 7, 9, None],
    }
    assert columns["asked"]["type"] == "boolean"
    assert columns["asked"]["values"] == ["False", "True", None]
    assert "id" not in columns and columns["age"]["median"] > 30


MODELS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"name": "digits"}, MLP),
    ({"name": "digits"}, {"name": "cnn", "channels": 8}),
    ({"name": "digits"}, {"name": "vit", "width": 16, "heads": 2, "depth": 1, "patch": 2}),
]


@pytest.mark.parametrize(("data", "model"), MODELS, ids=lambda part: part["name"])
def test_the_program_answers_raw_samples_as_the_product_does(exported, data, model) -> None:
    made = exported(data=data, model=model)
    val = made.training.data.val
    mean, std = made.training.data.mean, made.training.data.std
    raw = (val.x * std + mean).round()  # pixels of digits are whole numbers
    program = torch.export.load(made.folder / "model.pt2").module()
    for rows in (1, 2, 7, len(raw)):
        torch.testing.assert_close(
            program(raw[:rows]), made.product(val.x[:rows]), rtol=1e-5, atol=1e-6
        )


def test_a_regression_answers_in_its_own_units(exported) -> None:
    made = exported(data={"name": "diabetes"}, model=MLP, loss={"name": "mse"})
    data = made.training.data
    raw = data.val.x.double() * data.std + data.mean
    wanted = made.product(data.val.x).double() * data.y_std + data.y_mean
    answers = standalone.predict(raw, made.folder)
    got = torch.tensor([answer["prediction"] for answer in answers], dtype=torch.float64)
    torch.testing.assert_close(got, wanted[:, 0], rtol=1e-5, atol=1e-4)


def test_load_py_is_short() -> None:
    text = Path(standalone.__file__).read_text()
    assert len(text.splitlines()) <= 40
    imported = {
        alias.name.partition(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if not isinstance(node, ast.ImportFrom)
    }
    assert imported <= {"csv", "json", "sys", "torch"}


def test_load_py_reads_rows_of_a_csv_file(exported, table) -> None:
    data = table()
    made = exported(data=data, model=MLP)
    config = TableData.model_validate(data)
    parts = split(config, read(config), "classification")
    assert parts.x_val is not None
    by_pay = {round(float(pay), 6): row for row, pay in enumerate(parts.x_val[:, 2])}
    with open(data["path"], newline="") as file:
        rows = [row for row in csv.DictReader(file) if round(float(row["pay"]), 6) in by_pay]
    answers = standalone.predict(rows, made.folder)
    place = torch.tensor([by_pay[round(float(row["pay"]), 6)] for row in rows])
    wanted = made.product(made.training.data.val.x[place]).softmax(1)
    got = torch.tensor([list(answer["p"].values()) for answer in answers])
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-6)
    names = ["<=50K", ">50K"]
    assert [a["prediction"] for a in answers] == [names[i] for i in wanted.argmax(1).tolist()]


OTHERS = {"autotune", "pandas", "safetensors", "pydantic", "ray", "mlflow", "optuna", "sklearn"}
OTHERS |= {"scipy", "torchvision", "pyarrow", "PIL", "onnxruntime", "captum"}
BLOCKED = f"""
import runpy, sys
from importlib.machinery import PathFinder
class Alone(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] not in {OTHERS}:
            return super().find_spec(name, path, target)
kept = [finder for finder in sys.meta_path if "Importer" in getattr(finder, "__name__", "")]
sys.meta_path[:] = [*kept, Alone]
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.slow
def test_load_py_needs_torch_alone(exported, table, tmp_path) -> None:
    data = table()
    made = exported(data=data, model=MLP)
    elsewhere = tmp_path / "elsewhere"
    made.folder.rename(elsewhere)
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, str(elsewhere / "load.py"), data["path"]],
        cwd=tmp_path,
        env={"PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    with open(data["path"], newline="") as file:
        wanted = standalone.predict(list(csv.DictReader(file)), elsewhere)
    assert [json.loads(line) for line in done.stdout.splitlines()] == wanted


class Random(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)[:, :2] + torch.rand(2)


class Undecided(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)[:, :2] if x.sum() > 0 else -x.flatten(1)[:, :2]


@pytest.mark.parametrize(
    ("network", "words"),
    [(Random(), "answers otherwise than it"), (Undecided(), "torch.export cannot follow")],
)
def test_a_network_that_cannot_be_exported_says_why(exported, tmp_path, network, words) -> None:
    made = exported(data={"name": "digits"}, model=MLP)
    input = Input.model_validate_json((made.folder / "input.json").read_bytes())
    with pytest.raises(AutotuneError, match=words):
        save_program(predictor(input, network), torch.rand(5, 1, 8, 8), tmp_path / "no.pt2")
    assert not (tmp_path / "no.pt2").exists()


def test_a_changed_or_missing_file_is_named(tmp_path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name)
    write_sums(tmp_path)
    verify(tmp_path, ["a.txt", "b.txt"])
    (tmp_path / "a.txt").write_text("other")
    with pytest.raises(UserError, match=r"a\.txt was changed since it was exported"):
        verify(tmp_path, ["a.txt"])
    (tmp_path / "b.txt").unlink()
    with pytest.raises(UserError, match=r"b\.txt is missing: copy the whole export"):
        verify(tmp_path, ["b.txt"])
    (tmp_path / "SHA256SUMS").unlink()
    with pytest.raises(UserError, match="SHA256SUMS is missing"):
        verify(tmp_path, ["a.txt"])


def test_paths_become_absolute(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("x.csv", "teacher.pth"):
        (tmp_path / name).write_text("")
    config = {
        "data": {"name": "table", "path": "x.csv", "target": "y"},
        "transfer": {"source": {"name": "file", "path": "package:weights.pth"}},
        "distill": {"teacher": {"name": "torchvision", "weights": "teacher.pth"}},
        "model": {"name": "custom", "args": {"path": "x.csv"}},
    }
    made = absolute(config)
    assert made["data"]["path"] == str(tmp_path / "x.csv")
    assert made["transfer"] == config["transfer"] and made["model"] == config["model"]
    assert made["distill"]["teacher"]["weights"] == str(tmp_path / "teacher.pth")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of the user's own, with a helper and a module that it does not import."""
    folder = tmp_path / "project"
    package = folder / "own_nets"
    (package / "parts").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "parts" / "__init__.py").write_text("WIDTH = 8\n")
    (package / "unused.py").write_text("")
    (package / "layers.py").write_text("from .parts import WIDTH\n")
    (package / "net.py").write_text(
        "import torch\n"
        "from own_nets.layers import WIDTH\n"
        "def build(shape, classes):\n"
        "    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, classes))\n"
    )
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    return folder


def test_the_users_modules_are_copied_with_what_they_import(project, tmp_path) -> None:
    config = {"model": {"name": "custom", "build": "own_nets.net:build", "args": {}}}
    assert copy_sources(config, tmp_path / "code") == ["own_nets.net"]
    copied = sorted(p.relative_to(tmp_path / "code") for p in (tmp_path / "code").rglob("*.py"))
    assert list(map(str, copied)) == [
        "own_nets/__init__.py",
        "own_nets/layers.py",
        "own_nets/net.py",
        "own_nets/parts/__init__.py",
    ]


def test_installed_modules_are_not_copied(tmp_path) -> None:
    config = {"model": {"name": "custom", "build": "autotune.examples.network:build"}}
    assert copy_sources(config, tmp_path) == []
    assert list(tmp_path.iterdir()) == []
    assert importlib.util.find_spec("autotune.examples.network") is not None
