"""How the processes of a trial are led, tried with processes that answer as they are told to; and
their places."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from autotune.engine.ranks import group
from autotune.engine.ranks.group import lead
from autotune.engine.ranks.rank import Answer, Lost, reserved_port
from autotune.engine.worker.distributed_env import places
from autotune.testing.ranks import assign_ranks
from autotune.trial import Assignment, Failure, Fault, Reason, Reply, Report, Share


class Scripted:
    """Each rank answers `next` from its list, and nothing at its end: it hangs."""

    def __init__(self, *answers: list[Answer]) -> None:
        self.scripts = [deque(script) for script in answers]
        self.asked: list[tuple[int, str]] = []
        self.due: list[tuple[int, Answer]] = []
        self.ended = False

    def begin(self, assignment: Assignment) -> None:
        assert len(self.scripts) == assignment.share.processes

    def ask(self, rank: int, what: str) -> None:
        assert rank not in [other for other, _ in self.due], "one thing at a time"
        self.asked.append((rank, what))
        if what == "close":
            self.due.append((rank, None))
        elif self.scripts[rank]:
            self.due.append((rank, self.scripts[rank].popleft()))

    def answers(self, timeout: float) -> Iterable[tuple[int, Answer]]:
        due, self.due = self.due, []
        time.sleep(0 if due else 0.01)
        return due

    def end(self) -> None:
        self.ended = True


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("_SETTLE", "_UNWIND", "_RELENT"):
        monkeypatch.setattr(group, name, 0.2)
    yield


def step(number: int) -> Report:
    return Report(number, {"loss": 1.0})


def told(ranks: Scripted, patience: float = 60.0) -> list[Reply]:
    assignment = assign_ranks(0, Path("nowhere"), "meets")
    share = Share(processes=len(ranks.scripts))
    about = {"share": share, "collective_timeout": patience}
    fields = {name: getattr(assignment, name) for name in assignment.__slots__}
    return list(lead(Assignment(**{**fields, **about}), ranks))


GLOO = Failure(Reason.EXCEPTION, "RuntimeError: [gloo/pair.cc] Connection closed by peer")


def test_all_go_on_together_and_close_in_order() -> None:
    ranks = Scripted([step(1), step(2), None], [step(1), step(2), None])
    assert told(ranks) == [step(1), step(2)]
    assert not ranks.ended
    assert ranks.asked[-2:] == [(0, "close"), (1, "close")]


def test_a_rank_ahead_waits_for_the_decision() -> None:
    ranks = Scripted([step(1), step(2), None], [step(2), None])
    replies = lead(assign_ranks(0, Path("nowhere"), "meets"), ranks)
    assert next(replies) == step(1)
    assert ranks.asked.count((1, "next")) == 1
    assert next(replies) == step(2)
    assert ranks.asked.count((1, "next")) == 1
    assert list(replies) == [] and ranks.asked.count((1, "next")) == 2


def test_a_rank_behind_stops_at_the_step_of_rank_0() -> None:
    ranks = Scripted([step(1), step(2), step(3)], [step(1), step(2), step(3), step(4)])
    replies = lead(assign_ranks(0, Path("nowhere"), "meets"), ranks)
    for _ in range(3):
        next(replies)
    replies.close()
    assert not ranks.ended and list(ranks.scripts[1]) == [step(4)]
    assert {(0, "close"), (1, "close")} <= set(ranks.asked)


def test_one_that_cannot_be_told_is_ended() -> None:
    ranks = Scripted([step(1)], [])
    replies = lead(assign_ranks(0, Path("nowhere"), "meets"), ranks)
    next(replies)
    replies.close()
    assert ranks.ended


@pytest.mark.parametrize(
    ("first", "second", "ending"),
    [
        (GLOO, Failure(Reason.OOM, "no memory"), Failure(Reason.OOM, "no memory (in rank 1 of 2)")),
        (GLOO, Lost("SIGKILL"), Failure(Reason.LOST, "rank 1 of 2 died (SIGKILL)")),
        (Lost("SIGSEGV"), GLOO, Failure(Reason.LOST, "rank 0 of 2 died (SIGSEGV)")),
        (GLOO, Fault("No space left"), Fault("No space left")),
        (Failure(Reason.NAN, "loss is nan"), GLOO, Failure(Reason.NAN, "loss is nan")),
    ],
)
def test_the_cause_is_told_and_not_its_consequence(
    first: Answer, second: Answer, ending: Reply
) -> None:
    ranks = Scripted([step(1), first], [step(1), second])
    assert told(ranks) == [step(1), ending]
    assert ranks.ended


def test_what_none_of_them_explains() -> None:
    hangs, leaves, both = Scripted([GLOO], []), Scripted([GLOO], [None]), Scripted([GLOO], [GLOO])
    ((a,), (b,), (c,)) = told(hangs), told(leaves), told(both)
    assert isinstance(a, Failure) and isinstance(b, Failure) and isinstance(c, Failure)
    assert [f.reason for f in (a, b, c)] == [Reason.LOST, Reason.EXCEPTION, Reason.LOST]
    assert a.message.startswith("rank 1 of 2 hangs: its peers waited for it in a collective")
    assert b.message.startswith("rank 1 of 2 did not take part in a collective of its peers: ")
    assert c.message.startswith("its processes lost one another: ")


def test_who_never_comes_to_the_step_of_its_peers_is_lost() -> None:
    ((late,), (endless,)) = told(Scripted([], [step(1)]), 0.01), told(Scripted([None], []), 0.01)
    rule = "within 0.01s of its peers (worker.collective_timeout)"
    assert late == Failure(Reason.LOST, f"rank 0 of 2 did not reach step 1 {rule}")
    assert endless == Failure(Reason.LOST, f"rank 1 of 2 did not end {rule}")


def test_places_are_counted_by_machine() -> None:
    found = places(["a", "a", "b"], "head.example", 5000)
    assert [(p.rank, p.local_rank, p.local_world_size, p.node) for p in found] == [
        (0, 0, 2, 0),
        (1, 1, 2, 0),
        (2, 0, 1, 1),
    ]
    variables = found[1].environment()
    assert variables["WORLD_SIZE"] == "3" and variables["MASTER_PORT"] == "5000"
    assert variables["MASTER_ADDR"] == "head.example" and variables["LOCAL_RANK"] == "1"


def test_a_reserved_port_is_for_one_that_asks_for_it() -> None:
    import torch.distributed as distributed

    with reserved_port() as held, reserved_port() as other:
        port = held.getsockname()[1]
        assert port != other.getsockname()[1]
        store = distributed.TCPStore("127.0.0.1", port, 1, True, multi_tenant=True)
        store.set("key", "value")
        assert store.get("key") == b"value"
