"""Scripts as trials: what they report, how they end, and that nothing of them stays."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autotune.engine.worker.metrics import MetricReader, Said
from autotune.engine.worker.time_limits import Watch
from autotune.engine.worker.work import work
from autotune.testing.engine import ScriptedStudy, is_alive
from autotune.trial import Assignment, Failure, Purpose, Reason, Report

MONITOR = {"metric": "acc", "goal": "maximize", "at": "best"}
PRINTS = """
import json, sys
for epoch in range(1, 4):
    print(json.dumps({"epoch": epoch, "acc": epoch / 10, "note": "x", "ok": True}))
    print("training", epoch, file=sys.stderr)
"""


def script(folder: Path, code: str, arguments: str = "", **config: Any) -> Assignment:
    """Work for a Python script that is `code`."""
    folder.mkdir(exist_ok=True)
    file = folder / "train.py"
    file.write_text(code)
    command = f"{shlex.quote(sys.executable)} {shlex.quote(str(file))} {arguments}"
    whole = {"command": command, "monitor": MONITOR, "threads": 1, "epochs": 3, **config}
    return Assignment(
        number=0,
        trial=0,
        purpose=Purpose.SEARCH,
        config=whole,
        seed=7,
        from_step=0,
        to_step=whole["epochs"],
        folder=str(folder / "run"),
        label="trial-0000",
        log=str(folder / "run.log"),
    )


def told(assignment: Assignment, watch: Watch | None = None) -> list[Any]:
    replies = work(assignment, watch)
    return [(r.step, dict(r.metrics)) if isinstance(r, Report) else r for r in replies]


CURVE = [(epoch, {"acc": epoch / 10}) for epoch in (1, 2, 3)]


def test_json_lines_are_reports_and_all_output_is_logged(tmp_path: Path) -> None:
    assert told(script(tmp_path, PRINTS)) == CURVE
    log = (tmp_path / "run.log").read_text()
    assert log.count("training") == 3 and log.count('"acc"') == 3


def test_patterns_read_what_a_script_has_always_printed(tmp_path: Path) -> None:
    code = "for n in range(1, 4):\n    print('Epoch', n)\n    print('  val_acc=%.1f' % (n / 10))\n"
    metrics = {"epoch": r"Epoch (\d+)", "acc": r"val_acc=([0-9.]+)"}
    assert told(script(tmp_path, code, metrics=metrics)) == CURVE


def test_a_script_may_call_report(tmp_path: Path) -> None:
    code = (
        "import os, sys, autotune\n"
        "for n in range(1, 4):\n    autotune.report(n, acc=n / 10)\n"
        "    if n == 3:\n        os.environ['RANK'] = '1'\n        autotune.report(9, acc=9)\n"
        "assert not {'torch', 'pydantic', 'rich'} & set(sys.modules)\n"
    )
    assert told(script(tmp_path, code)) == CURVE


def test_report_does_nothing_outside_a_study() -> None:
    code = "import autotune as a; a.report(1, acc=0.5); import autotune.report.live; a.report(1)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_epochs_may_count_from_0(tmp_path: Path) -> None:
    code = PRINTS.replace("range(1, 4)", "range(3)")
    found = told(script(tmp_path, code))
    assert [step for step, _ in found] == [1, 2, 3]


def test_values_are_put_in_after_the_split(tmp_path: Path) -> None:
    code = (
        "import json, os, sys\n"
        "args = sys.argv[1:]\n"
        "whole = json.load(open(args.pop()))\n"
        "print(json.dumps(args), whole, os.environ['AUTOTUNE_SEED'], file=sys.stderr)\n"
        "print(json.dumps({'epoch': 1, 'acc': whole['optimizer']['lr']}))\n"
    )
    arguments = "--lr={optimizer.lr} '{text} {{lr}}' {seed} --{overrides} {config}"
    optimizer = {"lr": 1e-05, "nesterov": True}
    found = told(script(tmp_path, code, arguments, optimizer=optimizer, text="a b; rm -r $HOME"))
    assert found == [(1, {"acc": 1e-05})]
    given = (tmp_path / "run.log").read_text()
    shown = ["--lr=1e-05", "a b; rm -r $HOME {lr}", "7", "--optimizer.lr=1e-05"]
    shown += ["--optimizer.nesterov=true", "--text=a b; rm -r $HOME"]
    assert given.startswith(json.dumps(shown))
    assert '"lr": 1.0e-05' in (tmp_path / "run" / "config.json").read_text()


@pytest.mark.parametrize(
    ("code", "reason", "words"),
    [
        (
            "import sys; print('oh no', file=sys.stderr); sys.exit(3)",
            "exception",
            "exit code 3: oh no",
        ),
        ("raise ValueError('no layer')", "exception", "exit code 1: ValueError: no layer"),
        ("raise MemoryError", "oom", "exit code 1: MemoryError"),
        ("raise RuntimeError('CUDA out of memory. Tried')", "oom", "CUDA out of memory"),
        ("import os; os.kill(os.getpid(), 11)", "exception", "killed by SIGSEGV"),
        (
            "print('val acc 0.9')",
            "exception",
            'and no report: looked for lines such as {"epoch": 1, "acc"',
        ),
        ('print(\'{"epoch": 1, "acc": NaN}\')', "nan", "acc is nan at epoch 1"),
        ('print(\'{"epoch": 7, "acc": 1}\')', "exception", "no epoch may be beyond 3"),
    ],
)
def test_how_a_script_fails(tmp_path: Path, code: str, reason: str, words: str) -> None:
    *_, failure = told(script(tmp_path, code))
    assert isinstance(failure, Failure)
    assert failure.reason == reason and words in failure.message


def test_a_pattern_without_a_match_is_named(tmp_path: Path) -> None:
    [failure] = told(script(tmp_path, "print('acc: 0.5')", metrics={"acc": "val_acc=(.*)"}))
    assert "looked for lines that match acc: 'val_acc=(.*)'" in failure.message
    [failure] = told(script(tmp_path, "print('val_acc=high')", metrics={"acc": "val_acc=(.*)"}))
    assert failure.message == "metrics.acc matched 'high', which is no number"


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    assignment = script(tmp_path, "")
    assignment = replace(assignment, config={**assignment.config, "command": "no-such-program"})
    [failure] = told(assignment)
    assert failure.message == "no-such-program: No such file or directory"


def test_it_may_end_before_its_last_epoch(tmp_path: Path) -> None:
    assert told(script(tmp_path, 'print(\'{"epoch": 1, "acc": 0.5}\')')) == [(1, {"acc": 0.5})]


FAMILY = """
import os, signal, subprocess, sys, time
if "ignores" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
def started(**how):
    return subprocess.Popen(["sleep", "600"], **how).pid
pids = [os.getpid(), started(), started(process_group=0), started(start_new_session=True)]
open(sys.argv[1], "w").write(" ".join(map(str, pids)))
print('{"epoch": 1, "acc": 0.5}', flush=True)
if "closes" in sys.argv:
    os.close(1)
while "stays" in sys.argv:
    time.sleep(0.1)
"""


def family(folder: Path) -> list[int]:
    return [int(pid) for pid in (folder / "pids").read_text().split()]


def gone(pids: list[int]) -> bool:
    until = time.monotonic() + 20
    while any(map(is_alive, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    return not any(map(is_alive, pids))


@pytest.mark.parametrize("how", ["stays", "stays closes", "stays ignores", ""])
def test_nothing_of_it_stays_but_what_left_its_session(tmp_path: Path, how: str) -> None:
    assignment = script(tmp_path, FAMILY, f"{tmp_path}/pids {how}", stop_grace="1s")
    replies = work(assignment)
    assert isinstance(next(replies), Report)
    replies.close()
    *pids, daemon = family(tmp_path)
    try:
        assert gone(pids) and is_alive(daemon)
    finally:
        os.kill(daemon, signal.SIGKILL)


def test_nothing_of_it_stays_when_its_worker_is_killed(tmp_path: Path) -> None:
    script(tmp_path, FAMILY)
    worker = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2])\n"
        "import test_command as t; from autotune.engine.worker.work import work\n"
        "folder = Path(sys.argv[1])\n"
        "made = t.script(folder, t.FAMILY, f'{folder}/pids stays ignores', stop_grace='1s')\n"
        "replies = work(made); next(replies); print('on', flush=True); next(replies)\n"
    )
    command = [sys.executable, "-c", worker, str(tmp_path), str(Path(__file__).parent)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "on\n"
    process.kill()
    process.communicate()
    *pids, daemon = family(tmp_path)
    os.kill(daemon, signal.SIGKILL)
    assert gone(pids)


def test_a_script_that_hangs_is_ended_at_a_limit(tmp_path: Path) -> None:
    assignment = replace(script(tmp_path, FAMILY, f"{tmp_path}/pids stays"), silence=1.5)
    [report, failure] = told(assignment, Watch(assignment))
    assert report == (1, {"acc": 0.5}) and failure.reason is Reason.TIMEOUT
    *pids, daemon = family(tmp_path)
    os.kill(daemon, signal.SIGKILL)
    assert gone(pids)


def test_a_script_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    code = (
        "import json, os, pathlib\n"
        "folder = pathlib.Path(os.environ['AUTOTUNE_CHECKPOINT_DIR'])\n"
        "first = int(os.environ['AUTOTUNE_FROM_STEP']) + 1\n"
        "total = int((folder / str(first - 1)).read_text()) if first > 1 else 0\n"
        "for epoch in range(first, 4):\n"
        "    total += epoch\n    (folder / str(epoch)).write_text(str(total))\n"
        "    print(json.dumps({'epoch': epoch, 'acc': total}))\n"
    )
    assignment = script(tmp_path, code)
    whole = told(assignment)
    assert told(replace(assignment, from_step=2)) == whole[2:] == [(3, {"acc": 6.0})]


def test_what_a_line_says() -> None:
    reader = MetricReader("acc")
    assert reader.line('{"acc": 0.5}') == Said(None, {"acc": 0.5})
    assert reader.line('{"step": 2, "loss": 1, "lr": 0.1}') == Said(2, {"loss": 1.0, "lr": 0.1})
    for text in (
        '{"loss": 1}',
        '{"epoch": 1}',
        '{"epoch": 1.5, "acc": 1}',
        "{not json}",
        "acc 1",
        "[1]",
    ):
        assert reader.line(text) is None


@pytest.mark.usefixtures("one_ray")
def test_ray_runs_scripts_and_nothing_of_a_dead_workers_stays(tmp_path: Path) -> None:
    from autotune.engine.ray import driver

    calm = script(tmp_path / "calm", PRINTS)
    fierce = replace(
        script(tmp_path / "fierce", FAMILY, f"{tmp_path}/pids stays", stop_grace="1s"),
        number=1,
        trial=1,
        silence=2.0,
    )
    study = ScriptedStudy([calm, fierce], worker={"cpus": 1, "gpus": 0, "max": 1}, attempts=1)
    driver.run(study)
    assert [step for step, _ in study.values()[0]] == [1, 2, 3]
    assert study.ended[0] == (0, None)
    assert study.failures()[1].reason is Reason.TIMEOUT
    assert (tmp_path / "calm" / "run.log").read_text().count("training") == 3
    *pids, daemon = family(tmp_path)
    os.kill(daemon, signal.SIGKILL)
    assert gone(pids), "its worker was killed at the limit, and the guard saw it"
