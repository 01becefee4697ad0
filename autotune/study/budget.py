"""What the budget allows: when the search ends, which retrainings fit, and what was cut.

`budget.time` and `budget.gpu_hours` bound the whole study. Confirmation gets the expected time of
retraining the best trials so far, at most a third; the search ends when the rest is spent. A
retraining is expected to take as long as the slowest of those trials to its last step, plus a tenth
and a second, times the rounds that the workers need. Without any report the share is a third.

When the search has ended, by whatever limit, the retrainings are fitted into the rest: first fewer
seeds, down to two, then fewer trials, then one seed. At the limit nothing starts, and running
trials stop at their next report; only the test split is still read.

Decisions are journaled with the numbers they rest on, and hold while the budget is the same.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autotune import spec as specs
from autotune.spec import StudySpec
from autotune.study import confirmation
from autotune.study.history import ENDED, FIRST_RULES, SPENT, History
from autotune.study.journal.journal import Run
from autotune.study.winner import Plan
from autotune.train.config import pace
from autotune.train.duration import spoken
from autotune.trial import State

__all__ = ["cut", "due", "ended", "fit", "is_over", "share_of", "why"]

_SHARE = 3
"""At most this fraction of a limit (1/n) is reserved for confirmation."""


@dataclass(frozen=True, slots=True)
class _Limit:
    name: str
    """The budget key: time or gpu_hours."""
    most: float
    """In seconds, of time or of GPUs."""
    used: float
    gpus: float | None = None
    """GPUs of one retraining, if GPU seconds are counted."""

    def needs(self, choose: int, verify: int, each: float, slots: int) -> float:
        """The time of so many retrainings, those of the winner after the others."""
        if self.gpus is not None:
            return (choose + verify) * each * self.gpus
        return (-(-choose // slots) + -(-verify // slots)) * each


def due(history: History, elapsed: float, slots: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Decisions that are due `elapsed` seconds into the study: that the search, or the whole study,
    has spent its share."""
    limits = _limits(history, elapsed)
    if not history.noted(ENDED) and (history.searching(elapsed) or not history.searched):
        for limit in limits:
            share = _share(history, limit, slots)
            if limit.used >= limit.most - share:
                yield ENDED, {"by": limit.name, "elapsed": elapsed, "share": share}
                break
    if not history.noted(SPENT):
        for limit in limits:
            if limit.used >= limit.most:
                yield SPENT, {"by": limit.name, "elapsed": elapsed}
                break


def fit(history: History, elapsed: float, slots: int) -> dict[str, Any] | None:
    """The retrainings that fit into the rest, decided when the search has ended; None without a
    limit."""
    limits, asked = _limits(history, elapsed), history.asked
    if not limits or not asked.top:
        return None
    each = _each(history, asked)
    plan = next(
        plan
        for plan in _plans(asked)
        if not plan.top or (each is not None and _fits(history, plan, limits, each, slots))
    )
    return {"elapsed": elapsed, "each": each, "slots": slots, **asdict(plan)}


def is_over(history: History, elapsed: float) -> bool:
    """Whether nothing is left to do within the budget, `elapsed` seconds into the study."""
    idle = all(run.state.finished for run in history.runs())
    return idle and not history.searching(elapsed) and confirmation.outstanding(history) is None


def why(history: History) -> str:
    """What ended a run early."""
    noted = history.noted(SPENT) or history.noted(ENDED) or {}
    return f"budget.{noted.get('by', 'time')} ended it"


def cut(history: History) -> list[str]:
    """What the budget has cut, one line each."""
    lines, spec = list[str](), history.spec
    stopped = sum(run.cut for run in history.trials)
    if ended := history.noted(ENDED):
        most = spec.budget.trials
        of = f" after {len(history.trials)} of {most} trials" if most else ""
        were = "trial was" if stopped == 1 else "trials were"
        also = f"; {stopped} {were} stopped at the next report" if stopped else ""
        if most or stopped:
            lines.append(f"{_named(spec, ended)} ended the search{of}{also}")
    asked, plan = history.asked, history.plan
    if not plan.top and asked.top:
        lines.append("no time was left to retrain any trial: the winner is not confirmed")
    elif (plan.top, plan.seeds) != (asked.top, asked.seeds):
        fitted = f"{plan.top} of {asked.top} trials, {plan.seeds} of {asked.seeds} seeds"
        lines.append(f"confirmation was cut to what fits: {fitted}")
    if (spent := history.noted(SPENT)) and (left := confirmation.left(history, plan)) != (0, 0):
        were = "retraining was" if sum(left) == 1 else "retrainings were"
        lines.append(f"{_named(spec, spent)} ended before {sum(left)} {were} done")
    return lines


def ended(history: History) -> str:
    """A line for people when the search has spent its share."""
    noted = history.noted(ENDED)
    return f"{_named(history.spec, noted)} ends the search; what runs stops" if noted else ""


def share_of(spec: StudySpec) -> str:
    """What is reserved for confirmation, for `check`; "" without a limit."""
    budget, plan = spec.budget, History(spec, Path(), "").asked
    thirds = [spoken(budget.time / _SHARE)] if budget.time else []
    thirds += [f"{budget.gpu_hours / _SHARE:.3g} GPU hours"] if budget.gpu_hours else []
    if not thirds or not plan.top:
        return ""
    what = f"{plan.top * plan.seeds} retrainings" + f" and then {plan.verify}" * bool(plan.verify)
    return f"of the budget, what {what} will take is kept for them, at most {', '.join(thirds)}"


def _limits(history: History, elapsed: float) -> list[_Limit]:
    budget = history.spec.budget
    if history.rules == FIRST_RULES:
        return []  # trial limits bound the search alone: see History.affordable
    limits = []
    if budget.time is not None:
        limits.append(_Limit("time", budget.time, elapsed))
    if budget.gpu_hours is not None:
        retrained = (*history.confirms, *history.verifies)
        used = history.gpu_seconds + sum(run.seconds * history.gpus(run) for run in retrained)
        limits.append(_Limit("gpu_hours", budget.gpu_hours * 3600, used, _gpus(history)))
    return limits


def _gpus(history: History) -> float:
    """GPUs of one retraining; if trials differ, of the largest likely one."""
    if share := history.spec.share:
        return share.all_gpus
    best = history.leaderboard.top(history.asked.top)
    return max((history.gpus(run) for run in best), default=0.0)


def _share(history: History, limit: _Limit, slots: int) -> float:
    """The part of the limit that is reserved for confirmation."""
    asked, most = history.asked, limit.most / _SHARE
    if not asked.top or limit.used < limit.most - most:
        return 0.0
    each = _each(history, asked)
    if each is None:
        return most
    return min(limit.needs(*confirmation.left(history, asked), each, slots), most)


def _each(history: History, plan: Plan) -> float | None:
    """The expected time of one retraining; None without any report."""
    costs = [_whole(history, run) for run in history.leaderboard.top(plan.top)]
    return 1.1 * max(costs) + 1.0 if costs else None


def _whole(history: History, run: Run) -> float:
    """Seconds of a whole trial, estimated for one that was stopped or began as a clone; if the last
    step is unknown, the seconds so far."""
    last = pace(history.spec.trial).last
    if last is None or (run.state == State.COMPLETE and run.parent is None):
        return run.seconds
    return run.seconds / len(run.reports) * last


def _plans(asked: Plan) -> Iterator[Plan]:
    """Smaller and smaller plans, from the requested one to none, in the order at the top of this
    file."""
    for top in range(asked.top, 0, -1):
        fewest = min(2, asked.seeds) if top > 1 else 1
        for seeds in range(asked.seeds, fewest - 1, -1):
            verify = min(asked.verify, max(seeds, 1)) if seeds < asked.seeds else asked.verify
            yield Plan(top, seeds, verify if top > 1 else 0)
    yield Plan(0, 0, 0)


def _fits(history: History, plan: Plan, limits: list[_Limit], each: float, slots: int) -> bool:
    left = confirmation.left(history, plan)
    return all(limit.used + limit.needs(*left, each, slots) <= limit.most for limit in limits)


def _named(spec: StudySpec, noted: Mapping[str, Any]) -> str:
    """The limit as a study file has it: budget.time (4m)."""
    key = noted["by"]
    return f"budget.{key} ({specs.plain(spec)['budget'][key]})"
