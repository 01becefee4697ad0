"""The benchmark of `autotune sync` in its smallest form: it runs, and MLflow holds everything."""

from pathlib import Path

from autotune.spec import MlflowTracking
from benchmarks import sync
from benchmarks.read_commands import EPOCHS, build


def test_the_benchmark_of_sync_in_small(tmp_path: Path) -> None:
    build(tmp_path, 30, MlflowTracking().uri)
    found = sync.run(tmp_path, by_client=False)
    assert list(found) == ["new", "again"]
    assert all(0 < spent for measured in found.values() for spent in measured)
    runs, values = sync.held(tmp_path)
    assert runs >= 1 + 30 and values > 30 * EPOCHS * 6
