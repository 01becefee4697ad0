"""What reading commands answer, as plain JSON values: never NaN, null where there is nothing."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autotune import spec as specs
from autotune.errors import AutotuneError, InvalidInput, JournalDamaged, UserError
from autotune.study import budget
from autotune.study.events import message
from autotune.study.history import History, load, names
from autotune.study.journal.journal import Run
from autotune.study.steering.commands import said
from autotune.study.winner import Best
from autotune.trial import State

__all__ = [
    "best",
    "commands",
    "followed",
    "logs",
    "pareto",
    "problems",
    "state",
    "studies",
    "study",
    "to_json",
    "trial",
    "winner",
]


_TURN = 1.0
"""Seconds between two looks into a log that is followed."""


def to_json(value: Any) -> str:
    return json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False)


def problems(error: AutotuneError) -> list[dict[str, Any]]:
    """Mistakes as data: where (file:line, "" for none), the path of the setting, and what is wrong;
    empty where it is none of a study file's."""
    found = error.problems if isinstance(error, InvalidInput) else ()
    return [{"where": p.where, "path": list(p.path), "message": p.message} for p in found]


def studies(runs: Path) -> list[dict[str, Any]]:
    """Every study under `runs`: name, state, trials begun and budgeted, best value.

    One whose journal is damaged is `damaged`; one that cannot be read, such as one that is being
    created or deleted now, is `unreadable`. `problem` says why, and is null for all others.
    """
    return [_line(name, runs) for name in names(runs)]


def _line(name: str, runs: Path) -> dict[str, Any]:
    try:
        history = load(name, runs)
    except (AutotuneError, OSError) as error:
        nothing = dict.fromkeys(("budget", "metric", "best", "confirmed"))
        sick = "damaged" if isinstance(error, JournalDamaged) else "unreadable"
        return {"study": name, "state": sick, "trials": 0, **nothing, "problem": str(error)}
    best = history.best()
    return {
        "study": history.spec.name,
        "state": state(history),
        "trials": len(history.trials),
        "budget": history.spec.budget.trials,
        "metric": history.spec.objective.metric,
        "best": best.value if best else None,
        "confirmed": best.mean if best else None,
        "problem": None,
    }


def state(history: History) -> str:
    """running, finished or interrupted."""
    if history.driven:
        return "running"
    return "finished" if budget.is_over(history, history.elapsed()) else "interrupted"


def study(history: History) -> dict[str, Any]:
    return {
        "study": history.spec.name,
        "state": state(history),
        "spec": specs.plain(history.spec),
        "handed_over": history.sampler_switch.why or None,
        "cut": budget.cut(history),
        "commands": commands(history),
        "trials": [_trial(run, history) for run in history.trials],
        "confirmations": [
            {
                "trial": run.trial,
                "seed": run.seed,
                "value": run.value,
                "test": history.test_value(run),
                "purpose": run.purpose,
                "state": run.state,
            }
            for run in [*history.confirms, *history.verifies]
        ],
    }


def _trial(run: Run, history: History) -> dict[str, Any]:
    known = run.snapshot(history.spec.scoring)
    return {
        "number": known.number,
        "state": known.state,
        "reason": known.reason,
        "value": known.value,
        **({"why": why} if (why := run.outcome.get("why")) else {}),
        **({"asked": said} if (said := _asked(run, history)) else {}),
        **({} if known.state.finished else {"so_far": history.value(run)}),
        **_more(run, history),
        "steps": len(known.reports),
        "seconds": round(known.seconds, 3),
        "params": dict(known.params),
    }


def commands(history: History) -> list[dict[str, Any]]:
    """What people asked for while it ran, and what was answered."""
    return [
        {
            "at": record["at"],
            "command": said(record["command"]),
            "answer": record["answer"],
            "accepted": record["accepted"],
        }
        for record in history.commands.values()
    ]


def _asked(run: Run, history: History) -> str:
    """The command by which a person asked for the trial; "": nobody did."""
    record = history.commands.get(run.command)
    return said(record["command"]) if record else ""


def _more(run: Run, history: History) -> dict[str, Any]:
    """What there is beside one value: all objectives', and the constraints that are broken."""
    spec, more = history.spec, dict[str, Any]()
    told = {} if run.state == State.FAILED else run.reports
    if len(spec.objectives) > 1:
        metrics = [objective.metric for objective in spec.objectives]
        more["values"] = dict(zip(metrics, spec.scoring.values(told), strict=False))
    if spec.constraints:
        more["breaks"] = spec.scoring.broken(told)
    return more


def pareto(history: History) -> list[dict[str, Any]]:
    """Of several objectives: the trials that no other dominates, the picked one first."""
    return [
        {
            "trial": run.trial,
            "state": run.state,
            "values": history.values(run),
            "params": dict(run.params),
        }
        for run in history.pareto()
    ]


def trial(history: History, number: int) -> dict[str, Any]:
    """One trial with its config, its curve and why it failed. Raises UserError."""
    run = _numbered(history, number)
    return {
        **_trial(run, history),
        "message": message(history, run),
        "seed": run.seed,
        "worker": run.outcome.get("worker", ""),
        "config": history.config(run),
        "reports": {step: dict(run.reports[step].metrics) for step in sorted(run.reports)},
    }


def logs(history: History, number: int) -> list[dict[str, Any]]:
    """What the user's code printed in the trial, and in its retrainings. Raises UserError."""
    run = _numbered(history, number)
    again = [r for r in [*history.confirms, *history.verifies] if r.trial == number]
    found = [(r, history.log_file(r)) for r in (run, *again)]
    told = [
        {"label": r.label, "file": str(file), "text": file.read_text(errors="replace")}
        for r, file in found
        if file.is_file()
    ]
    if not told or told[0]["label"] != run.label:
        raise UserError(f"trial {number} of study {history.spec.name!r} has printed nothing")
    return told


def followed(name: str, runs: Path, number: int) -> Iterator[str]:
    """What the user's code prints in the trial, as it comes, until the trial has ended or nobody
    runs the study. Raises UserError where there is no such trial."""
    begun = 0
    while True:
        history = load(name, runs)
        run = _numbered(history, number)
        over = run.state.finished or not history.driven
        file = history.log_file(run)
        if file.is_file():
            with file.open("rb") as text:
                text.seek(begun)
                more = text.read()
            begun += len(more)
            yield more.decode(errors="replace")
        if over:
            return
        time.sleep(_TURN)


def _numbered(history: History, number: int) -> Run:
    if number >= len(history.trials) or number < 0:
        count = len(history.trials)
        cure = f"; it has trials 0 to {count - 1}" if count else "; it has no trials yet"
        raise UserError(f"study {history.spec.name!r} has no trial {number}{cure}")
    return history.trials[number]


def best(history: History) -> dict[str, Any]:
    """The winner. Raises UserError while no trial has a value."""
    found = winner(history)
    more: dict[str, Any] = {}
    if len(history.spec.objectives) > 1:
        pick = history.spec.pick
        more["values"] = history.values(history.trials[found.trial])
        more["pick"] = pick.model_dump() if pick else "knee"
        more["pareto"] = pareto(history)
    if history.spec.constraints:
        more["breaks"] = list(found.broken)
    return {
        "study": history.spec.name,
        "trial": found.trial,
        "metric": history.spec.objective.metric,
        "value": found.value,
        "state": history.trials[found.trial].state,
        "steps": len(history.trials[found.trial].reports),
        "mean": found.mean,
        "std": found.std,
        "seeds": list(found.seeds),
        "interval": list(found.interval) if found.interval else None,
        "chosen": _chosen(found),
        "cut": budget.cut(history),
        "test": found.test,
        "test_std": found.test_std,
        **more,
        "params": dict(found.params),
        "config": dict(found.config),
    }


def _chosen(found: Best) -> dict[str, Any] | None:
    """How the winner was chosen; null where its own retrainings did not do so."""
    if found.chosen is None or found.among < 2:
        return None
    return {
        "among": found.among,
        "mean": found.chosen.mean,
        "std": found.chosen.std,
        "seeds": list(found.chosen.seeds),
        "bias": found.bias,
    }


def winner(history: History) -> Best:
    if found := history.best():
        return found
    raise UserError(
        f"no trial of study {history.spec.name!r} has a value yet: "
        f"see `autotune show {history.spec.name}`"
    )
