"""The history of a study, read from its journal: trials, confirmations, the best.

Everything here is derived. `load` opens a study that another process may be driving.
"""

import statistics
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from autotune import spec as specs
from autotune.errors import StudyNotFound, UserError, nearest
from autotune.files import held_by
from autotune.search.auto import SamplerSwitch
from autotune.spec import StudySpec
from autotune.study.journal.journal import BUDGET, Journal, Run, open_journal
from autotune.study.journal.run import HAND
from autotune.study.leaderboard import Leaderboard
from autotune.study.winner import Best, Confirmed, Plan, selection_bias
from autotune.train.config import apply, pace
from autotune.trial import Purpose, State, Trials

__all__ = ["Best", "Confirmed", "History", "find", "load", "names", "option"]

FIRST_RULES, RULES = 1, 2
"""A study keeps the rules that it began with, so that a finished one stays finished. Its journal
names them; the first rules had no name. RULES are those of new studies: which trials are retrained,
how the winner is scored, and that the budget also bounds confirmation."""
PROVENANCE = "provenance"
ENDED, SPENT, FITTED = "search ended", "budget spent", "confirmation"
"""Keys of journaled budget decisions: see budget.py."""
_COMMAND = "command/"
"""The prefix of the keys of journaled commands; the id follows."""


@dataclass(slots=True)
class History:
    spec: StudySpec
    folder: Path
    uid: str
    trials: list[Run] = field(default_factory=list)
    """By number."""
    confirms: list[Run] = field(default_factory=list)
    """Retrainings that choose the winner."""
    verifies: list[Run] = field(default_factory=list)
    """Retrainings of the winner on seeds that did not choose it."""
    tests: list[Run] = field(default_factory=list)
    rules: int = RULES
    """The rules that the study began with."""
    exhausted: bool = False
    """The sampler has proposed everything."""
    driven: bool = False
    """A process is running the study now."""
    sampler_switch: SamplerSwitch = SamplerSwitch()
    """The sampler, if `auto` chose it."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    """Of the last session: engine, machine, git commit, versions. Empty in an older study."""
    notes: dict[str, Any] = field(default_factory=dict)
    """Budget decisions, each with the budget it holds for: see `noted`."""
    commands: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Commands from people with their answers, by id, the oldest first: command, answer, accepted,
    at, elapsed; starts and first, the trials it began; budget."""
    leaderboard: Leaderboard = field(init=False, repr=False)
    _configs: dict[int, dict[str, Any]] = field(default_factory=dict, init=False, repr=False)
    """By trial: each config is resolved once."""

    def __post_init__(self) -> None:
        self.leaderboard = Leaderboard(self.spec.scoring, self.trials)

    def recall(self, journal: Journal) -> None:
        """Applies a journaled decision on the study as a whole."""
        self._take("rules", journal.note("rules") or FIRST_RULES)
        for key in ("exhausted", "turns", PROVENANCE, ENDED, SPENT, FITTED):
            if note := journal.note(key):
                self._take(key, note)
        self.commands.update(sorted(journal.notes(_COMMAND).items()))

    def note(self, journal: Journal, key: str, note: Any) -> None:
        """Journals a decision on the study as a whole, then applies it."""
        journal.write_note(key, note)
        self._take(key, note)

    def command(self, journal: Journal, id: str, record: Mapping[str, Any]) -> None:
        """Journals a command with its answer, then takes it over."""
        journal.write_note(_COMMAND + id, record)
        self.commands[id] = record

    @property
    def paused(self) -> bool:
        """A person has paused it."""
        words = [r["command"]["command"] for r in self.commands.values() if r["accepted"]]
        return next((w for w in reversed(words) if w in ("pause", "resume")), "") == "pause"

    def _take(self, key: str, note: Any) -> None:
        match key:
            case "rules":
                self.rules = note
            case "exhausted":
                self.exhausted = note
            case "provenance":
                self.provenance = note
            case "turns":
                self.sampler_switch = SamplerSwitch(**note)
            case _:
                self.notes[key] = note

    def noted(self, key: str) -> Mapping[str, Any] | None:
        """The decision under the present budget; None if there is none, or it was for another
        budget."""
        note = self.notes.get(key)
        return note if note and note["for"] == self.limits(key) else None

    def limits(self, key: str) -> dict[str, Any]:
        """The settings that a decision depends on."""
        sections = ["budget", "confirm"] if key == FITTED else ["budget"]
        return {name: getattr(self.spec, name).model_dump(mode="json") for name in sections}

    def add(self, run: Run) -> None:
        """Adds a run that begins, or is read from the journal."""
        rooms = {
            Purpose.SEARCH: self.trials,
            Purpose.CONFIRM: self.confirms,
            Purpose.VERIFY: self.verifies,
            Purpose.TEST: self.tests,
        }
        rooms[run.purpose].append(run)
        if run.purpose == Purpose.SEARCH:
            self.leaderboard.begin(run)

    def runs(self) -> list[Run]:
        return [*self.trials, *self.confirms, *self.verifies, *self.tests]

    def snapshots(self) -> Trials:
        """Returns a live list of every trial, for a sampler; copy it to keep it."""
        return self.leaderboard.snapshots()

    def elapsed(self) -> float:
        """Seconds the study has run, over all its sessions, by its last record."""
        records = chain(self._records(), self.notes.values())
        return max((float(record["elapsed"]) for record in records), default=0.0)

    def ended_at(self) -> float:
        """Time of its last record, in seconds since 1970; 0 without records."""
        return max((float(record["at"]) for record in self._records()), default=0.0)

    def _records(self) -> Iterator[Mapping[str, Any]]:
        """Reports and outcomes of all runs, which carry their times."""
        for run in self.runs():
            yield from run.stamps.values()
            if run.outcome:
                yield run.outcome

    def searching(self, elapsed: float) -> bool:
        """Whether the budget allows a new trial, `elapsed` seconds into the study."""
        most = self.spec.budget.trials
        if self.exhausted or (most is not None and len(self.trials) >= most):
            return False
        return self.affordable(elapsed)

    def affordable(self, elapsed: float) -> bool:
        """Whether the search's share of time and GPU hours is left, `elapsed` seconds into the
        study."""
        budget = self.spec.budget
        if self.noted(ENDED):
            return False
        if budget.time is not None and elapsed >= budget.time:
            return False
        return budget.gpu_hours is None or self.gpu_seconds < budget.gpu_hours * 3600

    @property
    def gpu_seconds(self) -> float:
        """Working time of the search's trials, times the GPUs of each."""
        if share := self.spec.share:
            return self.leaderboard.seconds * share.all_gpus
        return sum(run.seconds * self.gpus(run) for run in self.trials)

    def gpus(self, run: Run) -> float:
        """GPUs of all processes of `run`."""
        if share := self.spec.share:
            return share.all_gpus
        return self.spec.worker.share(self.config(run)).all_gpus

    @property
    def has_value(self) -> bool:
        """Some trial has a value, or has reported and may get one."""
        return any(
            run.value is not None or (run.reports and not run.state.finished) for run in self.trials
        )

    @property
    def searched(self) -> bool:
        """Every trial begun is finished."""
        return self.leaderboard.finished == len(self.trials)

    def config(self, run: Run) -> dict[str, Any]:
        """The complete training config of `run` as plain JSON values; do not change it."""
        config = self._configs.get(run.trial)
        if config is None:
            config = apply(self.spec.base_config(), run.params).model_dump(mode="json")
            config["threads"] = self.spec.worker.share(config).threads
            self._configs[run.trial] = config
        more = {"accumulate": config["accumulate"] * run.accumulate} if run.accumulate > 1 else {}
        return {**config, **more, "seed": run.seed}

    def trial_folder(self, number: int) -> Path:
        return self.folder / "trials" / str(number)

    def run_folder(self, run: Run) -> Path:
        """The folder of `run`'s checkpoints; a test reading shares its source's."""
        kind, _, seed = run.label.partition(f"-{run.trial:04d}")
        if kind in ("confirm", "verify"):
            return self.folder / kind / f"{run.trial}{seed}"
        return self.trial_folder(run.trial)

    def figures_folder(self, run: Run) -> Path:
        """Where figures that an export drew of `run` are kept for the tracker."""
        return self.folder / "figures" / run.label

    @property
    def pictures_folder(self) -> Path:
        """Plots of the study as a whole, kept for the tracker."""
        return self.folder / "pictures"

    def config_file(self, run: Run) -> Path:
        """`autotune train` on this file repeats `run` alone."""
        folder = self.run_folder(run)
        return folder.with_name(folder.name + ".yaml")

    def log_file(self, run: Run) -> Path:
        """The output of the user's code in `run`, with tracebacks; exists if there was any."""
        folder = self.run_folder(run)
        return folder.with_name(folder.name + ".log")

    def config_text(self, run: Run) -> str:
        return specs.dump_config(self.config(run), [f"{run.label} of study {self.spec.name}"])

    def standing(self, value: float | None) -> dict[str, Any]:
        """The number of finished trials and their best value, with one more that ended with
        `value`."""
        return {"finished": self.leaderboard.finished + 1, "best": self.leaderboard.best(value)}

    def best_text(self, best: Best) -> str:
        """best.yaml: the winner's complete training config with its scores as comments."""
        metric = self.spec.objective.metric
        lines = [f"trial {best.trial} of study {self.spec.name}"]
        what = "the best" if len(self.spec.objectives) == 1 else "picked"
        what = "one" if best.asked else what
        of = f"{what} of {len(self.trials)} trials" + f"; {best.progress}" * bool(best.progress)
        lines += [f"search {metric}: {best.value:.6g} ({of})"]
        others = list(self.values(self.trials[best.trial]).items())[1:]
        lines += [f"search {name}: {value:.6g}" for name, value in others]
        lines += [f"breaks {constraint}" for constraint in best.broken]
        lines += self._told(best)
        if best.source.value is not None:
            of = f" (the best of {len(best.seeds)})" if len(best.seeds) > 1 else ""
            lines += [f"this seed's {metric}: {best.source.value:.10g}{of}"]
        if best.test is not None:
            lines += [f"test: {best.test:.6g}"]
        return specs.dump_config(best.config, lines)

    def _told(self, best: Best) -> Iterator[str]:
        """The score of a retrained winner, and how it was chosen."""
        metric = self.spec.objective.metric
        if best.scored:
            words = best.scored.told(".6g", ".2g")
            if best.interval:
                words += ", 95 % interval {:.6g} to {:.6g}".format(*best.interval)
            also = f", which also chose it from {best.among} trials" if best.selected else ""
            yield f"confirmed {metric}: {words} ({_seeds(best.scored)}{also})"
        if best.verified and best.chosen:
            of = f"the best of {best.among} trials, {_seeds(best.chosen)}"
            yield f"chosen with {metric}: {best.chosen.told('.6g', '.2g')} ({of})"

    def better(self, value: float) -> float:
        """A sort key: the better of two objective values comes first."""
        return self.leaderboard.better(value)

    def top(self, k: int) -> list[Run]:
        """The k best trials, as `Leaderboard.top`."""
        return self.leaderboard.top(k)

    @property
    def asked(self) -> Plan:
        """The plan for confirming the winner."""
        asked, verify = self.spec.confirm, self.spec.confirm.verify
        if verify is None:
            verify = 0 if self.rules == FIRST_RULES else asked.seeds
        chooses = asked.top > 1 and len(self.spec.objectives) == 1
        return Plan(asked.top, asked.seeds, verify if chooses else 0)

    @property
    def plan(self) -> Plan:
        """The plan as requested, or what of it fits into the budget."""
        if note := self.noted(FITTED):
            return Plan(note["top"], note["seeds"], note["verify"])
        return self.asked

    def candidates(self) -> list[Run]:
        """The trials to retrain, best first; stopped ones count by their value so far. Under the
        first rules complete ones only, or stopped ones if there are none."""
        k = self.plan.top
        if self.rules > FIRST_RULES:
            return self.leaderboard.top(k)
        first, every = self.leaderboard.first, len(self.trials)
        runs = first(every, State.COMPLETE) or first(every, State.PRUNED)
        return (runs if len(self.spec.objectives) == 1 else self.leaderboard.preferred(runs))[:k]

    def pareto(self) -> list[Run]:
        """The Pareto set, the picked trial first."""
        return self.leaderboard.pareto()

    def value(self, run: Run) -> float | None:
        """A trial's value, so far if it has not ended."""
        return self.leaderboard.value(run)

    def progress(self, run: Run) -> str:
        """How far a trial came: "" for a complete one, else such as "stopped at epoch 9 of 27"."""
        steps = pace(self.spec.trial)
        reached = f"{steps.unit} {run.step}" + (f" of {steps.last}" if steps.last else "")
        match run.state:
            case State.COMPLETE:
                return ""
            case State.RUNNING:
                return f"{reached}, still running"
            case State.WAITING:
                return f"{reached}, interrupted"
            case State.PAUSED:
                return f"paused at {reached}"
        by = {BUDGET: " by the budget", HAND: " by hand"}.get(run.outcome.get("why", ""), "")
        return f"stopped at {reached}{by}"

    def values(self, run: Run) -> dict[str, float]:
        """Value by metric, one an objective; empty without reports."""
        metrics = [objective.metric for objective in self.spec.objectives]
        values = self.spec.scoring.values(run.reports)
        return dict(zip(metrics, values, strict=True)) if values else {}

    def confirmed(self) -> list[Confirmed]:
        """Configurations whose choosing retrainings have all ended, the winner first. One that
        failed on any seed comes after all that did not."""
        groups = [group for group in _groups(self.confirms) if group.values]
        return sorted(groups, key=self._rank)

    def _rank(self, group: Confirmed) -> tuple[int, float, int]:
        """One objective: the best mean wins. Several: the trial picked in the search."""
        if len(self.spec.objectives) == 1:
            return group.failed, self.better(group.mean), group.trial
        picked = [run.trial for run in self.candidates()]
        place = picked.index(group.trial) if group.trial in picked else len(picked)
        return group.failed, place, group.trial

    def among(self) -> int:
        """Among how many configurations the winner has the best mean. 1: its retrainings did not
        choose it; with several objectives the pick does."""
        return len(self.confirmed()) if len(self.spec.objectives) == 1 else 1

    def test_value(self, run: Run) -> float | None:
        """The objective's metric on the test split with the weights of `run`, if it was read."""
        metric = "test_" + self.spec.objective.metric.removeprefix("val_").removeprefix("train_")
        for test in self.tests:
            if test.label == run.label and test.reports:
                return test.reports[test.step].metrics.get(metric)
        return None

    def best(self) -> Best | None:
        """None while no trial has a value."""
        groups = self.confirmed()
        if not groups:
            trial = next(iter(self.top(1)), None) or self.leaderboard.least_violating()
            return self._best(trial, trial, None, None) if trial else None
        return self._retrained(groups[0])

    def best_of(self, number: int) -> Best:
        """As `best`, for a given trial. Raises UserError if it does not exist or has no value."""
        if not 0 <= number < len(self.trials):
            last = len(self.trials) - 1
            held = f"it has trials 0 to {last}" if self.trials else "it has none yet"
            raise UserError(f"study {self.spec.name!r} has no trial {number}: {held}")
        trial = self.trials[number]
        if self.value(trial) is None:
            why = trial.state.value
            raise UserError(f"trial {number} of study {self.spec.name!r} has no value ({why})")
        own = [group for group in self.confirmed() if group.trial == number]
        made = self._retrained(own[0]) if own else self._best(trial, trial, None, None)
        won = self.best()
        if won and won.trial == number:
            return made
        return replace(made, among=1, bias=None, asked=True)

    def _retrained(self, chosen: Confirmed) -> Best:
        again = [run for run in self.verifies if run.trial == chosen.trial and run.state.finished]
        verified = Confirmed(chosen.trial, tuple(again))
        scored = verified if verified.values else chosen
        source = min(scored.whole, key=lambda run: self.better(run.value or 0.0))
        trial = self.trials[chosen.trial]
        return self._best(trial, source, chosen, verified if verified.values else None)

    def _best(
        self, trial: Run, source: Run, chosen: Confirmed | None, verified: Confirmed | None
    ) -> Best:
        scored, among = verified or chosen, self.among() if chosen else 1
        runs = scored.whole if scored else [trial]
        tests = [value for run in runs if (value := self.test_value(run)) is not None]
        value = self.value(trial)
        assert value is not None, "only a trial with a value can be the best"
        unverified = chosen and not verified and among > 1
        return Best(
            trial=trial.trial,
            value=value,
            progress=self.progress(trial),
            chosen=chosen,
            among=among,
            verified=verified,
            bias=selection_bias(self.confirmed()) if unverified else None,
            test=statistics.fmean(tests) if tests else None,
            test_std=statistics.stdev(tests) if len(tests) > 1 else None,
            params=trial.params,
            config=self.config(source),
            broken=tuple(self.spec.scoring.broken(trial.reports)),
            source=source,
        )


def _seeds(group: Confirmed) -> str:
    return f"seeds {', '.join(map(str, group.seeds))}{group.failures}"


def _groups(runs: list[Run]) -> Iterator[Confirmed]:
    """By trial, once all its runs have ended."""
    for trial in dict.fromkeys(run.trial for run in runs):
        own = tuple(run for run in runs if run.trial == trial)
        if all(run.state.finished for run in own):
            yield Confirmed(trial, own)


def option(runs: Path) -> str:
    """What a command needs to find studies under the runs folder."""
    return "" if runs.absolute() == Path("runs").absolute() else f" --runs {runs}"


def names(runs: Path) -> list[str]:
    """The studies under the runs folder, by name, without shared files."""
    found = (file.parent.name for file in runs.glob("*/study.yaml"))
    return sorted(name for name in found if not specs.is_shared(name))


def find(name: str, runs: Path) -> Path:
    """The study's folder. Raises StudyNotFound, naming the nearest study."""
    known = names(runs)
    if name not in known:
        hint = nearest(name, known) or "; there is none yet: autotune run STUDY.yaml"
        raise StudyNotFound(f"no study {name!r} under {runs}/{hint}")
    return runs / name


def load(name: str, runs: Path, spec: StudySpec | None = None) -> History:
    """The study as its journal stands now; `spec` replaces its own if the budget changes. Raises
    StudyNotFound and JournalDamaged."""
    folder = find(name, runs)
    spec = spec or specs.load(folder / "study.yaml")
    with closing(open_journal(spec, folder)) as journal:
        history = History(spec, folder, journal.uid, driven=_is_driven(spec, folder))
        history.recall(journal)
        for run in journal.runs():
            if run.state == State.RUNNING and not history.driven:
                run.state = State.WAITING
            history.add(run)
    return history


def _is_driven(spec: StudySpec, folder: Path) -> bool:
    if held_by(folder / "driver.lock"):
        return True
    address = spec.storage_address
    if address is None:
        return False
    from autotune.study.journal.database import driver_of  # which imports Optuna

    return bool(driver_of(address, spec.name))
