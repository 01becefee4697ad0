import multiprocessing
from pathlib import Path

import pytest

from autotune.errors import AutotuneError
from autotune.train import cache


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("AUTOTUNE_CACHE", str(tmp_path / "cache"))


def count(calls: Path) -> None:
    def make(folder: Path) -> None:
        with calls.open("a") as file:
            file.write("x")
        (folder / "data").write_text("whole")

    assert (cache.once("thing", make) / "data").read_text() == "whole"


def test_many_processes_make_it_once(tmp_path) -> None:
    context = multiprocessing.get_context("fork")
    others = [context.Process(target=count, args=(tmp_path / "calls",)) for _ in range(6)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert [other.exitcode for other in others] == [0] * 6
    assert (tmp_path / "calls").read_text() == "x"


def test_a_failure_leaves_nothing_and_is_tried_again(tmp_path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("")
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        cache.once("thing", fail)
    assert [path.name for path in cache.folder().iterdir()] == [".thing.lock"]
    count(tmp_path / "calls")


def test_without_the_variable_it_stands_among_the_users_caches(monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("AUTOTUNE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder() == tmp_path / "autotune"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache.folder() == tmp_path / "home" / ".cache" / "autotune"


def test_a_folder_that_cannot_be_written_is_named(monkeypatch) -> None:
    monkeypatch.setenv("AUTOTUNE_CACHE", "/proc/nowhere")
    with pytest.raises(AutotuneError, match="set AUTOTUNE_CACHE to a folder that you own"):
        cache.once("thing", lambda folder: None)
