"""autotune beside what is written by hand: the same trials, the same epochs, two workers.

Arms: (a) usual: Ray Tune as the tutorials write it; (b) expert: Ray Tune by an expert; (c) optuna2:
Optuna in two processes; (d) floor: the bare loop in two processes; (e) ours.
"""

import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.glue import harness, plan
from benchmarks.glue.arm import Told

__all__ = ["Figures", "run"]

ARMS = {"a": "usual", "b": "expert", "c": "optuna2", "d": "floor", "e": "ours"}
FLOOR, DATALOADER = "floor", "usual"
COLUMNS = {
    "start_up_s": "start-up s",
    "search_s": "search s",
    "wall_s": "wall s",
    "pss_mb": "PSS MB",
    "search_ratio": "search / floor",
    "wall_ratio": "wall / floor",
}


@dataclass(frozen=True, slots=True)
class Figures:
    """One run of one arm."""

    arm: str
    repeat: int
    start_up_s: float
    """From the command to the first training step."""
    search_s: float
    """From there to the last report."""
    wall_s: float
    pss_mb: float
    """Peak of the whole process tree, Ray's daemons included."""
    trials: int
    reports: int
    mistakes: list[str]
    """Reports missing or not as in MLflow, and runs not FINISHED there; none in a sound run."""
    load_before: float
    """The load average of one minute: what else the machine was doing."""


def run(arms: Sequence[str], repeats: int, trials: int, out: Path | None) -> int:
    """Runs the arms interleaved, in rotating order; answers the exit code."""
    names = [ARMS.get(arm, arm) for arm in arms]
    if unknown := sorted(set(names) - set(ARMS.values())):
        raise SystemExit(f"no arm {', '.join(unknown)}; there are {ARMS}")
    conditions = harness.conditions()
    done: list[Figures] = []
    for repeat in range(repeats):
        turn = repeat % len(names)
        rows = {name: _run_arm(name, repeat, trials) for name in names[turn:] + names[:turn]}
        drift = _drift({name: told for name, (_, told) in rows.items()})
        done += [figures for figures, _ in rows.values()]
        for line in drift:
            print(f"NOT PAIRED: {line}")
        if drift:
            return 1
    summary = _summary(done)
    settings = {"trials": trials, "epochs": sum(one.epochs for one in plan.load(trials))}
    settings |= {"repeats": repeats, "workers": 2}
    _print(summary, settings)
    if out:
        runs = [asdict(figures) for figures in done]
        result = {**conditions, **settings, "summary": summary, "runs": runs}
        out.write_text(json.dumps(result, indent=1) + "\n")
    return int(any(figures.mistakes for figures in done))


def _run_arm(arm: str, repeat: int, trials: int) -> tuple[Figures, list[Told]]:
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix=f"glue-{arm}-") as name:
        folder = Path(name)
        arguments = ["--folder", name, "--trials", str(trials)]
        try:
            watched = harness.watch(f"benchmarks.glue.{arm}", arguments, folder / "log.txt")
        except subprocess.CalledProcessError as error:
            raise SystemExit(f"{arm} failed:\n{error.output}") from None
        told = harness.reports(folder)
        mistakes = _mistakes(told, trials)
        if arm != FLOOR:
            mistakes += _untracked(told, folder / "mlflow.db")
    first, last = min(one.at - one.seconds for one in told), told[-1].at
    figures = Figures(
        arm=arm,
        repeat=repeat,
        start_up_s=first - watched.began,
        search_s=last - first,
        wall_s=watched.wall,
        pss_mb=watched.peak_mb,
        trials=len({one.index for one in told}),
        reports=len(told),
        mistakes=mistakes,
        load_before=load,
    )
    print(json.dumps(asdict(figures)), flush=True)
    return figures, told


def _mistakes(told: Sequence[Told], trials: int) -> list[str]:
    planned = {(one.index, e) for one in plan.load(trials) for e in range(1, one.epochs + 1)}
    came = [(one.index, one.step) for one in told]
    if sorted(came) == sorted(planned):
        return []
    return [f"{len(came)} reports, but {len(planned)} are planned; wrong: {set(came) ^ planned}"]


def _untracked(told: Sequence[Told], database: Path) -> list[str]:
    held = harness.tracked(database)
    came = {(one.index, one.step): one.val_loss for one in told}
    wrong = {key for key in held.keys() | came.keys() if held.get(key) != came.get(key)}
    differ = [f"MLflow and the reports differ at {sorted(wrong)}"] if wrong else []
    return differ + harness.unfinished(database)


def _drift(told: dict[str, list[Told]]) -> list[str]:
    """Where arms that share the training differ: the usual glue draws its batches by itself."""
    shared = {name: one for name, one in told.items() if name != DATALOADER}
    curves = {
        name: {(one.index, one.step): one.val_loss for one in reports}
        for name, reports in shared.items()
    }
    if not curves:
        return []
    base, expected = next(iter(curves.items()))
    return [
        f"{name} and {base} differ in val_loss at {sorted(wrong)[:5]} ({len(wrong)} reports)"
        for name, curve in curves.items()
        if (wrong := {key for key in expected if curve.get(key) != expected[key]})
    ]


def _summary(done: Sequence[Figures]) -> dict[str, dict[str, dict[str, float]]]:
    """Median, min and max by arm and column; ratios are taken within a repeat."""
    floors = {one.repeat: one for one in done if one.arm == FLOOR}
    rows = [(one.arm, _columns(one, floors.get(one.repeat))) for one in done]
    return {
        arm: {
            column: _spread([row[column] for name, row in rows if name == arm])
            for column in next(row for name, row in rows if name == arm)
        }
        for arm in dict.fromkeys(name for name, _ in rows)
    }


def _columns(one: Figures, floor: Figures | None) -> dict[str, float]:
    columns = {name: getattr(one, name) for name in ("start_up_s", "search_s", "wall_s", "pss_mb")}
    if floor is None:
        return columns
    search, wall = one.search_s / floor.search_s, one.wall_s / floor.wall_s
    return {**columns, "search_ratio": search, "wall_ratio": wall}


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def _print(summary: dict[str, dict[str, dict[str, float]]], settings: dict[str, Any]) -> None:
    print(", ".join(f"{value} {name}" for name, value in settings.items()))
    print("median (min to max)")
    print(f"{'arm':10}" + "".join(f"{title:>24}" for title in COLUMNS.values()))
    for arm, columns in summary.items():
        cells = [_cell(columns[name]) if name in columns else "" for name in COLUMNS]
        print(f"{arm:10}" + "".join(f"{cell:>24}" for cell in cells))


def _cell(spread: dict[str, float]) -> str:
    digits = 0 if spread["median"] >= 100 else 2
    low, high = (f"{spread[end]:.{digits}f}" for end in ("min", "max"))
    return f"{spread['median']:.{digits}f} ({low} to {high})"
