"""Trials of several sizes in one study: none overtakes another, none waits for ever, no worker is
taken twice; over 1,000 simulated studies."""

import random
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from autotune import spec as specs
from autotune.engine import simulate
from autotune.errors import InvalidInput
from autotune.spec import StudySpec
from autotune.study.state_machine import Study, in_memory
from autotune.trial import Assignment, Failure, Fault, Reply, Share, State

TEXT = """
name: sizes
objective: {metric: loss, goal: minimize}
trial: {function: "autotune.testing.trials:learns", epochs: 9}
space:
  - x: {type: float, low: 0, high: 1}
  - net.depth: {type: int, low: 1, high: 100}
search: {name: random}
schedule: {name: none}
budget: {trials: 12}
worker:
  sizes:
    - {when: {net.depth: ">= 90"}, processes: 4}
    - {when: {net.depth: ">= 50", x: "< 0.8"}, cpus: 2}
confirm: {top: 2, seeds: 2}
tracking: none
"""


def study_spec(text: str = TEXT, *overrides: str) -> StudySpec:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "study.yaml"
        path.write_text(text)
        return specs.load(path, overrides)


def test_a_trial_gets_the_first_size_whose_conditions_hold() -> None:
    spec = study_spec()
    found = [
        spec.worker.share({"function": "", "x": x, "net": {"depth": depth}})
        for x, depth in [(0.1, 95), (0.1, 60), (0.9, 60), (0.1, 10)]
    ]
    assert found == [Share(1, 0, 4), Share(2), Share(1), Share(1)]
    assert spec.worker.share({"function": ""}) == Share(1), "what is absent fulfils nothing"
    assert specs.shares(spec) == (Share(1), Share(1, 0, 4), Share(2))
    study = in_memory(spec)
    study.slots = 20
    given = [study.next() for _ in range(12)]
    assert all(isinstance(a, Assignment) and a.share in specs.shares(spec) for a in given)
    threads = {a.share: a.config["threads"] for a in given if isinstance(a, Assignment)}
    assert threads[Share(1)] == 1 and threads.get(Share(2), 2) == 2


def test_it_is_written_as_it_was_read() -> None:
    spec = study_spec()
    assert study_spec(specs.dump(spec)) == spec
    assert 'when: {net.depth: ">= 90"}' in specs.dump(spec).replace("'", '"')


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ("when: 3, cpus: 2", "`worker.sizes.0.when` must be conditions on the training config"),
        ("cpus: 2", "`worker.sizes.0.when` is required"),
        ("when: {net.deep: 3}, cpus: 2", "no trial has 'net.deep'; did you mean 'net.depth'?"),
        ("when: {x: 1}, cpus: 0", "`worker.sizes.0.cpus` must be > 0"),
    ],
)
def test_what_is_wrong_with_a_size(said: str, rule: str) -> None:
    text = TEXT[: TEXT.index("  sizes")] + f"  sizes: [{{{said}}}]\ntracking: none\n"
    with pytest.raises(InvalidInput) as caught:
        specs.check(study_spec(text))
    assert [rule in problem.message for problem in caught.value.problems] == [True]


def test_a_trial_that_never_fits_is_refused() -> None:
    with pytest.raises(InvalidInput, match="the largest trial takes 4 workers, but 3 are"):
        simulate.run(in_memory(study_spec()), workers=3)


class Watched:
    """A study whose hand-outs and beginnings are written down, with the time of each."""

    def __init__(self, study: Study) -> None:
        self.study, self.given, self.begun = study, list[Assignment](), list[int]()
        self.ran: dict[int, set[int]] = {}
        """Which others ran when a trial was handed out, and run still."""
        self.due: dict[int, float] = {}
        """When it was handed out, or the last of those has ended."""
        self.running, self.most = dict[int, int](), 0
        ask, finish = study.next, study.finish

        def watched_next() -> Any:
            answer = ask()
            if isinstance(answer, Assignment):
                assert len(self.begun) == len(self.given), "another one waits"
                self.ran[answer.number] = set(self.running)
                self.due[answer.number] = study.clock.passed()
                self.given.append(answer)
            return answer

        def watched_finish(assignment: Assignment, ending: Failure | Fault | None = None) -> None:
            del self.running[assignment.number]
            for waiting, others in self.ran.items():
                if assignment.number in others:
                    others.discard(assignment.number)
                    self.due[waiting] = study.clock.passed()
            finish(assignment, ending)

        study.next, study.finish = watched_next, watched_finish  # type: ignore[method-assign]

    def work(self, assignment: Assignment) -> Iterator[Reply]:
        size = assignment.share.processes * int(assignment.share.cpus)
        assert sum(self.running.values()) + size <= self.most, "a worker is taken twice"
        assert self.study.clock.passed() <= self.due[assignment.number], "it waited for others"
        self.running[assignment.number] = size
        self.begun.append(assignment.number)
        return simulate.recorded(curve)(assignment)


def curve(config: Mapping[str, Any], seed: int) -> Iterator[tuple[dict[str, float], float]]:
    draw = random.Random(seed)
    for step in range(1, 10):
        yield {"loss": config["x"] / step}, draw.choice([0.1, 1.0, 30.0])


SCHEDULES = [
    "{name: none}",
    "{name: asha, grace: 1, eta: 3}",
    "{name: asha, grace: 1, eta: 3, form: promotion}",
    "{name: hyperband, eta: 3}",
    "{name: median}",
]


@pytest.mark.slow
def test_no_order_of_sizes_makes_a_study_hang() -> None:
    for seed in range(1000):
        draw = random.Random(seed)
        depth, processes = draw.randint(1, 100), draw.randint(2, 4)
        overrides = [
            f"seed={seed}",
            f"schedule={draw.choice(SCHEDULES)}",
            f"budget.trials={draw.randint(2, 16)}",
            f"worker.sizes=[{{when: {{net.depth: '>= {depth}'}}, processes: {processes}}}]",
        ]
        study = in_memory(study_spec(TEXT, *overrides))
        watched, workers = Watched(study), draw.randint(4, 9)
        watched.most = workers
        simulate.run(study, workers, watched.work)
        assert watched.begun == [a.number for a in watched.given], "in the order of the study"
        runs = study.history.runs()
        assert {run.state for run in runs} <= {State.COMPLETE, State.PRUNED}
        assert not watched.running
