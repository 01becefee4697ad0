"""Data prepared once on a machine, and shared by the processes that train on it."""

import multiprocessing
import os
import re
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import pytest

from autotune.errors import InvalidInput
from autotune.testing.data import check_same
from autotune.train import cache
from autotune.train.data import base, dataset_cache
from autotune.train.data.config import ArraysData, DigitsData

MB = 2**20


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("AUTOTUNE_CACHE", str(tmp_path / "cache"))
    base._prepared.cache_clear()
    return tmp_path / "cache"


@pytest.fixture
def large(tmp_path) -> ArraysData:
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(20_000, 100)).astype(np.float32), np.arange(20_000) % 4
    np.savez(tmp_path / "large.npz", x=x, y=y)
    return ArraysData(path=str(tmp_path / "large.npz"))


def kept(own: Path) -> list[Path]:
    return sorted(own.glob("data-*"))


def test_the_shelf_holds_what_was_made(large, own) -> None:
    data = base.prepare(large, "cpu")
    assert len(kept(own)) == 1
    check_same(data, base.made(large, "classification"))
    assert data.labels == ("0", "1", "2", "3")
    check_same(base.prepare(large, "cpu", "regression"), base.made(large, "regression"))
    assert len(kept(own)) == 2  # another task, other targets


def test_a_second_process_prepares_nothing(large, own, monkeypatch) -> None:
    first = base.prepare(large, "cpu")
    base._prepared.cache_clear()
    monkeypatch.setattr(base, "made", lambda *_: pytest.fail("prepared again"))
    check_same(first, base.prepare(large, "cpu"))


def test_changed_files_are_prepared_anew(large, own) -> None:
    base.prepare(large, "cpu")
    base._prepared.cache_clear()
    os.utime(large.path, ns=(1, 1))
    base.prepare(large, "cpu")
    base.prepare(large.model_copy(update={"seed": 1}), "cpu")
    assert len(kept(own)) == 3


def test_small_data_leaves_no_files(own) -> None:
    base.prepare(DigitsData(), "cpu")
    assert not own.exists()


def test_data_that_is_wrong_leaves_no_files(tmp_path, own) -> None:
    x = np.full((20_000, 100), np.nan, np.float32)
    np.savez(tmp_path / "bad.npz", x=x, y=np.arange(20_000) % 4)
    with pytest.raises(InvalidInput, match="x must be finite"):
        base.prepare(ArraysData(path=str(tmp_path / "bad.npz")), "cpu")
    assert kept(own) == []


def test_a_write_stays_in_the_process_that_made_it(large, own) -> None:
    data = base.prepare(large, "cpu")
    before = data.train.x[0, 0].item()
    data.train.x[0, 0] = 1e6
    base._prepared.cache_clear()
    assert base.prepare(large, "cpu").train.x[0, 0].item() == pytest.approx(before)


def hold(config: ArraysData, held: Event, enough: Event) -> None:
    data = base.prepare(config, "cpu")
    for part in (data.train, data.val, data.test):
        part.x.numpy().sum()  # by numpy: torch's threads do not survive a fork
    held.set()
    enough.wait(60)


def test_processes_share_one_copy(large, own) -> None:
    """Proportional set size: a page that k processes hold counts 1/k in each."""
    base.prepare(large, "cpu")
    base._prepared.cache_clear()
    (file,) = (path / dataset_cache.NAME for path in kept(own))
    context = multiprocessing.get_context("fork")
    enough, signs = context.Event(), [context.Event() for _ in range(2)]
    workers = [context.Process(target=hold, args=(large, sign, enough)) for sign in signs]
    for worker in workers:
        worker.start()
    try:
        assert all(sign.wait(60) for sign in signs)
        shares = [pss(worker.pid, file) for worker in workers]
    finally:
        enough.set()
        for worker in workers:
            worker.join()
    size = file.stat().st_size / MB
    assert size > 7 and all(rss > 0.9 * size for rss, _ in shares)
    assert sum(pss for _, pss in shares) < 1.1 * size


def pss(pid: int, file: Path) -> tuple[float, float]:
    """(resident, proportional) MB of a mapped file in a process."""
    text = Path(f"/proc/{pid}/smaps").read_text()
    (block,) = re.findall(rf"{re.escape(str(file))}\n((?:\w+:.*\n)+)", text)
    fields = dict(re.findall(r"(\w+): +(\d+) kB", block))
    return int(fields["Rss"]) / 1024, int(fields["Pss"]) / 1024


def test_the_cache_says_where_it_is(own) -> None:
    assert cache.folder() == own
