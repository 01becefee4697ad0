"""Whether a study that was struck and resumed is whole: nothing lost, nothing twice.

It is read three times over: by autotune's own reader, line by line from the journal's file, and row
by row from MLflow's database.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from autotune.study.history import History, load
from autotune.study.journal.journal import Run
from tests.faults.scene import NAME, TRIALS, Scene

__all__ = ["Outcome", "doubled", "lost", "outcome", "untracked", "whole_lines"]

_CREATE, _ATTRIBUTE = 4, 8
"""Optuna's codes in the journal's file: a trial is created, an attribute of it is set."""

Outcome = dict[str, tuple[Any, ...]]
"""By label: what a run was and came to, without what depends on the clock."""


def outcome(scene: Scene) -> Outcome:
    history = load(NAME, scene.runs)
    return {
        f"{run.purpose}:{run.label}": (
            dict(run.params),
            run.seed,
            run.state,
            run.value,
            _curve(run),
        )
        for run in history.runs()
    }


def _curve(run: Run) -> dict[int, dict[str, float]]:
    return {step: dict(report.metrics) for step, report in run.reports.items()}


def lost(scene: Scene, before: list[bytes], undisturbed: Outcome) -> list[str]:
    """What is missing: trials, steps, as many retrainings as an undisturbed study makes, or whole
    lines of an earlier state (`before`) of the journal's file."""
    history = load(NAME, scene.runs)
    wanted = sum(label.startswith(("confirm", "verify")) for label in undisturbed)
    return [*_missing(history, wanted), *_cut(scene.journal, before)]


def _missing(history: History, retrainings: int) -> Iterator[str]:
    if [run.trial for run in history.trials] != list(range(TRIALS)):
        yield f"trials {[run.trial for run in history.trials]}"
    for run in history.runs():
        label = f"{run.purpose} {run.label}"
        if not run.state.finished:
            yield f"{label} is {run.state}"
        if run.state == "failed":
            yield f"{label} failed: {run.outcome['reason']}: {run.outcome['message']}"
        steps = sorted(run.reports)
        if run.purpose != "test" and steps != list(range(1, len(steps) + 1)):
            yield f"{label} reported {steps}"
    retrained = [run.label for run in _trained(history) if run.purpose != "search"]
    if len(retrained) != retrainings:
        yield f"retrained {retrained}"


def _trained(history: History) -> list[Run]:
    return [run for run in history.runs() if run.purpose != "test"]


def _cut(journal: Path, before: list[bytes]) -> Iterator[str]:
    now = journal.read_bytes() if journal.exists() else b""
    for number, earlier in enumerate(before):
        if not now.startswith(earlier):
            yield f"the journal no longer begins with what it held after command {number}"


def whole_lines(journal: Path) -> bytes:
    """The journal's file without a torn last line."""
    text = journal.read_bytes() if journal.exists() else b""
    return text[: text.rfind(b"\n") + 1]


def doubled(scene: Scene) -> list[str]:
    """Records of the journal's file that stand there twice, but may not."""
    if not scene.journal.exists():
        return []
    lines = [json.loads(line) for line in scene.journal.read_text().splitlines()]
    created = [line["user_attrs"]["run"] for line in lines if line["op_code"] == _CREATE]
    runs = Counter(f"{run['purpose']} {run['label']}" for run in created)
    keys = Counter(
        f"trial {line['trial_id']} {key}"
        for line in lines
        if line["op_code"] == _ATTRIBUTE
        for key in line["user_attr"]
        if key.startswith(("report/", "outcome"))
    )
    return [f"{key}: {count} times" for key, count in (runs + keys).items() if count > 1]


def untracked(scene: Scene, database: Path) -> list[str]:
    """Where MLflow and the journal differ: one finished run a trial, one point a step."""
    history = load(NAME, scene.runs)
    with closing(sqlite3.connect(database)) as connection:
        return [*_runs_wrong(connection, history), *_points_wrong(connection, history)]


def _runs_wrong(connection: sqlite3.Connection, history: History) -> Iterator[str]:
    rows = connection.execute(
        """select label.value, r.status from runs r
        join tags label on label.run_uuid = r.run_uuid and label.key = 'autotune.run'
        join tags uid on uid.run_uuid = r.run_uuid and uid.key = 'autotune.uid'
        where r.lifecycle_stage = 'active' and uid.value = ?""",
        (history.uid,),
    ).fetchall()
    wanted = {"study", *(run.label for run in _trained(history))}
    held = Counter(label for label, _ in rows)
    for label in sorted(wanted | held.keys()):
        if (label in wanted) != held[label]:
            yield f"MLflow holds {held[label]} runs of {label}"
    yield from (f"MLflow: {label} is {status}" for label, status in rows if status != "FINISHED")
    (experiments,) = connection.execute(
        "select count(*) from experiment_tags where key = 'autotune.uid' and value = ?",
        (history.uid,),
    ).fetchone()
    if experiments != 1:
        yield f"MLflow holds {experiments} experiments of the study"


def _points_wrong(connection: sqlite3.Connection, history: History) -> Iterator[str]:
    for run in _trained(history):
        rows = connection.execute(
            """select m.key, m.step, m.value from metrics m
            join tags t on t.run_uuid = m.run_uuid and t.key = 'autotune.run'
            join tags u on u.run_uuid = m.run_uuid and u.key = 'autotune.uid'
            where t.value = ? and u.value = ?""",
            (run.label, history.uid),
        ).fetchall()
        told = {
            (name, step): value
            for step, report in run.reports.items()
            for name, value in report.metrics.items()
        }
        names = {name for name, _ in told}
        held = Counter((name, step) for name, step, _ in rows if name in names)
        for place in sorted(told.keys() | held.keys()):
            if held[place] != 1:
                yield f"MLflow holds {held[place]} points of {run.label} {place}"
        for name, step, value in rows:
            if told.get((name, step), value) != value:
                yield f"MLflow differs at {run.label} {name} {step}"
