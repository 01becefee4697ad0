"""The notebooks run from top to bottom, and their studies are those of the command line."""

import time
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
    client = nbclient.NotebookClient(notebook, timeout=280, resources=resources)
    client.extra_arguments = ["--IPKernelApp.capture_fd_output=False"]  # a dying kernel says why
    client.execute()
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the kernel's client, in this process
@pytest.mark.parametrize(
    ("notebook", "name", "trials"),
    [("first_study.ipynb", "first", 30), ("own_model.ipynb", "own-model", 12)],
)
def test_it_runs(
    folder: Path, notebook: str, name: str, trials: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONFAULTHANDLER", "1")
    outputs = executed(notebook, folder)
    history = load(name, folder / "runs")
    assert state(history) == "finished" and len(history.trials) == trials
    tables = [o["data"].get("text/html", "") for o in outputs if "data" in o]
    assert any(f"{name}: " in table and "<table>" in table for table in tables)


CELL = """
import time
import autotune

def train(config, trial):
    for epoch in range(1, 6):
        time.sleep(0.05)
        trial.report(epoch, acc=config["x"] * epoch)

study = autotune.run(train, {"x": autotune.Float(0, 1)}, "acc", name="cut", trials=6,
    trial={"epochs": 5}, search={"name": "random"}, schedule={"name": "none"},
    confirm={"top": 0}, tracking={"name": "none"}, engine="inline")
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the kernel's client, in this process
@pytest.mark.parametrize("how", ["interrupted", "killed"])
def test_a_cell_that_is_cut_off_leaves_a_study_that_goes_on(folder: Path, how: str) -> None:
    client = pytest.importorskip("jupyter_client")
    pytest.importorskip("ipykernel")
    manager, speaker = client.manager.start_new_kernel(cwd=str(folder))
    try:
        cut = speaker.execute(CELL)
        limit = time.monotonic() + 120
        while not list((folder / "runs" / "cut" / "trials").glob("2.yaml")):
            assert time.monotonic() < limit, "it never came to its third trial"
            time.sleep(0.05)
        if how == "interrupted":
            manager.interrupt_kernel()
            assert reply_to(speaker, cut)["ename"] in ("Stopped", "KeyboardInterrupt")
        else:
            speaker.stop_channels()
            manager.shutdown_kernel(now=True)
            manager, speaker = client.manager.start_new_kernel(cwd=str(folder))
        before = load("cut", folder / "runs")
        assert 2 <= sum(run.state.finished for run in before.trials) < 6
        assert reply_to(speaker, speaker.execute(CELL))["status"] == "ok"
    finally:
        speaker.stop_channels()
        manager.shutdown_kernel(now=True)
    after = load("cut", folder / "runs")
    assert [run.trial for run in after.trials] == list(range(6))
    assert all(len(run.reports) == 5 for run in after.trials)


def reply_to(speaker: Any, message: str) -> Any:
    while (reply := speaker.get_shell_msg(timeout=120))["parent_header"].get("msg_id") != message:
        pass
    return reply["content"]
