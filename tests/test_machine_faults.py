"""What the machine is to blame for, told from what a configuration did: by the real errors."""

import errno
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from autotune.errors import AutotuneError, MachineFault
from autotune.machine_faults import as_machine_faults, machine_fault

FULL = Path("/dev/full")
"""A device that answers every write as a full disk does."""


def caught(call: Callable[[], object]) -> BaseException:
    with pytest.raises(BaseException) as raised:
        call()
    return raised.value


def test_a_full_disk_is_known_by_its_number() -> None:
    assert machine_fault(caught(lambda: FULL.write_text("x"))) == "No space left on device"
    read_only = OSError(errno.EROFS, "?", "weights.pt")
    assert machine_fault(read_only) == "Read-only file system: 'weights.pt'"


def test_torch_hides_the_number(tmp_path: Path) -> None:
    state = {"weights": torch.zeros(10_000)}

    def to_an_open_file() -> None:
        with FULL.open("wb", buffering=0) as file:
            torch.save(state, file)

    for error in (
        caught(lambda: torch.save(state, FULL)),
        caught(to_an_open_file),
        caught(lambda: torch.save(state, FULL, _use_new_zipfile_serialization=False)),
    ):
        assert machine_fault(error), repr(error)
    missing = caught(lambda: torch.save(state, tmp_path / "none" / "a.pt"))
    assert not machine_fault(missing), "a folder that is not there is the user's"


def test_words_of_libraries_in_other_languages() -> None:
    said = "Error while serializing: I/O error: No space left on device (os error 28)"
    assert machine_fault(type("SafetensorError", (Exception,), {})(said)) == said
    error = caught(lambda: save_file({"a": torch.zeros(1)}, "/proc/none/a.safetensors"))
    assert not machine_fault(error)


def test_a_full_database_file(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "a.db")
    database.execute("create table a (b)")
    database.execute("pragma max_page_count = 3")
    full = caught(lambda: database.execute("insert into a values (zeroblob(100000))"))
    assert machine_fault(full) == "database or disk is full"
    assert not machine_fault(caught(lambda: database.execute("select * from c")))
    database.close()


def test_what_was_raised_on_the_way_counts() -> None:
    def reworded() -> None:
        try:
            FULL.write_text("x")
        except OSError as error:
            raise AutotuneError("there are no whole weights") from error

    def hidden() -> None:
        try:
            FULL.write_text("x")
        except OSError:
            raise ValueError("cannot save") from None

    assert machine_fault(caught(reworded)) == machine_fault(caught(hidden)) != ""


def test_what_the_user_can_mend_is_no_fault_of_the_machine() -> None:
    for error in (
        FileNotFoundError(errno.ENOENT, "No such file", "data.npz"),
        PermissionError(errno.EACCES, "Permission denied", "data.npz"),
        ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
        TimeoutError(errno.ETIMEDOUT, "a socket's"),
        ValueError("no such layer"),
    ):
        assert not machine_fault(error), repr(error)
    away = TimeoutError(errno.ETIMEDOUT, "a network disk's", "/data/a.npz")
    assert machine_fault(away) == "Connection timed out: '/data/a.npz'"


def test_only_faults_of_the_machine_are_renamed() -> None:
    with pytest.raises(MachineFault, match="No space left"), as_machine_faults():
        FULL.write_text("x")
    with pytest.raises(FileNotFoundError), as_machine_faults():
        Path("/none/at/all").read_text()
    with pytest.raises(MachineFault, match="^as it is$"), as_machine_faults():
        raise MachineFault("as it is")
