"""docs/export.md, from raw rows to labels: its own network and study, on a table like adult."""

import csv
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas
import pytest

from autotune import spec as specs
from autotune.app.runner import drive
from autotune.cli import main
from autotune.export import load as standalone

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "export.md").read_text()
CATEGORIES = {
    "workclass": ["Private", "State-gov", "Self-emp"],
    "education": ["HS-grad", "Bachelors", "Masters", "11th"],
    "marital": ["Married", "Never-married", "Divorced"],
    "occupation": ["Sales", "Exec", "Craft", "Clerical", "Other"],
    "relationship": ["Husband", "Wife", "Own-child"],
    "race": ["A", "B", "C"],
    "sex": ["Female", "Male"],
    "country": ["Germany", "France", "Peru", "Chad"],
}


def adult(rows: int) -> pandas.DataFrame:
    """Five numbers, eight categories, gaps in both, and a label that depends on two of them."""
    draw = np.random.default_rng(0)
    frame = pandas.DataFrame(
        {
            "age": draw.integers(17, 90, rows),
            "hours": draw.integers(1, 99, rows).astype(float),
            "gain": draw.gamma(1, 500, rows).round(2),
            "loss": draw.gamma(1, 50, rows).round(2),
            "years": draw.integers(1, 16, rows),
        }
    )
    for name, values in CATEGORIES.items():
        frame[name] = np.array(values, object)[draw.integers(0, len(values), rows)]
    rich = (frame["years"] + 4 * (frame["education"] == "Masters") + draw.normal(0, 1, rows)) > 10
    frame["income"] = np.where(rich, ">50K", "<=50K")
    for name in ("hours", "workclass", "occupation", "country"):
        frame.loc[draw.random(rows) < 0.1, name] = None
    return frame


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(list(words))
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return call


@pytest.mark.slow
def test_from_raw_rows_to_labels(tmp_path, monkeypatch, told) -> None:
    section = PAGE.partition("## Example: from a CSV file to predictions")[2]
    (net,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    (study,) = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    home = tmp_path / "home"
    home.mkdir()
    (home / "my_net.py").write_text(net)
    (home / "income.yaml").write_text(study)
    frame = adult(900)
    frame.iloc[:600].to_csv(home / "people.csv", index=False)
    new = frame.iloc[600:].drop(columns="income")
    monkeypatch.chdir(home)
    monkeypatch.syspath_prepend(str(home))
    small = ("budget.trials=2", "trial.epochs=3", "confirm.top=1", "tracking.uri=none")
    drive(specs.load("income.yaml", small), home / "runs", engine="inline")
    code, out, err = told("export", "income", "-o", "income", "--format", "onnx")
    assert code == 0, err
    for name in ("income/model.pt2", "income/model.onnx", "income/code/my_net.py"):
        assert name in out.splitlines()

    away = tmp_path / "away"
    away.mkdir()
    shutil.move(home / "income", away / "income")
    shutil.rmtree(home)
    monkeypatch.chdir(away)
    monkeypatch.delitem(sys.modules, "my_net")
    new.to_csv("new_people.csv", index=False)
    code, out, err = told("predict", "income", "new_people.csv", "--out", "labels.csv")
    assert (code, out, err) == (0, "labels.csv: 300 predictions\n", "")
    labels = pandas.read_csv("labels.csv")
    assert set(labels["prediction"]) <= {">50K", "<=50K"}
    assert (labels["prediction"] == frame["income"].iloc[600:].to_numpy()).mean() > 0.6
    with open("new_people.csv", newline="") as file:
        answers = standalone.predict(csv.DictReader(file), away / "income")
    np.testing.assert_allclose([one["p"][">50K"] for one in answers], labels["p_>50K"], atol=1e-6)
