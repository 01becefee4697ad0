"""What reading commands answer, as plain JSON values: never NaN, null where there is nothing."""

import json
from pathlib import Path
from typing import Any

from autotune import confirm
from autotune import spec as specs
from autotune.errors import AutotuneError, UserError
from autotune.history import Best, History, load, names
from autotune.journal import Run
from autotune.spec import Aims

__all__ = ["best", "state", "studies", "study", "to_json", "trial", "winner"]


def to_json(value: Any) -> str:
    return json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False)


def studies(runs: Path) -> list[dict[str, Any]]:
    """Every study under `runs`: name, state, trials begun and budgeted, best value.

    One that cannot be read, such as one that is being created or deleted now, is `unreadable`.
    """
    return [_line(name, runs) for name in names(runs)]


def _line(name: str, runs: Path) -> dict[str, Any]:
    try:
        history = load(name, runs)
    except AutotuneError:
        nothing = dict.fromkeys(("budget", "metric", "best", "confirmed"))
        return {"study": name, "state": "unreadable", "trials": 0, **nothing}
    best = history.best()
    return {
        "study": history.spec.name,
        "state": state(history),
        "trials": len(history.trials),
        "budget": history.spec.budget.trials,
        "metric": history.spec.objective.metric,
        "best": best.value if best else None,
        "confirmed": best.mean if best else None,
    }


def state(history: History) -> str:
    """running, finished or interrupted."""
    if history.driven:
        return "running"
    return "finished" if confirm.is_over(history, history.elapsed()) else "interrupted"


def study(history: History) -> dict[str, Any]:
    return {
        "study": history.spec.name,
        "state": state(history),
        "spec": specs.plain(history.spec),
        "trials": [_trial(run, history.spec.aims) for run in history.trials],
        "confirmations": [
            {
                "trial": run.trial,
                "seed": run.seed,
                "value": run.value,
                "test": history.test_value(run),
            }
            for run in history.confirms
        ],
    }


def _trial(run: Run, aims: Aims) -> dict[str, Any]:
    known = run.snapshot(aims)
    return {
        "number": known.number,
        "state": known.state,
        "reason": known.reason,
        "value": known.value,
        "steps": len(known.reports),
        "seconds": round(known.seconds, 3),
        "params": dict(known.params),
    }


def trial(history: History, number: int) -> dict[str, Any]:
    """One trial with its config, its curve and why it failed. Raises UserError."""
    if number >= len(history.trials) or number < 0:
        count = len(history.trials)
        cure = f"; it has trials 0 to {count - 1}" if count else "; it has no trials yet"
        raise UserError(f"study {history.spec.name!r} has no trial {number}{cure}")
    run = history.trials[number]
    return {
        **_trial(run, history.spec.aims),
        "message": run.outcome.get("message", ""),
        "seed": run.seed,
        "worker": run.outcome.get("worker", ""),
        "config": history.config(run),
        "reports": {step: dict(run.reports[step].metrics) for step in sorted(run.reports)},
    }


def best(history: History) -> dict[str, Any]:
    """The winner. Raises UserError while no trial has a value."""
    found = winner(history)
    return {
        "study": history.spec.name,
        "trial": found.trial,
        "metric": history.spec.objective.metric,
        "value": found.value,
        "mean": found.mean,
        "std": found.std,
        "seeds": list(found.seeds),
        "test": found.test,
        "test_std": found.test_std,
        "params": dict(found.params),
        "config": dict(found.config),
    }


def winner(history: History) -> Best:
    if found := history.best():
        return found
    raise UserError(
        f"no trial of study {history.spec.name!r} has a value yet: "
        f"see `autotune show {history.spec.name}`"
    )
