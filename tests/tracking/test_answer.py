"""The answer of a study: in one line, in five, and what of it MLflow keeps."""

from collections.abc import Callable
from pathlib import Path

import pytest

from autotune import spec as specs
from autotune.app import runner
from autotune.app.answer import Answers
from autotune.app.runner import drive, sync
from autotune.study.history import History, load
from autotune.tracking.base import AnswerUpdated, Event, RunFinished, StudyFinished, StudyOpened
from autotune.tracking.memory import MemoryTracker
from autotune.tracking.mlflow import LABEL, connect

STUDY = """\
name: answered
objective: {metric: loss, goal: minimize}
trial: {function: "autotune.testing.trials:learns", epochs: 3, momentum: 0.5}
space:
  kind: {type: categorical, choices: [a, b]}
  lr: {type: float, low: 0.1, high: 1}
  momentum: {type: float, low: 0.1, high: 1, when: {kind: [b]}}
search: {name: random}
schedule: {name: none}
budget: {trials: 6}
confirm: {top: 2, seeds: 2}
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[History, list[Event]]:
    """A finished study, and all that its tracker was told."""
    folder = tmp_path_factory.mktemp("answered")
    (folder / "answered.yaml").write_text(STUDY)
    tracker = MemoryTracker()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(runner, "tracker_for", lambda *_: tracker)
        drive(specs.load("answered.yaml"), Path("runs"), engine="inline")
        patch.undo()
    return load("answered", folder / "runs"), tracker.events


def test_the_note_says_winner_score_certainty_and_the_command(
    study: tuple[History, list[Event]], monkeypatch: pytest.MonkeyPatch
) -> None:
    history, _ = study
    monkeypatch.chdir(history.folder.parent.parent)
    best = history.best()
    assert best and best.mean is not None and best.std is not None
    lines = Answers(history).now().note.splitlines()
    said = f"**Trial {best.trial} won: loss {best.mean:.4f} ± {best.std:.4f}** over 2 fresh seeds"
    assert lines[0].startswith(said)
    won, sure, mattered, searched = (line for line in lines if line.startswith("- "))
    assert f"lr {best.params['lr']:.4g}" in won
    assert "chosen from 2 trials by other seeds" in sure and "the search saw" in sure
    assert mattered.endswith("nothing stands out from luck yet")
    assert "6 trials; 3 parameters" in searched and "6 complete" in searched
    table = [line for line in lines if line.startswith("|")]
    assert [row.split(" | ")[0].strip("| ") for row in table] == [
        "trial", "---", *(str(run.trial) for run in history.top(3)),
    ]  # fmt: skip
    assert f"| {best.chosen.mean:.4f} ±" in table[2] + table[3]  # type: ignore[union-attr]
    assert lines[-1].startswith("Train the winner again: `autotune train runs/answered/verify/")


def test_it_is_told_while_the_study_runs(study: tuple[History, list[Event]]) -> None:
    _, told = study
    answers = [event.note for event in told if isinstance(event, AnswerUpdated)]
    ends = [event for event in told if isinstance(event, RunFinished)]
    assert len(answers) == len(ends) + 1
    assert "leads: loss" in answers[0] and "(not confirmed); 1 of 6 trials have ended" in answers[0]
    assert "won: loss" in answers[-1]
    place = max(i for i, event in enumerate(told) if isinstance(event, AnswerUpdated))
    ended = told[place + 1]
    assert isinstance(ended, StudyFinished)
    assert set(ended.figures) == {"pictures/history.png", "report.html"}, "importance needs 15"
    assert all(Path(file).is_file() for file in ended.figures.values())


def test_the_journal_knows_with_what_the_study_was_made(study: tuple[History, list[Event]]) -> None:
    history, told = study
    opened = next(event for event in told if isinstance(event, StudyOpened))
    assert opened.tags["engine"] == "inline" and "CPU" in opened.tags["machine"]
    assert opened.tags["objective"] == "minimize loss"
    assert history.provenance.items() <= opened.tags.items()


def test_the_parent_run_holds_the_winner(
    study: tuple[History, list[Event]], new_database: Callable[[Path], str]
) -> None:
    history, _ = study
    runs = history.folder.parent
    uri = new_database(runs)
    assert sync("answered", runs) == []
    client = connect(uri)
    (experiment,) = client.search_experiments(
        filter_string=f"tags.`autotune.uid` = '{history.uid}'"
    )
    found = {r.data.tags[LABEL]: r for r in client.search_runs([experiment.experiment_id])}
    best, parent = history.best(), found["study"]
    assert best is not None
    assert {key: str(value) for key, value in best.params.items()} == parent.data.params
    assert parent.data.tags["winner"] == f"trial-{best.trial:04d}"
    assert parent.data.metrics["confirmed/loss_mean"] == pytest.approx(best.mean)
    assert parent.data.metrics["confirmed/loss_std"] == pytest.approx(best.std)
    assert experiment.tags["mlflow.note.content"] == parent.data.tags["mlflow.note.content"]
    for run in history.trials:
        assert set(found[run.label].data.params) == set(run.params)
        assert ("momentum" in run.params) == (run.params["kind"] == "b")
    for run in [*history.confirms, *history.verifies]:
        assert "best/loss" not in found[run.label].data.metrics
        assert found[run.label].data.metrics["retrained/loss"] == run.value
    by_objective = client.search_runs(
        [experiment.experiment_id], order_by=["metrics.`best/loss` ASC"]
    )
    assert {r.data.tags[LABEL] for r in by_objective[:2]} == {"study", found_winner(history)}
    # What a person writes there stays.
    client.set_tag(parent.info.run_id, "mlflow.note.content", "mine")
    client.set_experiment_tag(experiment.experiment_id, "mlflow.note.content", "ours")
    assert sync("answered", runs) == []
    assert client.get_run(parent.info.run_id).data.tags["mlflow.note.content"] == "mine"
    experiment = client.get_experiment(experiment.experiment_id)
    assert experiment.tags["mlflow.note.content"] == "ours"
    # With --mlflow the study takes its runs along.
    assert runner.delete("answered", runs, tracked=True) == (history.folder, len(found))
    assert not history.folder.exists()
    assert client.get_experiment(experiment.experiment_id).lifecycle_stage == "deleted"
    assert client.get_experiment_by_name("answered") is None, "the name is free again"


def found_winner(history: History) -> str:
    return history.top(1)[0].label
