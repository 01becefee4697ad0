"""The mixed-integer functions of the search benchmark, against the package that has them."""

from pathlib import Path

import pytest

from autotune.space import Float, Int
from benchmarks.search import __main__ as command
from benchmarks.search.bbob import OPTIMA, TASKS, Mixint


def test_a_suite_whose_package_is_absent_is_skipped_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "find_spec", lambda module: None)
    assert command.main(["run", "--suite", "bbob-mixint", "--quick"]) == 0
    said = "skipped: needs the package coco-experiment (pip install 'autotune[bench]')\n"
    assert capsys.readouterr().err.endswith(said)


@pytest.mark.parametrize("name", TASKS)
def test_the_known_optimum_is_the_packages(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cocoex")
    monkeypatch.chdir(tmp_path)
    task = Mixint(name)
    task._problem._best_parameter("print")  # it can only write a file
    (written,) = tmp_path.iterdir()
    place = [float(word) for word in written.read_text().split()]
    params = {
        key: int(value) if isinstance(parameter, Int) else value
        for (key, parameter), value in zip(task.space.parameters.items(), place, strict=True)
    }
    best = OPTIMA[TASKS[name][0] - 1]
    assert task.curve(params).losses[0] == pytest.approx(best, abs=1e-9)
    assert task.reference.best < task.reference.median


def test_four_fifths_of_the_variables_are_integers() -> None:
    pytest.importorskip("cocoex")
    kinds = [type(p) for p in Mixint("mixint-f01-d20").space.parameters.values()]
    assert kinds == [Int] * 16 + [Float] * 4
