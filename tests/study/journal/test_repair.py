"""`autotune repair`: what is whole stays, and the study goes on to its end."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from autotune.cli import main
from autotune.errors import JournalDamaged, StudyBusy, UserError
from autotune.spec import StudySpec
from autotune.study.history import History, load
from autotune.study.journal.file import lines
from autotune.study.journal.repair import repair
from autotune.study.state_machine import start
from autotune.trial import State


@pytest.fixture
def runs(spec: Callable, run_to_its_end: Callable, tmp_path: Path) -> Path:
    """With a finished study `s`."""
    run_to_its_end(spec(), tmp_path / "runs")
    return tmp_path / "runs"


def damage(runs: Path, *numbers: int) -> None:
    """NUL bytes in those lines, from 1."""
    journal = runs / "s" / "journal.log"
    content = journal.read_bytes().splitlines(keepends=True)
    for number in numbers:
        line = content[number - 1]
        content[number - 1] = line[:10] + bytes(50) + line[60:]
    journal.write_bytes(b"".join(content))


def number_of(runs: Path, *words: str) -> int:
    """Of the first line with all the words."""
    content = (runs / "s" / "journal.log").read_text().splitlines()
    return next(n for n, line in enumerate(content, 1) if all(word in line for word in words))


def trial(history: History, number: int) -> tuple[object, ...]:
    run = history.trials[number]
    return (run.state, run.value, dict(run.params), run.seed, sorted(run.reports))


def test_a_healthy_study_is_left_as_it_is(runs: Path) -> None:
    before = {p: p.read_bytes() for p in (runs / "s").iterdir() if p.is_file()}
    assert repair("s", runs) == ["the journal of study s is whole, 8 trials: nothing was changed"]
    assert {p: p.read_bytes() for p in (runs / "s").iterdir() if p.is_file()} == before


def test_a_lost_report_costs_that_report_alone(runs: Path) -> None:
    before = load("s", runs)
    lost = number_of(runs, '"trial_id":0', '"report/2"')
    damaged = (runs / "s" / "journal.log").read_bytes()
    damage(runs, lost)
    total = len(damaged.splitlines())
    assert repair("s", runs) == [
        f"kept {total - 1} of {total} records; the damaged file is "
        f"{runs / 's' / 'journal.log.damaged-1'}",
        f"line {lost} holds 50 NUL bytes",
        f"go on with: autotune resume s --runs {runs}",
    ]
    assert b"\0" * 50 in (runs / "s" / "journal.log.damaged-1").read_bytes()
    after = load("s", runs)
    assert 2 not in after.trials[0].reports and after.uid == before.uid
    assert [trial(after, n) for n in range(1, 8)] == [trial(before, n) for n in range(1, 8)]
    assert [run.label for run in after.confirms] == [run.label for run in before.confirms]
    assert all(line.checked and not line.wrong for line in lines(runs / "s" / "journal.log"))


def test_a_trial_that_lost_its_first_record_keeps_its_number_its_reports_and_its_seed(
    runs: Path,
) -> None:
    """All later records name trials by the order of first records."""
    before = load("s", runs)
    damage(runs, number_of(runs, '"trial-0003"'))
    said = repair("s", runs)
    assert "trial-0003 lost its first record: its configuration is that of trials/3.yaml" in said
    after = load("s", runs)
    assert [trial(after, n) for n in range(8)] == [trial(before, n) for n in range(8)]
    assert [(r.label, r.value) for r in after.confirms] == [
        (r.label, r.value) for r in before.confirms
    ]


def test_a_lost_outcome_lets_the_trial_go_on(
    runs: Path, spec: Callable, run_to_its_end: Callable
) -> None:
    before = load("s", runs)
    damage(runs, number_of(runs, '"trial_id":2,', '"outcome"'))
    assert "trial-0002 lost its outcome: it goes on" in repair("s", runs)
    assert load("s", runs).trials[2].state == State.WAITING
    run_to_its_end(spec(), runs)
    after = load("s", runs)
    assert [trial(after, n) for n in range(8)] == [trial(before, n) for n in range(8)]


def test_a_lost_retraining_is_begun_again(
    runs: Path, spec: Callable, run_to_its_end: Callable
) -> None:
    before = load("s", runs)
    label = before.confirms[1].label
    damage(runs, number_of(runs, f'"{label}"'))
    name = f"{before.confirms[1].trial}-{label[-2:]}"
    said = repair("s", runs)
    assert f"confirm/{name} lost its first record: it is trained again" in said
    assert label not in [run.label for run in load("s", runs).confirms]
    run_to_its_end(spec(), runs)
    after = load("s", runs)
    values = {run.label: run.value for run in before.confirms}
    assert {run.label: run.value for run in after.confirms} == values


@pytest.mark.parametrize("left", ["emptied", "gone", "NUL", "cut"])
def test_without_any_record_the_trials_are_run_again_as_their_files_say(
    runs: Path, spec: Callable, run_to_its_end: Callable, left: str
) -> None:
    before = load("s", runs)
    journal = runs / "s" / "journal.log"
    content = journal.read_bytes()
    journal.unlink()
    kept = {"emptied": b"", "NUL": bytes(500) + b"\n", "cut": content.splitlines(True)[0]}
    if left != "gone":
        journal.write_bytes(kept[left])
    said = repair("s", runs)
    assert len([line for line in said if "lost its first record" in line]) == 8 + 4 + 2
    run_to_its_end(spec(), runs)
    after = load("s", runs)
    assert after.uid == before.uid
    assert [trial(after, n) for n in range(8)] == [trial(before, n) for n in range(8)]


def test_a_journal_that_is_gone_comes_back_from_the_file_set_aside(runs: Path) -> None:
    before = load("s", runs)
    damage(runs, number_of(runs, '"trial-0003"'))
    repair("s", runs)
    (runs / "s" / "journal.log").unlink()
    assert "is there again" in repair("s", runs)[0]
    after = load("s", runs)
    assert [trial(after, n) for n in range(8)] == [trial(before, n) for n in range(8)]


def test_a_trial_without_record_and_file_ends_what_can_be_kept(
    runs: Path, spec: Callable, run_to_its_end: Callable
) -> None:
    damage(runs, number_of(runs, '"trial-0003"'))
    (runs / "s" / "trials" / "3.yaml").unlink()
    said = repair("s", runs)
    kept = runs / "s" / "journal.log.damaged-1.trials"
    assert said[-2] == f"files of trials from 3 on are in {kept}" and (kept / "7.yaml").exists()
    assert [run.trial for run in load("s", runs).trials] == [0, 1, 2]
    assert len(run_to_its_end(spec(), runs).history.trials) == 8


def test_an_old_journal_is_repaired_too(runs: Path) -> None:
    before = load("s", runs)
    journal = runs / "s" / "journal.log"
    (runs / "s" / "uid").unlink()
    journal.write_text("".join(f"{json.dumps(line.record)}\n" for line in lines(journal)))
    damage(runs, number_of(runs, '"trial-0003"'), number_of(runs, '"trial-0005"'))
    repair("s", runs)
    after = load("s", runs)
    assert after.uid == before.uid
    assert [trial(after, n) for n in range(8)] == [trial(before, n) for n in range(8)]


def test_a_journal_of_another_study_can_be_taken(runs: Path) -> None:
    before = load("s", runs)
    (runs / "s" / "uid").write_text("another")
    repair("s", runs)
    assert load("s", runs).uid == before.uid


@pytest.mark.parametrize("where", ["write", "link", "replace", "mark"])
def test_a_kill_in_a_repair_leaves_the_damaged_journal_or_the_mended_one(
    runs: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    damage(runs, number_of(runs, '"trial-0003"'))
    places = {
        "write": "autotune.study.journal.repair.write_atomically",
        "link": "autotune.study.journal.repair.os.link",
        "replace": "autotune.study.journal.repair.os.replace",
        "mark": "autotune.study.journal.repair.mark",
    }

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(places[where], killed)
        with pytest.raises(KeyboardInterrupt):
            repair("s", runs)
    if where == "mark":
        assert len(load("s", runs).trials) == 8
    else:
        with pytest.raises(JournalDamaged):
            load("s", runs)
    repair("s", runs)
    assert len(load("s", runs).trials) == 8


def test_a_study_that_runs_or_has_a_database_is_not_repaired(
    spec: Callable, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    study = start(spec(), runs)
    with pytest.raises(StudyBusy):
        repair("s", runs)
    study.close()
    start(spec("name=d", f"storage=sqlite:///{tmp_path}/d.db"), runs).close()
    with pytest.raises(UserError, match="in the database that `storage` names"):
        repair("d", runs)


def test_the_command(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage(runs, *range(20, 30))
    with pytest.raises(SystemExit) as left:
        main(["repair", "s", "--runs", str(runs)])
    said = capsys.readouterr().out
    assert left.value.code == 0 and "and 5 lines more" in said
    assert said.endswith(f"go on with: autotune resume s --runs {runs}\n")


SCHEDULES = (
    "{name: asha, grace: 1, eta: 3}",
    "{name: asha, form: promotion}",
    "{name: hyperband, form: promotion}",
    "{name: median}",
    "{name: pbt, population: 4, every: 2, quantile: 0.3}",
)


def ends_well(spec: StudySpec, runs: Path, run_to_its_end: Callable) -> None:
    repair("s", runs)
    history = run_to_its_end(spec, runs).history
    assert [run.trial for run in history.trials] == list(range(8))
    assert all(run.state.finished for run in history.runs())
    assert len(history.confirms) >= 4 and history.best()  # more where others are the best now


def struck(
    wanted: StudySpec, folder: Path, run_to_its_end: Callable, most: int | None, stride: int
) -> None:
    """Of a study, or of one killed after `most` reports: each line alone, and many at once."""
    run_to_its_end(wanted, folder / "whole", most)
    count = len((folder / "whole/s/journal.log").read_bytes().splitlines())
    cases = [(number,) for number in range(1, count + 1, stride)]
    for numbers in [*cases, tuple(range(1, count, 2)), tuple(range(2, count // 2))]:
        shutil.copytree(folder / "whole", folder / "sick")
        damage(folder / "sick", *numbers)
        ends_well(wanted, folder / "sick", run_to_its_end)
        shutil.rmtree(folder / "sick")


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_many_lines_may_be_damaged(
    spec: Callable, run_to_its_end: Callable, tmp_path: Path, schedule: str
) -> None:
    struck(spec(f"schedule={schedule}"), tmp_path, run_to_its_end, 25, 1000)


@pytest.mark.slow
@pytest.mark.parametrize("most", [13, None])
@pytest.mark.parametrize("search", ["random", "mfgp", "tpe"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_any_line_may_be_damaged(
    spec: Callable,
    run_to_its_end: Callable,
    tmp_path: Path,
    schedule: str,
    search: str,
    most: int | None,
) -> None:
    wanted = spec(f"schedule={schedule}", f"search.name={search}")
    struck(wanted, tmp_path, run_to_its_end, most, 5 if search == "random" else 29)
