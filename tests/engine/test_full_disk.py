"""A disk that fills up, for real: the study stops, and once there is room it ends as it should."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autotune import spec as specs
from autotune.app.runner import drive
from autotune.engine.base import EngineName
from autotune.errors import MachineFault
from autotune.spec import StudySpec
from autotune.study.history import History, load
from autotune.tracking.base import Event, RunStarted
from autotune.trial import Purpose, State

TRIALS = 12


def study(tmp_path: Path, function: str, epochs: int) -> StudySpec:
    file = tmp_path / "full.yaml"
    file.write_text(f"""
name: full
objective: {{metric: {"total" if function == "counts" else "loss"}, goal: maximize}}
trial: {{function: "autotune.testing.trials:{function}", epochs: {epochs}}}
space:
  - x: {{type: float, low: 0, high: 1}}
search: {{name: random}}
schedule: {{name: none}}
budget: {{trials: {TRIALS}}}
worker: {{max: 1}}
confirm: {{top: 1, seeds: 2}}
tracking: {{uri: none}}
""")
    return specs.load(file)


class Filler:
    """Fills the disk when the fifth trial, or the first retraining, begins."""

    def __init__(self, fill: Callable[[], Path], purpose: Purpose) -> None:
        self.fill, self.purpose = fill, purpose
        self.file = Path()
        self.left = 5 if purpose == Purpose.SEARCH else 1

    def record(self, event: Event) -> None:
        if isinstance(event, RunStarted) and event.purpose == self.purpose:
            self.left -= 1
            if self.left == 0:
                self.file = self.fill()


def curves(history: History) -> dict[str, Any]:
    runs = [*history.trials, *history.confirms]
    return {run.label: [dict(run.reports[s].metrics) for s in sorted(run.reports)] for run in runs}


@pytest.mark.usefixtures("one_ray")
@pytest.mark.parametrize(
    ("engine", "function", "purpose"),
    [
        ("inline", "counts", Purpose.SEARCH),  # the worker meets it, in a checkpoint
        ("ray", "counts", Purpose.SEARCH),
        ("inline", "counts", Purpose.CONFIRM),
        ("ray", "counts", Purpose.CONFIRM),
        ("inline", "learns", Purpose.SEARCH),  # the driver does, in the journal
        ("ray", "learns", Purpose.SEARCH),
    ],
)
def test_a_full_disk_fails_no_trial(
    disk: Path,
    fill: Callable[[], Path],
    tmp_path: Path,
    engine: EngineName,
    function: str,
    purpose: Purpose,
) -> None:
    spec = study(tmp_path, function, epochs=3 if function == "counts" else 40)
    filler = Filler(fill, purpose)
    with pytest.raises(MachineFault, match="No space left on device"):
        drive(spec, disk / "runs", [filler.record], engine=engine)
    cut = load("full", disk / "runs")
    states = {run.state for run in cut.runs()}
    assert State.FAILED not in states and State.WAITING in states, states
    filler.file.unlink()
    history, _ = drive(spec, disk / "runs", engine=engine)
    assert [run.trial for run in history.trials] == list(range(TRIALS))
    assert {run.state for run in history.runs()} == {State.COMPLETE}
    best = history.best()
    assert best and best.mean is not None and len(best.seeds) == 2
    whole, _ = drive(spec, tmp_path / "whole", engine="inline")
    assert curves(history) == curves(whole)
