"""The journal's checksums: plain Optuna reads the file, and damage is found by its line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from autotune.cli import main
from autotune.errors import JournalDamaged, StudyNotFound
from autotune.spec import dump
from autotune.study.history import load
from autotune.study.journal.checked_storage import CheckedStorage
from autotune.study.journal.file import lines
from autotune.study.state_machine import start


@pytest.fixture
def journal(spec: Callable, run_to_its_end: Callable, tmp_path: Path) -> Path:
    """Of a finished study `s` under runs."""
    run_to_its_end(spec(), tmp_path / "runs")
    return tmp_path / "runs" / "s" / "journal.log"


def values(storage: Any) -> list[Any]:
    study = optuna.load_study(study_name="s", storage=storage)
    return [(t.number, t.state, t.params, t.values, t.intermediate_values) for t in study.trials]


def test_every_record_has_one_and_plain_optuna_reads_them(journal: Path) -> None:
    assert all(line.checked and not line.wrong for line in lines(journal))
    plain = JournalStorage(JournalFileBackend(str(journal)))
    assert values(plain) == values(CheckedStorage(journal))
    states = {trial[1] for trial in values(plain)}
    assert states == {TrialState.COMPLETE, TrialState.PRUNED}


def test_what_other_programs_write_is_accepted_and_said_once(
    journal: Path, spec: Callable, run_to_its_end: Callable, tmp_path: Path
) -> None:
    runs, told = tmp_path / "runs", list[str]()
    study = optuna.load_study(
        study_name="s", storage=JournalStorage(JournalFileBackend(str(journal)))
    )
    study.set_user_attr("note", "from a dashboard")
    for _ in range(2):
        listen = [lambda event: told.append(getattr(event, "text", ""))]
        start(spec("budget.trials=9"), runs, listen).close()
    assert [text for text in told if text] == [
        f"records without a checksum in {journal}: 1. An earlier version of autotune, or another "
        "program, wrote them; their damage may go unseen"
    ]
    run_to_its_end(spec("budget.trials=9"), runs)  # ours go on behind it
    assert [line.checked for line in lines(journal)].count(False) == 1
    assert len(load("s", runs).trials) == 9


def test_a_writer_that_wrote_in_between_does_not_break_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    path.touch()
    ours, other = CheckedStorage(path), CheckedStorage(path)
    for storage, name in ((ours, "a"), (other, "b"), (ours, "c"), (other, "d")):
        storage.create_new_study([optuna.study.StudyDirection.MINIMIZE], name)
    with path.open("ab") as file:
        file.write(b'{"op_code":2,"worker_id":"x","study_id":0,"user_attr":{"k":1}}\n')
    other.set_study_user_attr(0, "k", 2)
    assert CheckedStorage(path).get_study_user_attrs(0) == {"k": 2}
    assert [line.wrong for line in lines(path)] == [""] * 6


FUNCTION = "autotune.testing.trials:learns"
TRIAL_9 = b'{"op_code":7,"worker_id":"x","trial_id":99,"step":1,"intermediate_value":1}'
DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "NUL bytes": (lambda line: line[:20] + bytes(50) + line[70:], "holds 50 NUL bytes"),
    "garbage": (lambda line: line[:9] + b"\x01}{" * 9 + line[9:], "is no JSON"),
    "no UTF-8": (lambda line: line[:5] + b"\xff\xfe" + line[7:], "is no UTF-8 text: byte 6"),
    "deep": (lambda _: b"[" * 100_000, "is nested too deeply"),
    "huge": (lambda _: b'"' + b"x" * (65 << 20) + b'"', "is longer than 64 MiB"),
    "a huge number": (lambda _: b"1" * 10_000, "is no JSON"),
    "no object": (lambda _: b"[1, 2]", "is no JSON object"),
    "empty": (lambda _: b"", "is no JSON"),
    "no operation": (lambda _: b"{}", "holds an unknown operation: null"),
    "unknown operation": (lambda _: b'{"op_code": 99}', "holds an unknown operation: 99"),
    "odd operation": (lambda _: b'{"op_code": [[4]]}', "holds an unknown operation: [[4]]"),
    "no such trial": (lambda _: TRIAL_9, "has the trial_id 99, which no line before it creates"),
    "odd trial": (lambda _: TRIAL_9.replace(b"99", b"[9]"), "has the trial_id [9]"),
    "no such study": (
        lambda _: b'{"op_code":2,"worker_id":"x","study_id":7,"user_attr":{"k":1}}',
        "has the study_id 7",
    ),
    "no parts": (lambda _: b'{"op_code":4,"worker_id":"x"}', "has the study_id null"),
    "a digit": (lambda line: line.replace(b"0", b"1", 1), "was changed after it was written"),
    "a checksum": (lambda line: line[:-18] + bytes(reversed(line[-18:-10])) + line[-10:], "was ch"),
    "the chain": (lambda line: line[:-10] + bytes(reversed(line[-10:-2])) + line[-2:], "does not"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_line_is_one_error_with_its_number_and_the_cure(
    journal: Path, spec: Callable, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, words = DAMAGE[kind]
    content = journal.read_bytes().splitlines()
    content[29] = damage(content[29])
    broken = b"\n".join(content) + b"\n"
    journal.write_bytes(broken)
    runs = journal.parents[1]
    for command in (["show", "s"], ["best", "s"], ["resume", "s", "--engine", "inline"]):
        with pytest.raises(SystemExit) as left:
            main([*command, "--runs", str(runs)])
        said = capsys.readouterr().err
        assert left.value.code == 1 and "Traceback" not in said
        assert said.startswith(f"{journal}:30 {words}") and said.count("\n") == 2, said[:300]
        assert said.endswith(f"autotune repair s --runs {runs}\n")
    assert journal.read_bytes() == broken


MOVES: dict[str, Callable[[list[bytes]], None]] = {
    "missing": lambda content: content.pop(29),  # type: ignore[dict-item,return-value]
    "moved": lambda content: content.insert(29, content.pop(31)),
    "doubled": lambda content: content.insert(29, content[28]),
    "begun anew": lambda content: content.__delitem__(slice(3, 29)),
}


@pytest.mark.parametrize("kind", MOVES)
def test_whole_lines_that_are_missing_or_moved_are_found(journal: Path, kind: str) -> None:
    content = journal.read_bytes().splitlines(keepends=True)
    MOVES[kind](content)
    journal.write_bytes(b"".join(content))
    with pytest.raises(JournalDamaged, match="does not follow the line before it"):
        load("s", journal.parents[1])


def test_a_line_of_ours_that_lost_its_checksum_is_found_by_the_next(journal: Path) -> None:
    content = journal.read_bytes().splitlines(keepends=True)
    content[29] = content[29].replace(b'"crc"', b'"crd"')
    journal.write_bytes(b"".join(content))
    with pytest.raises(JournalDamaged, match="journal.log:31 does not follow"):
        load("s", journal.parents[1])


def test_a_trial_of_another_program_is_told(journal: Path) -> None:
    plain = JournalStorage(JournalFileBackend(str(journal)))
    optuna.load_study(study_name="s", storage=plain).ask()
    with pytest.raises(JournalDamaged, match="holds a trial that no driver wrote"):
        load("s", journal.parents[1])


def test_an_old_journal_that_lost_the_line_of_a_trial_is_found(journal: Path) -> None:
    records = [line.record for line in lines(journal)]
    created = [i for i, record in enumerate(records) if record and record["op_code"] == 4]
    del records[created[3]]
    journal.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    with pytest.raises(JournalDamaged, match="damaged"):
        load("s", journal.parents[1])


@pytest.mark.parametrize("left", ["emptied", "gone", "first line", "NUL"])
def test_a_journal_that_is_gone_does_not_begin_anew(
    journal: Path, spec: Callable, left: str
) -> None:
    content = journal.read_bytes()
    journal.unlink()
    if left != "gone":
        kept = {"emptied": b"", "first line": content.splitlines(keepends=True)[0]}
        journal.write_bytes(kept.get(left, bytes(len(content))))
    for uid in (True, False):  # an old study has no uid in its folder, but trials
        if not uid:
            (journal.parent / "uid").unlink()
        for attempt in (
            lambda: start(spec(), journal.parents[1]),
            lambda: load("s", journal.parents[1]),
        ):
            with pytest.raises(JournalDamaged, match="autotune repair s"):
                attempt()
    assert journal.exists() == (left != "gone")


def test_a_journal_that_ends_before_trials_that_have_files_is_told(journal: Path) -> None:
    content = journal.read_bytes().splitlines(keepends=True)
    created = [i for i, line in enumerate(content) if b'"op_code":4' in line]
    journal.write_bytes(b"".join(content[: created[5]]))
    with pytest.raises(JournalDamaged, match="ends before trial 7 begins"):
        load("s", journal.parents[1])


def test_a_journal_of_another_study_is_told(journal: Path) -> None:
    (journal.parent / "uid").write_text("another")
    with pytest.raises(JournalDamaged, match="is another study's"):
        load("s", journal.parents[1])


@pytest.mark.parametrize("begun", range(4))
def test_a_study_killed_before_its_first_record_begins(
    journal: Path, spec: Callable, run_to_its_end: Callable, tmp_path: Path, begun: int
) -> None:
    first = journal.read_bytes().splitlines(keepends=True)[:begun]
    folder = tmp_path / "killed" / "s"
    folder.mkdir(parents=True)
    (folder / "study.yaml").write_bytes((journal.parent / "study.yaml").read_bytes())
    for present in (False, True):
        if present:
            (folder / "journal.log").write_bytes(b"".join(first))
        if not present or begun < 3:
            with pytest.raises(StudyNotFound):
                load("s", tmp_path / "killed")
    run_to_its_end(spec(), tmp_path / "killed")
    assert len(load("s", tmp_path / "killed").trials) == 8
    assert (folder / "uid").read_text() == load("s", tmp_path / "killed").uid


def test_a_journal_cut_while_the_study_runs_is_not_written_on(
    spec: Callable, tmp_path: Path
) -> None:
    study = start(spec(), tmp_path / "runs")
    study.next()
    journal = tmp_path / "runs" / "s" / "journal.log"
    content = journal.read_bytes()
    journal.write_bytes(content.splitlines(keepends=True)[0])
    study.slots = 2
    with pytest.raises(JournalDamaged, match="lost its end"):
        study.next()
    journal.unlink()
    with pytest.raises(JournalDamaged):
        study.next()
    assert not journal.exists()


def test_a_sick_study_hides_no_other(
    journal: Path, spec: Callable, run_to_its_end: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = journal.parents[1]
    run_to_its_end(spec("name=well"), runs)
    journal.write_bytes(journal.read_bytes().replace(b"trial-0003", b"trial-0\0\0\0"))
    for options in ([], ["--json"]):
        with pytest.raises(SystemExit) as left:
            main(["list", "--runs", str(runs), *options])
        said = capsys.readouterr().out
        assert left.value.code == 0 and "autotune repair s" in said
    states = {line["study"]: line["state"] for line in json.loads(said)}
    assert states == {"s": "damaged", "well": "finished"}


@pytest.mark.parametrize(("source", "code"), [("well", 0), ("s", 1)])
def test_a_warm_start_needs_its_own_sources_whole_and_no_others(
    journal: Path,
    spec: Callable,
    run_to_its_end: Callable,
    capsys: pytest.CaptureFixture[str],
    source: str,
    code: int,
) -> None:
    runs = journal.parents[1]
    run_to_its_end(spec("name=well"), runs)
    journal.write_bytes(journal.read_bytes().replace(b"trial-0003", b"trial-0\0\0\0"))
    new = dump(spec("name=new", f"search={{name: tpe, warm_start: [{source}]}}"))
    (runs.parent / "new.yaml").write_text(new.replace("tests.nowhere:run", FUNCTION))
    with pytest.raises(SystemExit) as left:
        main(["check", str(runs.parent / "new.yaml"), "--runs", str(runs)])
    assert left.value.code == code
    said = capsys.readouterr()
    assert ("journal.log" in said.err) == (source == "s"), said
