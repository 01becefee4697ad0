"""The contract of schedulers: checks that every member of the union must pass.

@pytest.mark.parametrize("check", SCHEDULER_CHECKS)
@pytest.mark.parametrize("config", schedulers())
def test_contract(config, check):
    check(config)
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import get_args

from autotune.schedule import Curves, Scheduler, SchedulerConfig, SchedulerSettings
from autotune.trial import Decision

__all__ = ["MAX_STEP", "SCHEDULER_CHECKS", "Arrival", "arrivals", "run", "schedulers"]

MAX_STEP = 27

Arrival = tuple[int, int, float]
"""trial, step, loss."""


def schedulers() -> list[SchedulerSettings]:
    """Every scheduler of the union, with its default settings and with a grace of three steps."""
    configs = []
    for member in get_args(get_args(SchedulerConfig)[0]):
        configs.append(member())
        if "grace" in member.model_fields:
            configs.append(member(grace=3))
    return configs


def arrivals(
    seed: int, trials: int = 30, workers: int = 4, steps: int = MAX_STEP
) -> Iterator[Arrival]:
    """Reports of noisy, falling curves in the order in which `workers` bring them.

    Send True for a trial that was stopped: its place goes to the next one. Trial 5 is the best at
    every step.
    """
    rng = random.Random(seed)
    level = [rng.uniform(0.2, 1.0) for _ in range(trials)]
    running = {number: 0 for number in range(min(workers, trials))}
    started = len(running)
    while running:
        number = rng.choice(sorted(running))
        running[number] += 1
        step = running[number]
        noise = rng.uniform(-0.1, 0.1)
        loss = -1.0 - step if number == 5 else level[number] + 1 / step + noise
        stopped = yield number, step, loss
        if stopped or step == steps:
            del running[number]
            if started < trials:
                running[started] = 0
                started += 1


def run(scheduler: Scheduler, source: Iterator[Arrival]) -> tuple[Curves, dict[int, int]]:
    """The curves of a study under `scheduler`, and where it stopped which trial."""
    curves = Curves()
    stopped: dict[int, int] = {}
    answer: bool | None = None
    while True:
        try:
            number, step, loss = source.send(answer)  # type: ignore[attr-defined]
        except StopIteration:
            return curves, stopped
        curves.add(number, step, loss)
        answer = scheduler.decide(number, step, curves) == Decision.STOP
        if answer:
            stopped[number] = step


def never_before_grace(config: SchedulerSettings) -> None:
    grace = getattr(config, "grace", 1)
    for seed in range(5):
        _, stopped = run(config.build(MAX_STEP), arrivals(seed))
        assert all(step >= grace for step in stopped.values())


def never_at_the_last_step(config: SchedulerSettings) -> None:
    """A trial that came to its end is complete, whatever its loss."""
    curves = Curves({number: {MAX_STEP: float(number)} for number in range(20)})
    assert config.build(MAX_STEP).decide(19, MAX_STEP, curves) == Decision.CONTINUE


def the_best_goes_on(config: SchedulerSettings) -> None:
    for seed in range(5):
        for max_step in (MAX_STEP, None):
            curves, stopped = run(config.build(max_step), arrivals(seed))
            assert 5 not in stopped
            assert max(curves[5]) == MAX_STEP


def only_the_curves_count(config: SchedulerSettings) -> None:
    """Neither earlier calls nor the order in which trials and steps came change an answer."""
    used = config.build(MAX_STEP)
    curves, _ = run(used, arrivals(3))
    shuffled = _shuffled(curves)
    for number, curve in curves.items():
        for step in curve:
            answer = config.build(MAX_STEP).decide(number, step, shuffled)
            assert used.decide(number, step, curves) == answer


def it_stops_as_it_says(config: SchedulerSettings) -> None:
    _, stopped = run(config.build(MAX_STEP), arrivals(1))
    assert bool(stopped) == config.stops_early


def gaps_and_extremes_are_survived(config: SchedulerSettings) -> None:
    """Steps that were not reported, infinite losses, equal losses, a trial alone."""
    curves: dict[int, dict[int, float]] = {
        0: {2: math.inf, 26: 1.0},
        1: {5: math.inf},
        2: {4: 0.0, 11: 0.0, 26: -math.inf},
        3: {4: 0.0},
    }
    for max_step in (MAX_STEP, None):
        scheduler = config.build(max_step)
        for number, curve in curves.items():
            for step in curve:
                assert scheduler.decide(number, step, Curves(curves)) in (
                    Decision.CONTINUE,
                    Decision.STOP,
                )
        assert scheduler.decide(0, 26, Curves({0: {26: math.inf}})) == Decision.CONTINUE


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
    it_stops_as_it_says,
    gaps_and_extremes_are_survived,
)
