"""What is wrong with a command line is found before anything runs."""

from pathlib import Path
from typing import Any

import pytest

from autotune import spec as specs
from autotune.errors import InvalidInput

BASE = {
    "name": "script",
    "objective": {"metric": "acc", "goal": "maximize"},
    "space": {
        "lr": {"type": "float", "low": 0.1, "high": 1},
        "net.kind": {"type": "categorical", "choices": ["a", "b"]},
        "net.width": {"type": "int", "low": 1, "high": 9, "when": {"net.kind": "a"}},
    },
    "budget": {"trials": 2},
}


def problems(trial: dict[str, Any], **sections: Any) -> list[str]:
    try:
        specs.check(specs.from_values({**BASE, "trial": trial, **sections}))
    except InvalidInput as error:
        return [problem.message for problem in error.problems]
    return []


@pytest.mark.parametrize(
    "command",
    [
        "python train.py {overrides}",
        "train {config} --lr {lr}",
        "train {lr} {net.kind} {overrides}",
    ],
)
def test_what_is_right(command: str) -> None:
    assert problems({"command": command, "epochs": 9, "data.root": "x"}) == []


@pytest.mark.parametrize(
    ("trial", "words"),
    [
        (
            {"command": "train 'a {overrides}"},
            "cannot be split into arguments: no closing quotation",
        ),
        ({"command": "train {overrides} {lrr}"}, "{lrr} is no parameter; did you mean 'lr'?"),
        ({"command": "train {overrides} {net.width}"}, "{net.width} exists in some trials only"),
        (
            {"command": "train --lr {lr} {net.kind}"},
            "net.width is searched, but `trial.command` does",
        ),
        (
            {"command": "train {overrides}", "function": "a:b"},
            "a function and a command: remove one",
        ),
        ({"command": "train {overrides}", "metrics": {"acc": "acc=[0-9]"}}, "must have one group"),
        ({"command": "train {overrides}", "metrics": {"acc": "acc=("}}, "is no regular expression"),
        ({"command": "train {overrides}", "stop_grace": "soon"}, "must be a duration"),
        ({"command": ""}, "at least 1"),
    ],
)
def test_what_is_wrong(trial: dict[str, Any], words: str) -> None:
    found = problems({"epochs": 9, **trial})
    assert any(words in message for message in found), found


def test_a_script_without_checkpoints_is_never_paused() -> None:
    trial = {"command": "train {overrides}", "epochs": 9}
    promotion = {"name": "asha", "form": "promotion"}
    [message] = problems(trial, schedule=promotion)
    assert "asha pauses trials and lets them go on, which a script without checkpoints" in message
    assert (
        problems({**trial, "command": "train {overrides} {checkpoint_dir}"}, schedule=promotion)
        == []
    )


def test_the_schema_knows_commands(tmp_path: Path) -> None:
    import jsonschema

    schema = specs.schema()
    good = {**BASE, "trial": {"command": "train {overrides}", "metrics": {"acc": "a=(.)"}}}
    jsonschema.validate(good, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**good, "trial": {"command": 7}}, schema)
