"""The commands about results, on a finished study and its export."""

import shutil
from pathlib import Path

import numpy as np
import pandas
import pytest


@pytest.fixture(scope="session")
def best(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of the finished study. For reading only."""
    from autotune.export.bundle import export
    from autotune.study.history import load

    folder = tmp_path_factory.mktemp("exported") / "best"
    export(load("small", runs), folder)
    return folder


@pytest.fixture
def moved(best: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(best, tmp_path / "moved"))


def test_predict_prints_or_writes(autotune, moved, tmp_path) -> None:
    np.save(tmp_path / "new.npy", np.zeros((3, 1, 8, 8)))
    printed = autotune("predict", moved, "new.npy")
    assert (printed.code, printed.err) == (0, "")
    assert printed.out.splitlines()[0].startswith("prediction,p_0,p_1,")
    written = autotune("predict", moved, "new.npy", "--out", "p.csv")
    assert (written.code, written.out) == (0, "p.csv: 3 predictions\n")
    assert (tmp_path / "p.csv").read_text() == printed.out
    assert len(pandas.read_csv(tmp_path / "p.csv")) == 3


def test_mistakes_of_predict_are_a_line(autotune, moved, tmp_path) -> None:
    for arguments, words in (
        (["moved", "none.npy"], "there is no file 'none.npy'"),
        (["nowhere", "none.npy"], "there is no folder 'nowhere'"),
        (["moved", "moved/card.txt", "--out", "p.txt"], "--out must end in"),
    ):
        said = autotune("predict", *arguments)
        assert said.code == 2 and words in said.err and len(said.err.splitlines()) == 1
