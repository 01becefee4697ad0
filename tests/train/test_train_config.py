import subprocess
import sys

import pytest

from autotune.errors import InvalidInput
from autotune.testing.train import check_documented
from autotune.train.base import variants
from autotune.train.config import FunctionConfig, TrainConfig, apply, metrics
from autotune.train.paths import paths

BASE = {"data": {"name": "digits"}, "model": {"name": "mlp"}, "epochs": 3}
REQUIRED = {
    "arrays": {"path": "a.npz"},
    "folder": {"path": "images"},
    "table": {"path": "a.csv", "target": "y"},
}
CUSTOM = {"data": {"load": "my.data:load"}, "model": {"build": "my.nets:build"}}
FAMILIES = ["data", "model", "initializer", "activation", "optimizer", "lr_schedule"]
FAMILIES += ["average", "prune"]
VARIANTS = [
    (family, name)
    for family in FAMILIES
    for name in variants(TrainConfig.model_fields[family].annotation)
]


def problems(base: dict, values: dict | None = None) -> dict[tuple, str]:
    with pytest.raises(InvalidInput) as caught:
        apply(base, values or {})
    return {problem.path: problem.message for problem in caught.value.problems}


@pytest.mark.parametrize(("family", "name"), VARIANTS)
def test_every_variant_survives_json(family: str, name: str) -> None:
    extra = CUSTOM.get(family, {}) if name == "custom" else REQUIRED.get(name, {})
    config = apply({**BASE, "monitor": {"at": "last"}, family: {"name": name, **extra}}, {})
    assert TrainConfig.model_validate(config.model_dump(mode="json")) == config
    assert TrainConfig.model_validate_json(config.model_dump_json(exclude_none=True)) == config


@pytest.mark.parametrize(("family", "name"), VARIANTS)
def test_every_variant_is_documented(family: str, name: str) -> None:
    check_documented(variants(TrainConfig.model_fields[family].annotation)[name])


def test_the_configs_are_documented() -> None:
    check_documented(TrainConfig)
    check_documented(FunctionConfig)


def test_configs_need_no_torch() -> None:
    code = (
        "import sys, autotune.train.config; print({'torch', 'numpy', 'optuna'} & set(sys.modules))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "set()"


def test_values_land_in_the_variant_they_choose() -> None:
    values = {"optimizer.momentum": 0.8, "optimizer.name": "momentum", "batch_size": 8}
    config = apply(BASE, values)
    assert isinstance(config, TrainConfig)
    assert config.optimizer.model_dump()["momentum"] == 0.8
    assert config.batch_size == 8


def test_values_without_a_name_go_to_the_default() -> None:
    config = apply(BASE, {"optimizer.lr": 0.5, "lr_schedule.warmup": 0.1})
    assert isinstance(config, TrainConfig)
    assert (config.optimizer.name, config.optimizer.lr) == ("adamw", 0.5)
    assert (config.lr_schedule.name, config.lr_schedule.warmup) == ("constant", 0.1)


def test_a_change_of_name_drops_what_only_the_old_variant_has() -> None:
    base = {**BASE, "optimizer": {"name": "momentum", "momentum": 0.5, "lr": 0.3}}
    config = apply(base, {"optimizer.name": "adam"})
    assert isinstance(config, TrainConfig)
    assert (config.optimizer.name, config.optimizer.lr) == ("adam", 0.3)
    assert base["optimizer"] == {"name": "momentum", "momentum": 0.5, "lr": 0.3}


def test_a_change_of_name_keeps_a_mistyped_key_in_sight() -> None:
    base = {**BASE, "optimizer": {"name": "momentum", "momentun": 0.5}}
    assert ("optimizer", "momentun") in problems(base, {"optimizer.name": "adam"})


def test_a_path_of_another_variant_names_the_condition() -> None:
    message = problems(BASE, {"optimizer.name": "adam", "optimizer.momentum": 0.9})
    assert message[("optimizer", "momentum")] == (
        "`optimizer.momentum` does not belong to optimizer adam: "
        "add `when: {optimizer.name: [momentum, nesterov, rmsprop, muon]}`"
    )


@pytest.mark.parametrize(
    ("base", "values", "path", "words"),
    [
        ({}, {"optimiser.lr": 1.0}, ("optimiser", "lr"), "'optimizer.lr'"),
        ({}, {"model.depht": 1}, ("model", "depht"), "'model.depth'"),
        ({}, {"epochs.x": 1}, ("epochs", "x"), "not a setting"),
        ({}, {"optimizer": "adam"}, ("optimizer",), "group of settings"),
        ({}, {"model.depth.x": 1}, ("model", "depth", "x"), "no parts"),
        ({}, {"optimizer.name": "adan"}, ("optimizer", "name"), "'adam'"),
        ({}, {"optimizer.name": 3}, ("optimizer", "name"), "3 is unknown"),
        ({}, {"initializer.std": 0.1}, ("initializer",), "`initializer.name` is required"),
        ({}, {"batch_size": 0}, ("batch_size",), "must be >= 1, got 0"),
        ({}, {"batch_size": 2.5}, ("batch_size",), "must be a whole number, got 2.5"),
        ({}, {"model.dropout": 1.0}, ("model", "dropout"), "must be < 1"),
        ({"epochs": "3"}, {}, ("epochs",), "must be a whole number, got '3'"),
        ({"epochs": True}, {}, ("epochs",), "must be a whole number"),
        ({"epoch": 3}, {}, ("epoch",), "did you mean 'epochs'"),
        ({"data": {}}, {}, ("data",), "`data.name` is required"),
        ({"data": "digits"}, {}, ("data",), "must be a mapping"),
        ({"data": {"name": "arrays"}}, {}, ("data", "path"), "is required"),
        ({"data": {"name": "arrays", "pth": "x"}}, {}, ("data", "pth"), "did you mean 'path'"),
        ({"data": {"name": "custom", "load": "x"}}, {}, ("data", "load"), "module:function"),
        ({"optimizer": {"name": "adam", "lr": float("nan")}}, {}, ("optimizer", "lr"), "finite"),
        ({"monitor": {"metric": "val_acc"}}, {}, ("monitor", "metric"), "'val_accuracy'"),
        ({"monitor": {"goal": "max"}}, {}, ("monitor", "goal"), "'minimize' or 'maximize'"),
        (
            {"model": {"name": "custom", "build": "a:b"}, "activation": {"name": "relu"}},
            {},
            ("activation",),
            "no effect",
        ),
    ],
)
def test_mistakes(base: dict, values: dict, path: tuple, words: str) -> None:
    assert words in problems({**BASE, **base}, values)[path]


def test_all_mistakes_come_at_once() -> None:
    found = problems({"data": {"name": "digit"}, "epochs": 0}, {"x.y": 1, "optimizer.lr": -1.0})
    assert set(found) == {
        ("data", "name"),
        ("epochs",),
        ("model",),
        ("x", "y"),
        ("optimizer", "lr"),
    }


def test_functions_take_any_key() -> None:
    config = apply({"function": "my.train:run", "lr": 0.1}, {"net.width": 3, "epochs": 2})
    assert isinstance(config, FunctionConfig)
    assert config.epochs == 2
    assert config.model_dump()["net"] == {"width": 3}
    assert metrics(config) is None
    assert ("lr", "x") in problems({"function": "my.train:run", "lr": 0.1}, {"lr.x": 1})
    assert ("function",) in problems({"function": "run"})


def test_args_of_a_custom_part_are_free() -> None:
    base = {**BASE, "model": {"name": "custom", "build": "my.nets:build"}}
    config = apply(base, {"model.args.width": 3, "model.args.head.bias": False})
    dumped = config.model_dump(mode="json")
    assert dumped["model"]["args"] == {"width": 3, "head": {"bias": False}}
    assert dumped["model"]["build"] == "my.nets:build"


def test_paths_are_those_a_user_searches() -> None:
    wanted = {"model.depth", "initializer.name", "activation.slope", "optimizer.weight_decay"}
    assert wanted | {"lr_schedule.warmup", "batch_size", "monitor.metric"} <= set(
        paths(TrainConfig)
    )
