"""Commands from one end to the other, in this process."""

import errno
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from autotune.files import FileLock

TRIAL_KEYS = ["number", "state", "reason", "value", "steps", "seconds", "params"]


def test_run_says_what_it_runs_and_ends_with_the_winner(autotune: Callable, small: Path) -> None:
    said = autotune("run", small, "--engine", "inline")
    lines = said.out.splitlines()
    assert said.code == 0 and said.err == ""
    assert lines[0] == (
        "small: 3 trials; 2 parameters; sampler random, scheduler none (auto), 1 CPU a trial"
    )
    assert lines[1] == "starting training ..."
    assert len([line for line in lines if line.startswith("trial ")]) == 3
    assert len([line for line in lines if line.startswith("retrained trial ")]) == 2
    assert lines[-1] == "export it: autotune export small -o best/"


def test_run_again_says_it_is_finished_or_goes_on(autotune: Callable, small: Path) -> None:
    autotune("run", small, "--engine", "inline")
    again = autotune("run", small, "--engine", "inline")
    assert again.code == 0
    assert "finished: all 3 trials were run before" in again.out
    assert "starting" not in again.out and "trial    0" not in again.out
    more = autotune("run", small, "--engine", "inline", "--set", "budget.trials=4")
    assert "trial    3" in more.out and "trial    0" not in more.out


def test_run_refuses_a_changed_study(autotune: Callable, small: Path) -> None:
    autotune("run", small, "--engine", "inline")
    before = (small.parent / "runs" / "small" / "journal.log").read_bytes()
    said = autotune("run", small, "--engine", "inline", "--set", "seed=4")
    assert said.code == 2
    assert "seed was 0, now is 4" in said.err and "autotune delete small" in said.err
    assert (small.parent / "runs" / "small" / "journal.log").read_bytes() == before


def test_a_second_driver_is_refused(autotune: Callable, small: Path) -> None:
    lock = FileLock(small.parent / "runs" / "small" / "driver.lock")
    assert lock.acquire(blocking=False)
    lock.note("4711")
    said = autotune("run", small, "--engine", "inline")
    lock.release()
    assert said.code == 2 and "run by process 4711" in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "quikstart"], "did you mean 'quickstart'?"),
        (["run", "quickstart", "--engine", "rai"], "'ray', 'inline'"),
        (["run", "quickstart", "--set", "budget.trails=3"], "did you mean 'trials'?"),
        (["check", "quickstart", "--set", "budget.trials=0"], "budget.trials"),
        (["show", "small"], "autotune run STUDY.yaml"),
        (["best", "small"], "autotune run STUDY.yaml"),
        (["resume", "small"], "autotune run STUDY.yaml"),
        (["export", "small", "-o", "x"], "autotune run STUDY.yaml"),
        (["delete", "small"], "autotune run STUDY.yaml"),
        (["ui", "small"], "autotune run STUDY.yaml"),
        (["sync", "small"], "autotune run STUDY.yaml"),
        (["train", "nowhere.yaml"], "nowhere.yaml"),
        (["export", "small"], "--out"),
        (["shwo"], "shwo"),
        (["show"], "there is no study under runs/ yet"),
        (["best"], "there is no study under runs/ yet"),
        (["explain", "budgt.time"], "did you mean 'budget'?"),
    ],
)
def test_what_a_user_can_mend_ends_with_2(
    autotune: Callable, tmp_path: Path, arguments: list[str], words: str
) -> None:
    said = autotune(*arguments)
    assert said.code == 2 and words in said.err and said.out == ""
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_cannot_be_written_is_a_message(autotune: Callable, small: Path) -> None:
    (small.parent / "runs").write_text("a file where the folder should be")
    said = autotune("run", small, "--engine", "inline")
    assert said.code == 1
    assert said.err.count("\n") == 1 and "runs" in said.err


def test_a_full_disk_is_a_message(
    autotune: Callable, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "runs/small/study.yaml")

    monkeypatch.setattr("autotune.study.workspace.write_atomically", full)
    said = autotune("run", small, "--engine", "inline")
    assert said.code == 1 and said.err == (
        "stopped: No space left on device: 'runs/small/study.yaml'; once fixed, run it again\n"
    )


def test_show_as_json_is_what_the_issue_promises(autotune: Callable, runs: Path) -> None:
    said = json.loads(autotune("show", "small", "--runs", runs, "--json").out)
    assert set(said) >= {"study", "spec", "trials", "confirmations"}
    assert said["spec"]["objective"]["metric"] == "val_accuracy"
    assert [list(trial) for trial in said["trials"]] == [TRIAL_KEYS] * 3
    assert [trial["number"] for trial in said["trials"]] == [0, 1, 2]
    assert {(trial["state"], trial["steps"]) for trial in said["trials"]} == {("complete", 2)}
    keys = [list(confirmation) for confirmation in said["confirmations"]]
    assert keys == [["trial", "seed", "value", "test", "purpose", "state"]] * 2
    assert all(confirmation["test"] > 0 for confirmation in said["confirmations"])


def test_one_trial_as_json(autotune: Callable, runs: Path) -> None:
    said = json.loads(autotune("show", "small", "1", "--runs", runs, "--json").out)
    assert said["number"] == 1 and list(said["reports"]) == ["1", "2"]
    assert said["config"]["epochs"] == 2 and said["config"]["seed"] == said["seed"]


def test_best_as_json_and_as_text_agree(autotune: Callable, runs: Path) -> None:
    said = json.loads(autotune("best", "small", "--runs", runs, "--json").out)
    keys = {"study", "trial", "value", "mean", "std", "seeds", "test", "config"}
    assert keys <= set(said) and len(said["seeds"]) == 2
    assert (
        f"{said['mean']:.4f} ± {said['std']:.4f}" in autotune("best", "small", "--runs", runs).out
    )


def test_list_tells_every_study_also_one_that_cannot_be_read(
    autotune: Callable, runs: Path, tmp_path: Path
) -> None:
    assert "no study" in autotune("list").out
    assert autotune("list", "--json").out.strip() == "[]"
    (tmp_path / "runs" / "torn").mkdir(parents=True)
    (tmp_path / "runs" / "torn" / "study.yaml").write_text("name: [")
    (tmp_path / "runs" / "small").symlink_to(runs / "small")
    said = json.loads(autotune("list", "--json").out)
    assert [(line["study"], line["state"]) for line in said] == [
        ("small", "finished"),
        ("torn", "unreadable"),
    ]
    assert "torn" in autotune("list").out


def test_a_table_in_a_pipe_is_as_wide_as_it_is(autotune: Callable, runs: Path) -> None:
    lines = autotune("show", "small", "--runs", runs).out.splitlines()
    assert len([line for line in lines if "width " in line and "lr " in line]) == 3
    assert [line for line in lines if line != line.rstrip()] == []


def test_a_trial_that_is_not_there(autotune: Callable, runs: Path) -> None:
    said = autotune("show", "small", "7", "--runs", runs)
    assert said.code == 2 and "trials 0 to 2" in said.err


def test_init_copies_a_study_that_checks_and_overwrites_nothing(autotune: Callable) -> None:
    assert autotune("init", "mine").code == 0
    said = autotune("check", "mine/studies/quickstart.yaml")
    assert said.code == 0 and said.out.startswith("OK: quickstart: 60 trials")
    assert autotune("init", "mine").code == 2


def test_schema_is_json(autotune: Callable) -> None:
    assert "budget" in json.loads(autotune("schema").out)["properties"]


def test_delete_asks_first(
    autotune: Callable, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(runs, tmp_path / "runs")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert autotune("delete", "small").code == 1
    assert (tmp_path / "runs" / "small").exists()
    assert autotune("delete", "small", "--yes").code == 0
    assert not (tmp_path / "runs" / "small").exists()


def test_train_reruns_a_trial_to_its_score(autotune: Callable, runs: Path, tmp_path: Path) -> None:
    shown = json.loads(autotune("show", "small", "0", "--runs", runs, "--json").out)
    said = autotune("train", runs / "small" / "trials" / "0.yaml", "-o", "weights")
    assert said.code == 0
    score = next(line for line in said.out.splitlines() if line.startswith("val_accuracy "))
    assert float(score.split()[1]) == pytest.approx(shown["value"], abs=1e-9)
    assert (tmp_path / "weights" / "best.safetensors").exists()


def test_train_tells_steps_where_an_epoch_has_several(autotune: Callable, small: Path) -> None:
    """A whole training, and a study's trial stopped within its first epoch."""
    config = "data: {name: digits}\nmodel: {name: mlp}\nepochs: 2\nreports_per_epoch: 3\n"
    Path("mine.yaml").write_text(config)
    said = autotune("train", "mine.yaml")
    lines = said.out.splitlines()
    assert said.code == 0 and lines[0].startswith("step 1/6  ") and "(step " in lines[-1]
    said = autotune("run", small, "--engine", "inline", "--set", "trial.reports_per_epoch=3")
    assert said.code == 0 and " at step " in said.out and "epoch" not in said.out
    said = autotune("run", small, "--engine", "inline", "--set", "trial.reports_per_epoch=2")
    assert said.code == 2 and "trial.reports_per_epoch was 3, now is 2" in said.err


FUNCTION = """
def run(config, trial):
    for epoch in (1, 2, 3):
        trial.report(epoch, loss=config["x"] / epoch)
"""


@pytest.mark.parametrize("monitor", ["", "monitor: {metric: loss, goal: minimize, at: best}\n"])
def test_train_runs_a_function_of_the_users_own(
    autotune: Callable, tmp_path: Path, monitor: str
) -> None:
    (tmp_path / "mine_alone.py").write_text(FUNCTION)
    (tmp_path / "mine.yaml").write_text(f"function: mine_alone:run\nx: 3.0\n{monitor}")
    said = autotune("train", "mine.yaml")
    assert said.code == 0 and "epoch 3" in said.out
    assert ("loss 1 (epoch 3)" in said.out) == bool(monitor)


def test_train_names_a_metric_that_is_not_reported(autotune: Callable, tmp_path: Path) -> None:
    (tmp_path / "mine_other.py").write_text(FUNCTION)
    text = "function: mine_other:run\nx: 3.0\nmonitor: {metric: los, goal: minimize, at: best}\n"
    (tmp_path / "mine.yaml").write_text(text)
    said = autotune("train", "mine.yaml")
    assert said.code == 2 and "did you mean 'loss'?" in said.err


def test_check_says_what_a_warm_start_uses(autotune: Callable, small: Path, runs: Path) -> None:
    text = small.read_text().replace("name: small", "name: more")
    small.write_text(text.replace("{name: random}", "{name: tpe, warm_start: [small]}"))
    said = autotune("check", small, "--runs", runs)
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[-1] == "note: warm start: 3 of 3 trials of study 'small'"
    narrow = autotune("check", small, "--runs", runs, "--set", "space.model.width.low=31")
    assert narrow.code in (0, 2) and "is not a whole number from 31 to 32" in (
        narrow.out + narrow.err
    )
    lost = autotune("check", small)
    assert lost.code == 2
    assert "small.yaml:11: warm_start: no study 'small' under runs/" in lost.err
    assert autotune("run", small, "--engine", "inline").code == 2
    assert not Path("runs").exists()


TABLE = """
name: table
objective: {metric: val_accuracy, goal: maximize}
trial:
  data: {name: table, path: rows.csv, target: label}
  model: {name: mlp, depth: 1, width: 4}
  epochs: 1
space:
  - optimizer.lr: {type: float, low: 1e-3, high: 1e-1, log: true}
search: {name: random}
budget: {trials: 2}
confirm: {top: 0}
tracking: {uri: none}
"""


def test_run_refuses_what_is_not_there_before_anything_starts(
    autotune: Callable, tmp_path: Path
) -> None:
    """A finished study needs none of it any more; one that goes on does."""
    study, rows = tmp_path / "table.yaml", tmp_path / "rows.csv"
    study.write_text(TABLE)
    rows.write_text("a,b,label\n" + "".join(f"{n},{n % 5},{'xy'[n % 2]}\n" for n in range(40)))
    for command in (["check"], ["run"], ["run", "--engine", "inline"]):
        said = autotune(*command, study, "--set", "trial.data.target=lable")
        assert said.code == 2 and said.out == ""
        assert said.err.count("\n") == 1 and "did you mean 'label'?" in said.err
    assert not (tmp_path / "runs").exists()
    assert autotune("run", study, "--engine", "inline").code == 0
    rows.rename(tmp_path / "rwos.csv")
    again = autotune("run", study, "--engine", "inline")
    assert again.code == 0 and "finished: all 2 trials were run before" in again.out
    for command in (["check", study], ["run", study, "--set", "budget.trials=3"]):
        said = autotune(*command)
        assert said.code == 2
        assert said.err.startswith("table.yaml:5: `trial.data.path`: there is no file 'rows.csv'")
        assert "did you mean 'rwos.csv'?" in said.err


def test_check_notes_what_a_cluster_may_have(autotune: Callable, tmp_path: Path) -> None:
    (tmp_path / "table.yaml").write_text(TABLE)
    said = autotune("check", "table.yaml", "--address", "head:6379", "--set", "worker.gpus=99")
    assert said.code == 0 and "note: on this machine (the cluster's may differ): " in said.out


def test_logs_prints_what_a_function_printed(autotune: Callable, tmp_path: Path) -> None:
    (tmp_path / "mine_logs.py").write_text(
        "def run(config, trial):\n"
        "    print('lr', config['lr'], 'epochs' in config)\n"
        "    if config['lr'] > 2:\n        raise ValueError('too large')\n"
        "    return {'loss': config['lr']}\n"
    )
    (tmp_path / "study.yaml").write_text(
        "name: said\nobjective: {metric: loss, goal: minimize}\n"
        "trial: {function: 'mine_logs:run'}\n"
        "space: {lr: {type: categorical, choices: [1, 3]}}\n"
        "search: {name: grid}\nbudget: {trials: 2}\nconfirm: {top: 1, seeds: 1}\n"
        "tracking: {uri: none}\n"
    )
    assert autotune("run", "study.yaml", "--engine", "inline").code == 0
    said = [autotune("logs", "said", str(number)) for number in range(2)]
    whole, failed = sorted(said, key=lambda each: len(each.out))
    assert whole.out == "lr 1 False\n"
    assert "note: confirm-000" in whole.err and "-s1 has a log of its own" in whole.err
    assert failed.out.startswith("lr 3 False\n--- failed at ")
    assert failed.out.endswith("ValueError: too large\n")
    assert (
        autotune("logs", "said", "7").err == "study 'said' has no trial 7; it has trials 0 to 1\n"
    )


def test_the_only_study_needs_no_name(autotune: Callable, runs: Path) -> None:
    assert autotune("best", "--runs", runs).out == autotune("best", "small", "--runs", runs).out
    assert autotune("show", "1", "--runs", runs).out.startswith("trial 1 of study small")
    shown = autotune("show", "--columns", "value,lr", "--sort", "-lr", "--runs", runs)
    assert shown.out.split()[:3] == ["trial", "value", "optimizer.lr"]
    assert "the specs say the same" in autotune("compare", "small", "small", "--runs", runs).out


def test_the_doctor_looks_at_all_and_says_the_cure(autotune: Callable, runs: Path) -> None:
    found = json.loads(autotune("doctor", "--runs", runs, "--json").out)
    assert [one["what"] for one in found] == [
        "versions",
        "CPUs",
        "GPUs",
        "Ray",
        "ports",
        "disk",
        "MLflow store",
    ]
    assert not any("could not be looked at" in one["said"] for one in found)
    nowhere = autotune("doctor", "--runs", "/proc/nothing")
    assert nowhere.code == 1 and "give another folder: --runs DIR" in nowhere.out


def test_the_version_is_said(autotune: Callable) -> None:
    assert autotune("--version").out.startswith("autotune 0.")
