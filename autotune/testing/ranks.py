"""What every engine that runs trials of several processes must do."""

import os
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autotune.testing.engine import ScriptedStudy, assign, go_to_end, is_alive
from autotune.trial import Assignment, Decision, Failure, Reason, Report, Share

__all__ = ["RanksContract", "all_end", "assign_ranks", "met", "with_ranks"]

Run = Callable[[Any], None]


def assign_ranks(
    trial: int, folder: Path, function: str, to_step: int | None = 3, **config: Any
) -> Assignment:
    """Work in two processes for `function` of autotune.testing.rank_trials."""
    reference = f"autotune.testing.rank_trials:{function}"
    alone = assign(trial, folder, function, to_step, **config)
    return replace(
        alone,
        config={**alone.config, "function": reference},
        share=Share(cpus=0.5, processes=2),
        collective_timeout=60.0,
    )


def with_ranks(queue: list[Assignment], **about: Any) -> ScriptedStudy:
    return ScriptedStudy(queue, worker={"cpus": 0.5, "gpus": 0, "max": 1}, **about)


def met(folder: Path, trial: int, ranks: int = 2) -> list[dict[str, str]]:
    """What `meets` has written down, rank by rank."""
    names = ["rank", "local_rank", "world", "local_world", "node", "port", "pid", "devices"]
    names += ["began", "ended"]
    files = [folder / str(trial) / f"rank-{rank}" for rank in range(ranks)]
    return [dict(zip(names, file.read_text().split(" "), strict=True)) for file in files]


def all_end(pids: list[int]) -> None:
    limit = time.monotonic() + 20
    while any(map(is_alive, pids)):
        assert time.monotonic() < limit, "an orphan"
        time.sleep(0.05)


class RanksContract:
    """Subclass it with a fixture `run`: Callable[[Study], None]."""

    def test_each_process_has_its_place_and_stays(self, run: Run, tmp_path: Path) -> None:
        """For the next trial, which has a process group and a port of its own."""
        study = with_ranks([assign_ranks(n, tmp_path, "meets", 1) for n in range(3)])
        run(study)
        assert study.values() == {n: [(1, {"loss": 2.0})] for n in range(3)}
        assert sorted(study.ended) == [(n, None) for n in range(3)]
        found = [met(tmp_path, n) for n in range(3)]
        for trial in found:
            assert [rank["rank"] for rank in trial] == ["0", "1"]
            assert [rank["local_rank"] for rank in trial] == ["0", "1"]
            assert {rank["world"] + rank["local_world"] for rank in trial} == {"22"}
            assert len({rank["port"] for rank in trial}) == 1
        assert len({rank["pid"] for trial in found for rank in trial}) == 2
        assert len({trial[0]["port"] for trial in found}) == 3
        assert "RANK" not in os.environ

    @pytest.mark.slow
    def test_data_parallel_equals_one_process(self, run: Run, tmp_path: Path) -> None:
        both = assign_ranks(0, tmp_path, "trains", 4)
        alone = replace(both, number=1, trial=1, seed=0, share=Share(cpus=0.5))
        study = with_ranks([both])
        run(study)
        one = with_ranks([replace(alone, folder=str(tmp_path / "1"))])
        run(one)
        assert not study.failures() and not one.failures()
        curve = [metrics["loss"] for _, metrics in one.values()[1]]
        assert [m["loss"] for _, m in study.values()[0]] == pytest.approx(curve, rel=1e-6)

    def test_a_stop_reaches_all_at_the_same_step(self, run: Run, tmp_path: Path) -> None:
        """Also those that do not report. None of them is ended for it."""

        def decide(assignment: Assignment, report: Report) -> Decision:
            stop = report.step == 3 and assignment.trial in (0, 2)
            return Decision.STOP if stop else go_to_end(assignment, report)

        queue = [
            assign_ranks(0, tmp_path, "stops_together", None),
            assign_ranks(1, tmp_path, "meets", 1),
            assign_ranks(2, tmp_path, "reports_from_one", 9),
            assign_ranks(3, tmp_path, "meets", 1),
        ]
        study = with_ranks(queue, decide=decide)
        run(study)
        assert sorted(study.ended) == [(n, None) for n in range(4)]
        assert [len(study.values()[n]) for n in (0, 2)] == [3, 3]
        notes = [(tmp_path / "0" / f"stopped-{rank}").read_text() for rank in range(2)]
        assert notes == ["3", "3"]
        assert [r["pid"] for r in met(tmp_path, 1)] == [r["pid"] for r in met(tmp_path, 3)]

    @pytest.mark.slow
    def test_the_reason_is_that_of_the_first_that_failed(self, run: Run, tmp_path: Path) -> None:
        """And not that its peers have lost it."""
        ways = {"memory": 1, "leaving": 1}
        queue = [
            assign_ranks(n, tmp_path, "fails_in_one", rank=rank, by=by)
            for n, (by, rank) in enumerate(ways.items())
        ]
        study = with_ranks(queue)
        run(study)
        found = [study.failures()[n] for n in range(2)]
        assert [failure.reason for failure in found] == [Reason.OOM, Reason.EXCEPTION]
        memory, leaving = (failure.message for failure in found)
        assert re.fullmatch(r"MemoryError \(.*:\d+\) \(in rank 1 of 2\)", memory)
        assert leaving.startswith("rank 1 of 2 did not take part in a collective of its peers: ")

    @pytest.mark.slow
    def test_one_that_dies_or_hangs_costs_one_attempt(self, run: Run, tmp_path: Path) -> None:
        """Of the whole trial, which goes on from its checkpoint in new processes."""
        about: dict[str, Any] = {"epoch": 2}
        dying = assign_ranks(0, tmp_path, "counts_together", 4, then="dies", **about)
        hanging = assign_ranks(1, tmp_path, "counts_together", 4, then="hangs", **about)
        study = with_ranks([dying, replace(hanging, collective_timeout=3.0)], attempts=2)
        run(study)
        curve = [(step, {"total": total}) for step, total in enumerate((1, 3, 6, 10), 1)]
        assert study.values() == {0: curve, 1: curve}
        lost = [(trial, failure) for trial, failure in study.ended if failure]
        assert lost[0] == (0, Failure(Reason.LOST, lost[0][1].message))
        assert lost[0][1].message.startswith("rank 1 of 2 died")
        assert lost[1][0] == 1 and lost[1][1].reason is Reason.LOST
        said = "rank 1 of 2 hangs: its peers waited for it in a collective"
        assert lost[1][1].message.startswith(f"{said} (worker.collective_timeout): ")
        assert len(study.ended) == 4
        ended = [int((tmp_path / str(n) / "happened-1").read_text()) for n in range(2)]
        all_end(ended)

    @pytest.mark.slow
    def test_a_trial_that_is_silent_is_ended_with_all_ranks(self, run: Run, tmp_path: Path) -> None:
        silent = replace(assign_ranks(0, tmp_path, "hangs_all"), silence=2.0)
        study = with_ranks([silent])
        run(study)
        said = "no report for 2s, before its first report (worker.silence)"
        assert study.ended == [(0, Failure(Reason.TIMEOUT, said))]
        all_end([int((tmp_path / "0" / f"pid-{rank}").read_text()) for rank in range(2)])
