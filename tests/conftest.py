"""One Ray and real faults, for tests of every room."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("autotune.testing.engine", "autotune.testing.ranks")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a GPU")


@pytest.fixture(scope="session")
def one_ray() -> Iterator[None]:
    """One Ray for all tests: starting it takes several seconds."""
    from autotune.engine.ray.cluster import connection

    with connection():
        yield


@pytest.fixture(autouse=True)
def no_module_of_another_test(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Two tests may write a module of the same name into folders of their own."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield
    written = str(tmp_path_factory.getbasetemp())
    for name in sys.modules.keys() - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(written):
            del sys.modules[name]


@pytest.fixture
def disk() -> Iterator[Path]:
    """A disk of 600 kB of our own, outside pytest's folder, which others clean up."""
    folder = Path(tempfile.mkdtemp(prefix="autotune-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)]
    made = subprocess.run(mount, capture_output=True, text=True)
    if made.returncode:
        folder.rmdir()
        pytest.skip(f"no disk of our own, which only root may mount: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()


@pytest.fixture
def fill(disk: Path) -> Callable[[], Path]:
    """Leaves no byte of `disk` free; answers the file that holds them."""

    def fill() -> Path:
        filler = disk / "filler"
        with filler.open("ab", buffering=0) as file:
            for size in (4096, 1):
                with pytest.raises(OSError, match="No space left"):
                    while True:
                        file.write(b"\0" * size)
        return filler

    return fill
