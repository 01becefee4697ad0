"""The contract of schedulers: checks that every member of the union must pass.

@pytest.mark.parametrize("check", SCHEDULER_CHECKS)
@pytest.mark.parametrize("config", schedulers())
def test_contract(config, check):
    check(config)
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin

from autotune.schedule import Curves, Scheduler, SchedulerConfig, SchedulerSettings, StudyContext
from autotune.schedule.state import Clone, NewTrial, Paused, Resume, SchedulerState, WaitForRunning
from autotune.space import Space
from autotune.trial import Decision, Goal, Scalar

__all__ = ["MAX_STEP", "SCHEDULER_CHECKS", "SimulatedTrials", "context", "run", "schedulers"]

MAX_STEP = 27
SPACE = Space.parse(
    {
        "lr": {"type": "float", "low": 1e-4, "high": 1.0, "log": True},
        "units": {"type": "int", "low": 1, "high": 9, "step": 2},
        "kind": {"type": "categorical", "choices": ["a", "b"]},
        "depth": {"type": "int", "low": 1, "high": 5, "when": {"kind": "a"}},
    }
)


def context(max_step: int | None = MAX_STEP) -> StudyContext:
    return StudyContext(max_step, SPACE, Goal.MINIMIZE)


def schedulers() -> list[SchedulerSettings]:
    """Every scheduler of the union with its default settings (what it requires by its own first
    example), every form it has, and a grace of three steps."""
    configs: list[SchedulerSettings] = []
    for member in get_args(get_args(SchedulerConfig)[0]):
        fields = member.model_fields
        needed = {name: f.examples[0] for name, f in fields.items() if f.is_required()}
        kinds: list[dict[str, Any]] = [{}]
        for name, info in fields.items():
            if get_origin(info.annotation) is Literal and len(get_args(info.annotation)) > 1:
                kinds = [{name: word} for word in get_args(info.annotation)]
        configs += [member(**needed, **kind) for kind in kinds]
        if "grace" in fields:
            configs += [member(**needed, **kind, grace=3) for kind in kinds]
    return configs


@dataclass
class SimulatedTrials:
    """Trials with noisy, falling curves, raced by `workers` under a scheduler.

    Whose report comes next is drawn at random. Trial 5 is the best at every step.
    """

    scheduler: Scheduler
    seed: int
    trials: int = 30
    workers: int = 4
    steps: int = MAX_STEP
    several: bool = False
    """A second objective, which trials are the better at the worse they are at the first."""
    told: list[tuple[float, ...]] = field(default_factory=list)
    """(trial, step, *losses) of each report."""
    curves: Curves = field(default_factory=Curves)
    paused: Paused = field(default_factory=Paused)
    running: dict[int, int] = field(default_factory=dict)
    levels: list[float] = field(default_factory=list)
    stopped: dict[int, int] = field(default_factory=dict)
    """Trial -> the step at which it was stopped, or was paused for good."""
    complete: list[int] = field(default_factory=list)
    clones: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Trial -> parent and step."""
    assigned: int = 0
    pauses: int = 0

    def run(self) -> "SimulatedTrials":
        rng = random.Random(self.seed)
        base = [rng.uniform(0.2, 1.0) for _ in range(self.trials)]
        while self._hand_out(base):
            self._report(rng)
        self.stopped |= dict(self.paused)
        return self

    def _hand_out(self, base: list[float]) -> bool:
        while len(self.running) < self.workers:
            closing = len(self.levels) == self.trials
            standing = SchedulerState(
                self.curves, self.paused, self.running, len(self.levels), closing
            )
            match self.scheduler.next_action(standing):
                case Resume(trial):
                    assert trial in self.paused and trial not in self.running
                    self.running[trial] = self.paused[trial]
                    self.paused.remove(trial)
                case Clone(parent, replaces):
                    assert not closing and parent in self.paused and parent != replaces
                    self._clone(parent, replaces)
                case NewTrial() if not closing:
                    self.running[len(self.levels)] = 0
                    self.levels.append(base[len(self.levels)])
                case NewTrial() | WaitForRunning():
                    break
            self.assigned += 1
            assert self.assigned < 10_000
        return bool(self.running)

    def _clone(self, parent: int, replaces: int | None) -> None:
        step = self.paused[parent]
        if replaces is not None:
            self.stopped[replaces] = self.paused[replaces]
            self.paused.remove(replaces)
        number = len(self.levels)
        self.levels.append(self.levels[parent])
        self.running[number] = step
        self.clones[number] = (parent, step)

    def _report(self, rng: random.Random) -> None:
        number = rng.choice(sorted(self.running))
        step = self.running[number] = self.running[number] + 1
        noise = rng.uniform(-0.1, 0.1)
        loss = -1.0 - step if number == 5 else self.levels[number] + 1 / step + noise
        others = [-loss if number != 5 else loss] if self.several else []
        self.told.append((number, step, loss, *others))
        self.curves.add(number, step, loss, *others)
        decision = self.scheduler.decide(number, step, self.curves)
        if decision is Decision.CONTINUE and step < self.steps:
            return
        del self.running[number]
        if decision is Decision.STOP:
            self.stopped[number] = step
        elif decision is Decision.PAUSE and step < self.steps:
            self.pauses += 1
            self.paused.add(number, step, loss)
        else:
            self.complete.append(number)


def run(config: SchedulerSettings, seed: int, max_step: int | None = MAX_STEP) -> SimulatedTrials:
    return SimulatedTrials(config.build(context(max_step)), seed).run()


def _frames(config: SchedulerSettings) -> Iterator[int | None]:
    """The lengths of a trial that `config` takes."""
    return (end for end in (MAX_STEP, None) if not config.check(context(end)))


def never_before_grace(config: SchedulerSettings) -> None:
    grace = getattr(config, "grace", 1)
    for seed in range(5):
        assert all(step >= grace for step in run(config, seed).stopped.values())


def never_at_the_last_step(config: SchedulerSettings) -> None:
    """A trial that came to its end is complete, whatever its loss."""
    curves = Curves({number: {MAX_STEP: float(number)} for number in range(20)})
    assert config.build(context()).decide(19, MAX_STEP, curves) == Decision.CONTINUE


def the_best_goes_on(config: SchedulerSettings) -> None:
    for seed in range(5):
        for max_step in _frames(config):
            race = run(config, seed, max_step)
            assert 5 not in race.stopped
            assert max(race.curves[5]) == MAX_STEP


def only_the_curves_count(config: SchedulerSettings) -> None:
    """Neither earlier calls nor the order in which trials and steps came change an answer."""
    race = run(config, 3)
    shuffled = _shuffled(race.curves)
    for number, curve in race.curves.items():
        for step in curve:
            answer = config.build(context()).decide(number, step, shuffled)
            assert race.scheduler.decide(number, step, race.curves) == answer


def every_trial_ends(config: SchedulerSettings) -> None:
    """Complete or stopped, none twice; where trials are paused, some go on to the end."""
    for trials in (1, 2, 3, 7, 30):
        for workers in (1, 4):
            built = config.build(context())
            race = SimulatedTrials(built, 0, trials, workers).run()
            assert sorted([*race.complete, *race.stopped]) == list(range(len(race.levels)))
            assert race.complete or not race.pauses


def pauses_are_announced(config: SchedulerSettings) -> None:
    """`until` names the step at which a trial is paused, so that a checkpoint is there."""
    race = run(config, 2)
    for number, curve in race.curves.items():
        start = race.clones.get(number, (0, 0))[1]
        for step in curve:
            if race.scheduler.decide(number, step, race.curves) is Decision.PAUSE:
                before = max((at for at in curve if at < step), default=start)
                assert race.scheduler.until(number, before) == step
            elif step < MAX_STEP:
                assert race.scheduler.until(number, step - 1) != step


def clones_differ_within_the_space(config: SchedulerSettings) -> None:
    params: dict[str, Scalar] = {"lr": 0.9, "units": 9, "kind": "a", "depth": 1}
    scheduler = config.build(context())
    if not run(config, 0).clones:
        return
    found = [scheduler.perturb(params, seed) for seed in range(20)]
    assert found == [scheduler.perturb(params, seed) for seed in range(20)]
    assert all(not SPACE.contains(values) for values in found)
    assert sum(values != params for values in found) > 10


def it_stops_as_it_says(config: SchedulerSettings) -> None:
    assert bool(run(config, 1).stopped) == config.stops_early


def gaps_and_extremes_are_survived(config: SchedulerSettings) -> None:
    """Steps that were not reported, infinite losses, equal losses, a trial alone."""
    curves: dict[int, dict[int, float]] = {
        0: {2: math.inf, 26: 1.0},
        1: {5: math.inf},
        2: {4: 0.0, 11: 0.0, 26: -math.inf},
        3: {4: 0.0},
    }
    for max_step in _frames(config):
        scheduler = config.build(context(max_step))
        for number, curve in curves.items():
            for step in curve:
                assert isinstance(scheduler.decide(number, step, Curves(curves)), Decision)


def _shuffled(curves: Curves) -> Curves:
    rng = random.Random(0)
    inner = {
        number: dict(rng.sample(sorted(curve.items()), len(curve)))
        for number, curve in curves.items()
    }
    return Curves(dict(rng.sample(sorted(inner.items()), len(inner))))


SCHEDULER_CHECKS: Sequence[Callable[[SchedulerSettings], None]] = (
    never_before_grace,
    never_at_the_last_step,
    the_best_goes_on,
    only_the_curves_count,
    every_trial_ends,
    pauses_are_announced,
    clones_differ_within_the_space,
    it_stops_as_it_says,
    gaps_and_extremes_are_survived,
)
