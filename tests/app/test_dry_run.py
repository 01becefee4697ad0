"""What a trial would stumble over before its first step: each mistake, and what is said of it."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from autotune.app.dry_run import Detail, DryRun, Note, Step
from autotune.errors import Problem
from autotune.train.config import apply
from autotune.train.data import preview

CODE = """
from torch import nn


def build(shape, outputs, width=8, extra=0):
    if width > 30:
        raise ValueError(f"too wide: {width}")
    inputs = extra
    for size in shape:
        inputs += size
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, width), nn.Linear(width, outputs))


def five(shape, outputs):
    return build(shape, 5)


def one_argument(shape):
    return build(shape, 3)


def frozen(shape, outputs):
    return build(shape, outputs).requires_grad_(False)


class Pair(nn.Linear):
    def forward(self, x):
        return super().forward(x), x


def pair(shape, outputs):
    return Pair(shape[0], outputs)


def number(shape, outputs):
    return 7


def load(path):
    return dict(__import__("numpy").load(path))


def keys():
    return {"X": [[1.0, 2.0]], "y": [0]}


def run(config, trial):
    pass


def lonely():
    pass


def lazy(config, trial):
    yield 1


async def later(config, trial):
    pass


value = 3
"""

DATA = {"name": "arrays", "path": "data/train.npz"}
MLP = {"name": "mlp", "depth": 1, "width": 8}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory):
    """A folder with data and code; the working directory of all tests here."""
    folder = tmp_path_factory.mktemp("world")
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(60, 6)).astype("f4"), np.arange(60) % 3
    (folder / "data" / "none").mkdir(parents=True)
    np.savez(folder / "data" / "train.npz", x=x, y=y)
    np.savez(folder / "data" / "keys.npz", X=x, y=y)
    np.savez(folder / "data" / "long.npz", x=x, y=y[:50])
    whole = (folder / "data" / "train.npz").read_bytes()
    (folder / "data" / "cut.npz").write_bytes(whole[:1000])
    rows = "".join(f"{n},{n % 7},{'ab'[n % 2]}\n" for n in range(60))
    (folder / "data" / "table.csv").write_text(f"size,age,label\n{rows}")
    for name in ("cat", "dog"):
        (folder / "data" / "pets" / name).mkdir(parents=True)
        for n in range(6):
            image = Image.fromarray(draw.integers(0, 255, (8, 8, 3), dtype=np.uint8))
            image.save(folder / "data" / "pets" / name / f"{n}.png")
    save_file({"0.weight": torch.zeros(8, 6)}, folder / "start.safetensors")
    (folder / "torn.safetensors").write_bytes((folder / "start.safetensors").read_bytes()[:-40])
    (folder / "dry_nets.py").write_text(CODE)
    (folder / "dry_broken.py").write_text("import math\n\nmath.sqrt(-1)\n")
    (folder / "dry_syntax.py").write_text("def run(:\n")
    (folder / "dry_leaves.py").write_text("import sys\n\nsys.exit('no GPU here')\n")
    (folder / "dry_needs.py").write_text("import nothing_of_that_name\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [*sys.path])
        patch.setattr(sys, "dont_write_bytecode", True)
        yield folder


def found(trial: dict, offline: bool = True) -> list:
    """All findings but steps and details."""
    run = DryRun(offline)
    fields = trial if "function" in trial else {"data": DATA, "model": MLP, "epochs": 2, **trial}
    return [one for one in run(apply(fields, {})) if not isinstance(one, Step | Detail)]


def custom(name: str, **args: object) -> dict:
    return {"name": "custom", "build": f"dry_nets:{name}", "args": args}


GOOD = [
    {},
    {"model": custom("build", width=9)},
    {"data": {"name": "table", "path": "data/table.csv", "target": "label"}},
    {"data": {"name": "folder", "path": "data/pets"}, "model": {"name": "cnn"}},
    {"data": {"name": "folder", "path": "data/pets"}, "augment": {"policy": {"name": "basic"}}},
    {"data": {"name": "custom", "load": "dry_nets:load", "args": {"path": "data/train.npz"}}},
    {"data": {"name": "diabetes"}, "loss": {"name": "mse"}, "model": custom("build")},
    {"distill": {"name": "soft_targets", "teacher": {"name": "trained", "model": MLP}}},
    {"transfer": {"source": {"name": "trained", "data": DATA}}},
    {"function": "dry_nets:run"},
]

BAD = [
    # trial, path, what the message says
    # -- data
    ({"data": {**DATA, "path": "dta/train.npz"}}, "data.path", ["did you mean 'data/train.npz'?"]),
    ({"data": {**DATA, "path": "data/trian.npz"}}, "data.path", ["there is no file", "in /"]),
    ({"data": {**DATA, "path": "data/keys.npz"}}, "data.path", ["'X'", "did you mean 'x'?"]),
    ({"data": {**DATA, "path": "data/long.npz"}}, "data.path", ["one length, got 60 and 50"]),
    ({"data": {**DATA, "path": "data/cut.npz"}}, "data.path", ["no .npz file of plain arrays"]),
    ({"data": {"name": "folder", "path": "data/pest"}}, "data.path", ["mean 'data/pets'?"]),
    ({"data": {"name": "folder", "path": "data/none"}}, "data.path", ["a folder for each class"]),
    (
        {"data": {"name": "table", "path": "data/table.csv", "target": "Label", "drop": ["aeg"]}},
        "data.target",
        ["no column 'Label'; did you mean 'label'?"],
    ),
    ({"data": {"name": "diabetes"}}, "data", ["set `loss.name` to mse, mae or huber"]),
    ({"reports_per_epoch": 9}, "reports_per_epoch", ["at most 1, the batches of an epoch"]),
    ({"data": {"name": "custom", "load": "dry_nets:keys"}}, "data.load", ["mean 'x'?"]),
    ({"data": {"name": "custom", "load": "dry_nets:laod"}}, "data.load", ["mean 'load'?"]),
    (
        {"data": {"name": "custom", "load": "dry_nets:load"}},
        "data.load",
        ["must take `data.args` by name, but is load(path) at dry_nets.py:", "argument: 'path'"],
    ),
    (
        {"data": {"name": "custom", "load": "dry_nets:load", "args": {"path": "no.npz"}}},
        "data.load",
        ["dry_nets:load raised FileNotFoundError", "'no.npz'"],
    ),
    # -- networks
    ({"model": {"name": "cnn"}}, "model.name", ["cnn needs images"]),
    ({"model": custom("biuld")}, "model.build", ["no function 'biuld'; did you mean 'build'?"]),
    ({"model": custom("value")}, "model.build", ["a value, named 'value'"]),
    ({"model": custom("number")}, "model.build", ["must give a torch.nn.Module, got int"]),
    ({"model": custom("five")}, "model.build", ["must answer (2, 3), a number for each of the 3"]),
    ({"model": custom("pair")}, "model.build", ["must answer a tensor, but gives tuple"]),
    ({"model": custom("frozen")}, "model.build", ["has no weight that can learn"]),
    (
        {"model": custom("one_argument")},
        "model.build",
        ["(shape, outputs)", "is one_argument(shape)"],
    ),
    ({"model": custom("build", widht=3)}, "model.build", ["unexpected keyword argument 'widht'"]),
    (
        {"model": custom("build", width=64)},
        "model.build",
        ["ValueError: too wide: 64", "_nets.py:7)"],
    ),
    (
        {"model": custom("build", extra=1)},
        "model.build",
        ["fails on samples of shape (6,): Runtime"],
    ),
    ({"model": {"name": "custom", "build": "dry_net:build"}}, "model.build", ["mean 'dry_nets'?"]),
    # -- weights from elsewhere
    (
        {"transfer": {"source": {"name": "file", "path": "strat.safetensors"}}},
        "transfer.source.path",
        ["no file", "did you mean 'start.safetensors'?"],
    ),
    (
        {"transfer": {"source": {"name": "file", "path": "torn.safetensors"}}},
        "transfer.source.path",
        ["is no whole file of weights"],
    ),
    (
        {"transfer": {"source": {"name": "file", "path": "start.safetensors"}}},
        "transfer.source",
        ["the weights lack '1.weight'"],
    ),
    (
        {"data": {**DATA, "path": "no"}, "transfer": {"source": {"name": "study", "study": "no"}}},
        "transfer.source.study",
        ["there is no study 'no'"],
    ),
    (
        {"transfer": {"source": {"name": "trained", "data": {**DATA, "path": "no.npz"}}}},
        "transfer.source.data.path",
        ["`transfer.source.data.path`: there is no file"],
    ),
    (
        {"distill": {"name": "hints", "teacher": {"name": "exported", "folder": "no"}}},
        "distill.teacher.folder",
        ["there is no folder 'no'"],
    ),
    (
        {"distill": {"name": "hints", "teacher": {"name": "trained", "model": custom("five")}}},
        "distill.teacher.model.build",
        ["must answer (2, 3)"],
    ),
    # -- functions
    ({"function": "dry_nets:rnu"}, "function", ["no function 'rnu'; did you mean 'run'?"]),
    (
        {"function": "dry_nets:lonely"},
        "function",
        ["(config) where it returns its metrics, but is lonely() at dry_"],
    ),
    ({"function": "dry_nets:lazy"}, "function", ["a plain function"]),
    ({"function": "dry_nets:later"}, "function", ["a plain function"]),
    ({"function": "dry_broken:run"}, "function", ["ValueError: ", "dry_broken.py:3)"]),
    ({"function": "dry_syntax:run"}, "function", ["SyntaxError: ", "dry_syntax.py, line 1"]),
    ({"function": "dry_leaves:run"}, "function", ["SystemExit: no GPU here", "dry_leaves.py:3)"]),
    ({"function": "dry_needs:run"}, "function", ["imports 'nothing_of_that_name'"]),
]


@pytest.mark.parametrize("trial", GOOD)
def test_nothing_is_said_of_what_trains(world: Path, trial: dict) -> None:
    assert found(trial) == []


@pytest.mark.parametrize(("trial", "path", "words"), BAD)
def test_a_mistake_is_told_at_its_setting(world: Path, trial: dict, path: str, words: list) -> None:
    problems = found(trial)
    told = [one for one in problems if ".".join(map(str, one.path)) == path]
    assert told and all(isinstance(one, Problem) and "\n" not in one.message for one in problems)
    for word in words:
        assert word in told[0].message


def test_data_that_would_be_fetched_is_a_note(world: Path) -> None:
    (note,) = found({"data": {"name": "mnist", "root": "nowhere"}, "model": {"name": "cnn"}})
    assert isinstance(note, Note) and "a run fetches it" in note.message
    assert not (world / "nowhere").exists()


@pytest.mark.parametrize(
    "data",
    [
        DATA,
        {"name": "table", "path": "data/table.csv", "target": "label"},
        {"name": "folder", "path": "data/pets"},
        {"name": "custom", "load": "dry_nets:load", "args": {"path": "data/train.npz"}},
    ],
)
def test_a_large_data_set_is_looked_at_by_its_beginning(
    world: Path, monkeypatch: pytest.MonkeyPatch, data: dict
) -> None:
    """As right in shape and classes as the whole."""
    config = apply({"data": data, "model": MLP, "epochs": 1}, {}).data
    whole = preview.glance(config, "classification")
    for name in ("WHOLE", "IMAGES"):
        monkeypatch.setattr(preview, name, 0)
    monkeypatch.setattr(preview, "ROWS", 20)
    part = preview.glance(config, "classification")
    assert (part.shape, part.outputs, part.labels) == (whole.shape, whole.outputs, whole.labels)
    assert len(part.train.x) < len(part.train.y)
    assert found({"data": data, "model": custom("build") if part.shape == (6,) else MLP}) == []
    for path, words in ("data/keys.npz", "'X'"), ("data/long.npz", "60 and 50"):
        if data["name"] == "arrays":
            assert words in found({"data": {**data, "path": path}})[0].message


def test_arrays_in_a_folder_are_looked_at_too(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = world / "data" / "parts"
    folder.mkdir()
    with np.load(world / "data" / "train.npz") as parts:
        np.save(folder / "x.npy", np.asfortranarray(parts["x"]))
        np.save(folder / "y.npy", parts["y"])
        np.savez(world / "data" / "columns.npz", x=np.asfortranarray(parts["x"]), y=parts["y"])
    monkeypatch.setattr(preview, "WHOLE", 0)
    monkeypatch.setattr(preview, "ROWS", 20)
    for path in ("data/parts", "data/columns.npz"):
        assert found({"data": {**DATA, "path": path}}) == []


def test_a_data_set_is_read_once_for_all_configs(world: Path) -> None:
    run = DryRun(offline=True)
    data = {"name": "custom", "load": "dry_nets:load", "args": {"path": "data/train.npz"}}
    for width in (8, 9):
        model = {"name": "mlp", "width": width}
        steps = list(run(apply({"data": data, "model": model, "epochs": 1}, {})))
        read = [step for step in steps if step.text == "reading dry_nets:load"]
        assert len(read) == (1 if width == 8 else 0)


def test_what_a_tables_columns_became_is_told(tmp_path: Path) -> None:
    rows = "\n".join(f"{n},{'' if n % 4 == 0 else n},{'ab'[n % 2]},{n % 2}" for n in range(40))
    (tmp_path / "people.csv").write_text(f"age,pay,town,rich\n{rows}\n")
    data = {"name": "table", "path": str(tmp_path / "people.csv"), "target": "rich"}
    config = apply({"data": data, "model": {"name": "mlp"}, "epochs": 1}, {})
    [detail] = [found for found in DryRun(offline=True)(config) if isinstance(found, Detail)]
    assert detail.message == (
        "3 columns -> 6 inputs; numbers: age, pay; gaps marked: pay is missing; "
        "categories: town (2 values: a vector of 3)"
    )
