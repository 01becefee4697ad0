"""The notebooks run from top to bottom, and their studies are those of the command line."""

from pathlib import Path
from typing import Any

import pytest

from autotune.report.views import state
from autotune.study.history import load

ROOT = Path(__file__).resolve().parents[2]


def executed(name: str, folder: Path) -> list[Any]:
    """The outputs of all code cells."""
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(ROOT / "notebooks" / name, as_version=4)
    resources = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(notebook, timeout=280, resources=resources).execute()
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the kernel's client, in this process
@pytest.mark.parametrize(
    ("notebook", "name", "trials"),
    [("first_study.ipynb", "first", 30), ("own_model.ipynb", "own-model", 12)],
)
def test_it_runs(folder: Path, notebook: str, name: str, trials: int) -> None:
    outputs = executed(notebook, folder)
    history = load(name, folder / "runs")
    assert state(history) == "finished" and len(history.trials) == trials
    tables = [o["data"].get("text/html", "") for o in outputs if "data" in o]
    assert any(f"{name}: " in table and "<table>" in table for table in tables)
