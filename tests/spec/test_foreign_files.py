"""A fragment may be any file of the machine: no message quotes what does not read as a space."""

from collections.abc import Callable
from pathlib import Path

import pytest

from autotune.errors import InvalidInput
from autotune.spec import check, load

STUDY = """\
name: tiny
objective: {metric: val_accuracy, goal: maximize}
trial: {data: {name: digits}, model: {name: mlp}, epochs: 9}
space:
  - optimizer.lr: {type: float, low: 1e-4, high: 0.1, log: true}
  - foreign
budget: {trials: 20}
"""
A_MAPPING = "each parameter of a fragment is a mapping such as {type: float, low: 0, high: 1}"
A_TYPE = "a parameter has a `type`: one of float, int, categorical"

FOREIGN = [
    ("hunter2\n", "foreign:1: a space is a mapping of parameters"),
    ("root:hunter2:20228:0:99999:7:::\nbin:hunter2:20228::::::\n", f"foreign:1: {A_MAPPING}"),
    ("[client]\npassword = hunter2\n", "foreign:2: not valid YAML"),
    ("PASSWORD=hunter2\nTOKEN=hunter2\n", "foreign:1: a space is a mapping of parameters"),
    ("password: hunter2\nuser: hunter2\n", f"foreign:1: {A_MAPPING}"),
    ("production: {adapter: postgres, password: hunter2}\n", f"foreign:1: {A_TYPE}"),
    ("production: {low: 3, password: hunter2}\n", f"foreign:1: {A_TYPE}"),
    ("production: {type: hunter2}\n", "foreign:1: `type` must be one of float, int, categorical"),
    ("production: {type: [hunter2]}\n", "foreign:1: `type` must be one of"),
    ("- hunter2\n", "foreign:1: this entry names a fragment that is not there"),
    ("- [hunter2]\n", "foreign:1: each entry is the path of a fragment or a mapping"),
    ("- 2718281828\n", "foreign:1: each entry is the path of a fragment or a mapping"),
    ("- hunter2: hunter2\n", f"foreign:1: {A_MAPPING}"),
    ('a: "hunter2\\q"\n', "foreign:1: not valid YAML"),
    ("a: 'hunter2\n", "foreign:1: not valid YAML"),
    ("a: %hunter2\n", "foreign:1: not valid YAML"),
    ("a: !hunter2 b\n", "foreign:1: tags are not allowed"),
    ("a: *hunter2\n", "foreign:1: an alias names no value before it"),
    ("hunter2: x\nhunter2: y\n", "foreign:2: a key is given twice"),
    ("2718281828: x\n", "foreign:1: a key must be text"),
    ("? [hunter2]\n: x\n", "foreign:1: a key must be text"),
    ("a: -.inf\nb: hunter2\n", "foreign:1: a number must be finite"),
    (f"{'hunter2' * 40}: x\n", "foreign:1: a key must be at most 200 printable characters"),
    ('"hunter2\\nx": x\n', "foreign:1: a key must be at most 200 printable characters"),
    ("a: x\n---\nhunter2: x\n", "foreign:2: a file holds one document"),
]


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """What the user is told of a study that names the file `foreign`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text(STUDY)

    def tell(foreign: str, *overrides: str) -> list[str]:
        (tmp_path / "foreign").write_text(foreign)
        with pytest.raises(InvalidInput) as caught:
            check(load("study.yaml", overrides))
        return [str(problem) for problem in caught.value.problems]

    return tell


@pytest.mark.parametrize(("foreign", "expected"), FOREIGN, ids=lambda text: text[:20].strip())
@pytest.mark.parametrize("overrides", [(), ("space=[foreign]",)], ids=["in the study", "by --set"])
def test_a_foreign_file_is_not_quoted(
    told: Callable[..., list[str]], foreign: str, expected: str, overrides: tuple[str, ...]
) -> None:
    lines = told(foreign, *overrides)
    assert any(line.startswith(expected) for line in lines), lines
    secrets = ("hunter2", "2718281828", "inf", "20228", "postgres", "password", "PASSWORD")
    assert [line for line in lines for secret in secrets if secret in line] == []


def test_a_file_that_is_no_space_is_said_once(told: Callable[..., list[str]]) -> None:
    lines = told("".join(f"user{n}: hunter2\n" for n in range(50)))
    assert lines == [f"foreign:1: {A_MAPPING}"]


def test_what_reads_as_a_parameter_is_quoted(told: Callable[..., list[str]]) -> None:
    (line,) = told("model.widht: {type: int, low: 8, high: 32}\n")
    assert line.startswith("foreign:1: ") and "model.widht" in line
    (line,) = told("model.width: {type: int, low: 8, high: many}\n")
    assert line == "foreign:1: model.width: `high` must be a whole number, but got 'many'"
    two = "model.width: {type: int, low: 8, high: many}\nmodel.depth: 3\nmodel.bias: no\n"
    assert [line.partition(": ")[0] for line in told(two)] == [f"foreign:{n}" for n in (1, 2, 3)]


def test_a_fragment_still_amends_by_its_keys_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "foreign").write_text("optimizer.lr: {high: 0.01}\n")
    assert load("study.yaml").space.parameters["optimizer.lr"].high == 0.01
