"""Collects the trials of earlier studies for a warm start.

They are read once, before the study begins, and kept in its journal: a resume does not depend on
the folders of the earlier studies, which may have grown or be gone.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import Any

from autotune.errors import InvalidInput, Problem, UserError, nearest
from autotune.search.base import SourceTrials
from autotune.search.warm_start import WarmStart
from autotune.spec import StudySpec
from autotune.spec.objectives import Objective
from autotune.study import history
from autotune.study.history import History
from autotune.study.journal.journal import Journal
from autotune.study.warm_start.translate import carry, standing
from autotune.trial import Reason, State, Trial

__all__ = ["IN_RUNS", "Earlier", "Find", "gather", "reader", "recall", "under"]

_MOST = 100
"""Trials taken of one study: enough to show where it is good, few enough for any sampler."""
_NOTE = "earlier"

Find = Callable[[str], History]
"""Finds a study by the words of `warm_start`: a name or a folder. Raises StudyNotFound."""


def under(runs: Path) -> Find:
    """Finds studies by name in the folder `runs`; with a slash it is a folder's path."""

    def find(study: str) -> History:
        path = Path(study)
        return history.load(path.name, path.parent) if "/" in study else history.load(study, runs)

    return find


IN_RUNS = under(Path("runs"))


@dataclass(slots=True)
class Earlier:
    """What one earlier study contributes."""

    study: str
    trials: list[Trial] = field(default_factory=list)
    """Translated trials, by their numbers."""
    laws: Counter[str] = field(default_factory=Counter)
    """How many trials were skipped by each rule."""
    examples: dict[str, str] = field(default_factory=dict)
    """The first trial that each rule skipped."""
    usable: int = 0
    """The number of usable trials, of which `trials` are a selection if there are very many."""

    @property
    def skipped(self) -> str:
        """How many trials are skipped, why, and an example of each."""
        shown = [f"{count} {rule} ({self.examples[rule]})" for rule, count in self.laws.items()]
        return "; ".join(shown)

    def __str__(self) -> str:
        total = self.usable + self.laws.total()
        text = f"warm start: {len(self.trials)} of {total} trials of study {self.study!r}"
        if len(self.trials) < self.usable:
            text += f", chosen evenly by score from {self.usable}"
        return f"{text}; skipped: {self.skipped}" if self.laws else text


def gather(spec: StudySpec, find: Find) -> list[Earlier]:
    """What each study of `spec`'s warm start contributes. Raises InvalidInput, located, with all
    problems: a study that does not exist, or has no usable trial."""
    found, problems = [], []
    for index, start in enumerate(spec.search.warm_start):
        at = ("search", "warm_start", index)
        try:
            old = find(start.study)
            earlier = _read(old, start, spec)
            problem = _mistake(old, start, earlier, spec)
        except UserError as error:
            problem = str(error)
        if problem:
            problems.append(Problem(f"warm_start: {problem}", at, spec.locate(at)))
        else:
            found.append(earlier)
    if problems:
        raise InvalidInput(problems)
    return found


def reader(spec: StudySpec, find: Find, at_once: bool = False) -> Callable[[], list[Earlier]]:
    """Gathers at the first call, or `at_once`: then problems are reported before a study begins."""
    read = cache(partial(gather, spec, find))
    if at_once:
        read()
    return read


def _read(old: History, start: WarmStart, spec: StudySpec) -> Earlier:
    earlier = Earlier(start.study)
    carried: list[Trial] = []
    for trial, run in zip(old.snapshots(), old.trials, strict=True):
        answer = carry(trial, old.config(run), start.rename, spec)
        if isinstance(answer, Trial):
            carried.append(answer)
            continue
        earlier.laws[answer.rule] += 1
        example = f"trial {trial.number}" + (f": {answer.example}" if answer.example else "")
        earlier.examples.setdefault(answer.rule, example)
    earlier.usable = len(carried)
    earlier.trials = _thinned(carried, spec.objective)
    return earlier


def _mistake(old: History, start: WarmStart, earlier: Earlier, spec: StudySpec) -> str:
    """Why the study cannot be used at all; "" if it can."""
    there = old.spec.space.parameters
    for name in start.rename:
        if name not in there:
            return f"study {start.study!r} does not search {name!r}{nearest(name, there)}"
    here = spec.space.parameters
    if not {start.rename.get(name, name) for name in there} & set(here):
        hint = f"it searches {', '.join(there)}; say with `rename: {{old: new}}` what they are here"
        return f"study {start.study!r} searches nothing that this one does: {hint}"
    if not earlier.trials:
        why = f": {earlier.skipped}" if earlier.laws else ": it has none yet"
        return f"no trial of study {start.study!r} can be used{why}"
    return ""


def _thinned(trials: Sequence[Trial], objective: Objective) -> list[Trial]:
    """At most `_MOST`: complete ones first; of too many, evenly spaced ones by score, so that the
    best, the worst and the shape between them stay."""
    loss = objective.loss
    ranked = sorted(trials, key=lambda t: (t.value is None, loss(t.value or 0.0), t.number))
    whole = _evenly([t for t in ranked if t.state == State.COMPLETE], _MOST)
    rest = _evenly([t for t in ranked if t.state != State.COMPLETE], _MOST - len(whole))
    return sorted((*whole, *rest), key=lambda trial: trial.number)


def _evenly(ranked: Sequence[Trial], most: int) -> Sequence[Trial]:
    if len(ranked) <= most:
        return ranked
    return [ranked[index * (len(ranked) - 1) // max(most - 1, 1)] for index in range(most)]


def recall(spec: StudySpec, journal: Journal, read: Callable[[], list[Earlier]]) -> SourceTrials:
    """The journaled trials of earlier studies; if there are none, what `read` returns. All trials
    get numbers from -1 down, in their order."""
    if not spec.search.warm_start:
        return ()
    if (noted := journal.note(_NOTE)) is None:
        noted = [{"study": e.study, "trials": [_record(t) for t in e.trials]} for e in read()]
        journal.write_note(_NOTE, noted)
    numbers = iter(range(-sum(len(one["trials"]) for one in noted), 0))
    return [[_trial(t, next(numbers), spec.objective) for t in one["trials"]] for one in noted]


def _record(trial: Trial) -> dict[str, Any]:
    return {
        "params": dict(trial.params),
        "state": trial.state,
        "reason": trial.reason,
        "curve": list(chain.from_iterable(sorted(trial.curve.items()))),
        "seconds": trial.seconds,
    }


def _trial(record: Mapping[str, Any], number: int, objective: Objective) -> Trial:
    steps, values = record["curve"][::2], record["curve"][1::2]
    reason = record["reason"]
    trial = Trial(
        number=number,
        params=record["params"],
        state=State(record["state"]),
        reason=Reason(reason) if reason else None,
        curve=dict(zip(steps, values, strict=True)),
        seconds=record["seconds"],
    )
    return replace(trial, value=standing(trial, objective))
