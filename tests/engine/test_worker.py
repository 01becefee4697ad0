"""What a worker makes of assignments of the training loop, and of a user's checkpoints."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from autotune.engine.worker.function import FunctionTrial
from autotune.engine.worker.time_limits import Watch
from autotune.engine.worker.work import failure_of, work
from autotune.errors import AutotuneError
from autotune.testing.engine import assign
from autotune.train.config import TrainConfig
from autotune.trial import Assignment, Failure, Purpose, Reason, Reply, Report


def training(folder: Path, **changes: Any) -> Assignment:
    base = {"data": {"name": "digits"}, "model": {"name": "mlp"}, "epochs": 3}
    config = TrainConfig.model_validate(base | changes.pop("config", {})).model_dump(mode="json")
    about = {
        "number": 0,
        "trial": 0,
        "purpose": Purpose.SEARCH,
        "seed": 5,
        "from_step": 0,
        "to_step": 3,
        "folder": str(folder),
        "label": "trial-0000",
    }
    return Assignment(config=config, **(about | changes))


def told(assignment: Assignment) -> list[Any]:
    return list(map(plain, work(assignment)))


def plain(reply: Reply) -> Any:
    return (reply.step, dict(reply.metrics)) if isinstance(reply, Report) else reply


def test_training_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    whole = told(training(tmp_path / "whole"))
    first = told(training(tmp_path / "cut", to_step=2))
    rest = told(training(tmp_path / "cut", from_step=2))
    assert [step for step, _ in whole] == [1, 2, 3]
    assert first + rest == whole


def test_a_time_limit_changes_nothing_of_a_training(tmp_path: Path) -> None:
    """It is done in a thread then, where torch has settings of its own."""
    limited = training(tmp_path / "limited", timeout=600.0, silence=300.0)
    assert list(map(plain, work(limited, Watch(limited)))) == told(training(tmp_path / "free"))


def test_the_seed_is_that_of_the_assignment(tmp_path: Path) -> None:
    curves = [told(training(tmp_path / str(seed), seed=seed)) for seed in (5, 6)]
    assert curves[0] != curves[1]
    assert curves[0] == told(training(tmp_path / "again", config={"seed": 6}))


def test_the_test_split_is_read_once_and_reported_once(tmp_path: Path) -> None:
    list(work(training(tmp_path)))
    [(step, metrics)] = told(training(tmp_path, purpose=Purpose.TEST))
    assert step == 3 and 0 < metrics["test_accuracy"] <= 1


def test_a_training_that_diverges_is_nan(tmp_path: Path) -> None:
    config = {"optimizer": {"name": "sgd", "lr": 1e30}}
    *_, last = work(training(tmp_path, config=config))
    assert isinstance(last, Failure) and last.reason is Reason.NAN
    assert last.message.endswith("in epoch 1")


def test_a_config_that_cannot_be_built_is_a_failure(tmp_path: Path) -> None:
    assignment = training(tmp_path)
    broken = replace(assignment, config={**assignment.config, "epochs": "many"})
    [failure] = work(broken)
    assert isinstance(failure, Failure) and failure.reason is Reason.EXCEPTION


def test_torch_out_of_memory_is_oom() -> None:
    assert failure_of(torch.cuda.OutOfMemoryError("CUDA out of memory.")).reason is Reason.OOM
    cpu = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 TB")
    assert failure_of(cpu).reason is Reason.OOM
    assert failure_of(RuntimeError("shapes cannot be multiplied")).reason is Reason.EXCEPTION


def test_a_message_is_one_line_of_bounded_length() -> None:
    assert (
        failure_of(ValueError("x" * 10**6)).message
        == f"ValueError: {'x' * 500}… (1,000,000 characters)"
    )
    own = failure_of(AutotuneError("first\n  " + "y" * 600)).message
    assert own == f"first {'y' * 492}… (608 characters)"
    assert failure_of(ValueError("a \udc80 \x1b[31m\x00")).message == "ValueError: a � �[31m�"


def test_an_exception_that_cannot_be_shown_is_a_failure() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise SystemExit

    assert failure_of(Mute()) == Failure(
        Reason.EXCEPTION, "Mute: (no message: its __str__ raised SystemExit)"
    )


def test_the_processes_of_python_itself_are_kept(tmp_path: Path) -> None:
    """Such as the tracker of shared memory, which the next assignment goes on with."""
    [report] = work(assign(0, tmp_path, "shares_memory", 1))
    assert isinstance(report, Report)
    tracker = int(report.metrics["tracker"])
    os.kill(tracker, 0)


def test_a_pool_that_is_kept_is_closed_and_hangs_nobody(tmp_path: Path) -> None:
    first, second = (told(assign(n, tmp_path, "keeps_a_pool", 1)) for n in range(2))
    assert first == [(1, {"loss": 3.0})]
    [failure] = second
    assert failure.message.startswith("ValueError: Pool not running")


def test_a_directory_changed_by_an_import_is_that_of_the_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "moving_module.py").write_text(MOVING)
    monkeypatch.syspath_prepend(tmp_path)
    assignment = replace(
        assign(0, tmp_path, ""), config={"function": "moving_module:run"}, to_step=1
    )
    for _ in range(2):  # imported once, called twice
        assert told(assignment) == [(1, {"there": 1.0})]
        assert Path.cwd() == tmp_path


MOVING = """
import os
os.chdir("there")
def run(config, trial):
    trial.report(1, there=float(os.path.basename(os.getcwd()) == "there"))
"""


def test_a_closed_work_has_ended(tmp_path: Path) -> None:
    replies = work(assign(0, tmp_path, "goes_on", None))
    assert isinstance(next(replies), Report)
    replies.close()
    assert (tmp_path / "0" / "stopped").read_text() == "1"


def test_a_user_checkpoint_holds_tensors_and_plain_values(tmp_path: Path) -> None:
    assignment = assign(0, tmp_path, "learns")
    trial = FunctionTrial(assignment)
    state = {"model": {"w": torch.ones(2)}, "best": [0.5, None, "x"], 3: True}
    trial.save(4, state)
    found = FunctionTrial(replace(assignment, from_step=4))
    assert found.step == 4
    loaded = found.load()
    assert torch.equal(loaded["model"].pop("w"), torch.ones(2))
    assert loaded == {"model": {}, "best": [0.5, None, "x"], 3: True}
    assert FunctionTrial(replace(assignment, from_step=3)).load() is None
    with pytest.raises(TypeError, match=r"state\['model'\] must be a tensor.* it is object"):
        trial.save(5, {"model": object()})
