"""The journal: what is written is read back, whatever was cut off behind it."""

import multiprocessing
import time
from pathlib import Path

import pytest

from autotune.address import Address
from autotune.errors import StudyNotFound, UserError
from autotune.files import FileLock, write_atomically
from autotune.search.distributions import distribution
from autotune.space import Categorical, Float
from autotune.study.journal.journal import Journal, Run, open_storage
from autotune.trial import Goal, Purpose, Report, State

PARAMETERS = {"lr": Float(low=0.0, high=1.0), "kind": Categorical(choices=(None, "a", True))}
STAMP = {"at": 5.0, "elapsed": 1.0, "worker": "w", "assignment": 0}


def journal_in(folder: Path) -> Journal:
    return Journal(open_storage(None, folder), "s", [Goal.MAXIMIZE])


def begin(journal: Journal, number: int, purpose: Purpose = Purpose.SEARCH) -> Run:
    about = {"label": f"trial-{number:04d}", "purpose": purpose, "trial": number}
    params = {"lr": 0.5, "kind": None if number == 0 else True}
    distributions = {name: distribution(p) for name, p in PARAMETERS.items()}
    assignment = (number, {"why": "start", "from": 0})
    return journal.begin({**about, "seed": 1, "at": 4.0}, params, distributions, assignment)


def write_two_trials(journal: Journal) -> None:
    for number in range(2):
        run = begin(journal, number)
        for step in (1, 2):
            value = number + step / 10
            journal.report(run, Report(step, {"acc": value, "loss": 0.1}, 0.25), value, STAMP)
        journal.finish(run, State.COMPLETE, number + 0.2, STAMP)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    write_two_trials(journal)
    confirm = begin(journal, 1, Purpose.CONFIRM)
    again = journal_in(tmp_path)
    assert again.uid == journal.uid
    first, second, retraining = again.runs()
    assert [first.trial, second.trial] == [0, 1]
    assert first.params == {"lr": 0.5, "kind": None} and second.params["kind"] is True
    assert second.reports[2] == Report(2, {"acc": 1.2, "loss": 0.1}, 0.25)
    assert (second.state, second.value, second.seconds) == (State.COMPLETE, 1.2, 0.5)
    assert retraining.purpose == Purpose.CONFIRM and retraining.label == confirm.label


def test_a_journal_cut_at_any_byte_is_a_whole_prefix_and_can_be_written_on(tmp_path: Path) -> None:
    write_two_trials(journal_in(tmp_path / "whole"))
    content = (tmp_path / "whole" / "journal.log").read_bytes()
    lines = content.splitlines(keepends=True)
    start = len(content) - sum(map(len, lines[-2:]))
    for cut in range(start, len(content)):
        folder = tmp_path / "cut"
        write_atomically(folder / "journal.log", content[:cut])
        journal = journal_in(folder)
        runs = journal.runs()
        assert len(runs) == 2 and sorted(runs[1].reports) == [1, 2], cut
        journal.repair(runs[1], "acc")
        if not runs[1].state.finished:
            journal.finish(runs[1], State.COMPLETE, 1.2, STAMP)
        begin(journal, 2)
        begin(journal, 3)
        states = [(run.trial, run.state) for run in journal_in(folder).runs()]
        done, running = State.COMPLETE, State.RUNNING
        assert states == [(0, done), (1, done), (2, running), (3, running)], cut


def test_repair_completes_a_report_cut_in_two(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    run = begin(journal, 0)
    journal.report(run, Report(1, {"acc": 0.5}), 0.5, STAMP)
    log = tmp_path / "journal.log"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-1]))
    journal = journal_in(tmp_path)
    (run,) = journal.runs()
    journal.repair(run, "acc")
    storage = open_storage(None, tmp_path)
    assert storage.get_trial(run.id).intermediate_values == {1: 0.5}


def test_repair_completes_an_outcome_and_does_not_write_it_twice(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    journal.finish(begin(journal, 0), State.COMPLETE, 0.5, STAMP)
    log = tmp_path / "journal.log"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-1]))
    journal = journal_in(tmp_path)
    (run,) = journal.runs()
    journal.repair(run, "acc")
    trial = open_storage(None, tmp_path).get_trial(run.id)
    assert trial.state.is_finished() and trial.value == 0.5
    assert log.read_text().count('"outcome"') == 1


def _hold(path: Path, seconds: float) -> None:
    lock = FileLock(path)
    lock.acquire()
    lock.note("here")
    time.sleep(seconds)


def test_a_lock_dies_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    process = multiprocessing.get_context("spawn").Process(target=_hold, args=(path, 60))
    process.start()
    lock = FileLock(path)
    while lock.holder != "here":
        time.sleep(0.02)
    assert not lock.acquire(blocking=False)
    process.kill()
    process.join()
    assert lock.acquire(blocking=False)
    lock.release()


def test_missing_journal_and_unusable_database_are_the_users_to_mend(tmp_path: Path) -> None:
    with pytest.raises(StudyNotFound, match="never started"):
        open_storage(None, tmp_path, create=False)
    with pytest.raises(UserError, match="cannot be opened"):
        open_storage(Address("nonsense://x"), tmp_path)


def test_a_database_keeps_the_same_records(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    write_two_trials(Journal(open_storage(Address(url), tmp_path), "s", [Goal.MAXIMIZE]))
    runs = Journal(open_storage(Address(url), tmp_path), "s", [Goal.MAXIMIZE]).runs()
    assert [(run.trial, run.value) for run in runs] == [(0, 0.2), (1, 1.2)]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")
    with pytest.raises(TypeError):
        write_atomically(path, 3)  # type: ignore[arg-type]
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
