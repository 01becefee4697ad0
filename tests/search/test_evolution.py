"""Evolution: whose children it makes, and what becomes of their values."""

import random
from collections.abc import Sequence
from typing import Any

import pytest

from autotune.pareto import fronts
from autotune.search import Evolution
from autotune.search.nondominated_sorting import Fronts, NondominatedRanking
from autotune.space import Space
from autotune.testing.search import SPACES, simulate
from autotune.trial import Goal, Reason, State, Trial, ValueAtStep

MIN = [Goal.MINIMIZE]
LINE = Space.parse({"x": {"type": "float", "low": 0.0, "high": 1.0}})


def trial(number: int, state: State = State.PRUNED, **about: Any) -> Trial:
    params = about.pop("params", {"x": number / 100})
    return Trial(number, params, state, **about)


def ranked(trials: Sequence[Trial], most: int, goals: Sequence[Goal] = MIN) -> list[int]:
    ranking = NondominatedRanking(goals, most)
    ranking.follow(trials)
    return ranking.best()


@pytest.mark.parametrize("width", [1, 2, 3])
def test_fronts_are_those_of_a_fresh_look(width: int) -> None:
    rng = random.Random(width)
    kept, points = Fronts(4), dict[int, tuple[float, ...]]()
    for who in range(200):
        points[who] = tuple(round(rng.random(), 1) for _ in range(width))
        kept.add(points[who], who)
        if rng.random() < 0.2:
            gone = rng.choice(list(points))
            del points[gone]
            kept.remove(gone)
        found = fronts(list(points.values()))
        expected = [[w for w, f in zip(points, found, strict=True) if f == n] for n in range(4)]
        members = [sorted(w for equal in f.values() for w in equal) for f in kept.kept()]
        assert members == [front for front in expected if front]


def test_trials_are_compared_at_the_farthest_step_that_enough_reached() -> None:
    early = [trial(n, curve={1: 1.0 - n / 100}) for n in range(20)]
    assert ranked(early, 2) == [19, 18]
    far = [trial(20 + n, curve={1: 2.0, 3: 0.5 - n / 100}) for n in range(3)]
    assert ranked([*early, *far], 2) == [19, 18]  # three do not make a fidelity of two
    far.append(trial(23, State.RUNNING, curve={1: 2.0, 2: 0.1, 3: 0.2, 4: 0.0}))
    assert ranked([*early, *far], 2) == [23, 22]
    whole = [trial(24 + n, State.COMPLETE, curve={1: 3.0}, value=3.0 + n) for n in range(4)]
    assert ranked([*early, *far, *whole], 2) == [24, 25]
    assert ranked([*early, *far, *whole], 2, [Goal.MAXIMIZE]) == [27, 26]


def test_failed_trials_have_no_children_and_infeasible_ones_come_last() -> None:
    nan = trial(0, State.FAILED, reason=Reason.NAN, curve={1: 0.0})
    over, far_over = (
        trial(n, curve={1: 0.0}, values_by_step={1: ValueAtStep((0.0,), (by,))})
        for n, by in ((1, 0.1), (2, 9.0))
    )
    kept = [
        trial(n, curve={1: 5.0 + n}, values_by_step={1: ValueAtStep((5.0 + n,), (-1.0,))})
        for n in (3, 4)
    ]
    assert ranked([nan, over, far_over, *kept], 3) == [3, 4, 1]


def test_of_several_objectives_whole_fronts_are_parents() -> None:
    def at(number: int, a: float, b: float) -> Trial:
        return trial(number, State.COMPLETE, value=a, values=(a, b))

    trials = [at(0, 0.0, 0.0), at(1, 1.0, 2.0), at(2, 2.0, 3.0), at(3, 1.5, 1.0)]
    both = [Goal.MINIMIZE, Goal.MAXIMIZE]
    assert sorted(ranked(trials, 2, both)) == [0, 1, 2]
    assert sorted(ranked(trials, 4, both)) == [0, 1, 2, 3]


def test_it_keeps_up_with_trials_that_go_on_or_were_never_there() -> None:
    trials = simulate(Evolution().build(LINE, Goal.MINIMIZE, 0), LINE, 40)
    ranking = NondominatedRanking(MIN, 3)
    for end in (40, 10, 33, 40):
        ranking.follow(trials[:end])
        assert ranking.best() == ranked(trials[:end], 3)


def test_a_choice_that_changes_draws_what_it_activates_and_drops_the_rest() -> None:
    space = SPACES["conditional"]
    sampler = Evolution(startup=1, population=1).build(space, Goal.MINIMIZE, 0)
    parent = {
        "optimizer.name": "sgd",
        "optimizer.lr": 0.01,
        "model.depth": 3,
        "model.residual": None,
    }
    trials = [trial(0, State.COMPLETE, params=parent, value=0.0)]
    children = [sampler.propose(trials, number) for number in range(1, 80)]
    assert all(space.contains(child) == [] and child != parent for child in children)
    born = {child["optimizer.momentum"] for child in children if "optimizer.momentum" in child}
    assert len(born) > 5
    assert any("model.residual" not in child for child in children)
    same = sum(child[name] == parent[name] for child in children for name in ("optimizer.lr",))
    assert 10 < same < 70


def test_beliefs_come_first_and_are_drawn_from() -> None:
    believed = {"type": "float", "low": 0.0, "high": 1.0, "prior": 0.9, "confidence": "high"}
    space = Space.parse({"x": believed, "y": {"type": "float", "low": 0.0, "high": 1.0}})
    sampler = Evolution(startup=99).build(space, Goal.MINIMIZE, 0)
    assert sampler.propose([], 0) == {"x": pytest.approx(0.9), "y": 0.5}
    drawn = [sampler.propose([], number)["x"] for number in range(1, 61)]
    near = sum(abs(x - 0.9) < 0.2 for x in drawn)
    assert 30 < near < 56
