"""The wheel, built and installed in another folder, brings its studies and spaces with it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND = "from autotune.cli import main; main()"

pytestmark = pytest.mark.slow


def run(*command: str, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=environment.pop("cwd"),
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scratch = tmp_path_factory.mktemp("wheel")
    build = ("-m", "build", "--wheel", "--no-isolation", "--outdir", str(scratch), str(ROOT))
    run(sys.executable, *build, cwd=str(scratch))
    (wheel,) = scratch.glob("autotune-*.whl")
    pip = ("-m", "pip", "install", "-q", "--no-deps", "--no-index", "--disable-pip-version-check")
    run(sys.executable, *pip, "--target", str(scratch / "site"), str(wheel), cwd=str(scratch))
    return scratch / "site"


def test_it_checks_and_copies_the_quickstart(installed: Path, tmp_path: Path) -> None:
    python, there = (sys.executable, "-c"), {"cwd": str(tmp_path), "PYTHONPATH": str(installed)}
    where = run(*python, "import autotune; print(autotune.__file__)", **there)
    assert where.startswith(str(installed))
    assert run(*python, COMMAND, "check", "quickstart", **there).startswith("OK: quickstart")
    run(*python, COMMAND, "init", "mine", **there)
    mine = ("check", "mine/studies/quickstart.yaml")
    assert run(*python, COMMAND, *mine, **there).startswith("OK: quickstart")
    assert (installed / "autotune" / "py.typed").is_file()
    for name in ("custom-model", "custom-objective"):  # their modules are in the wheel
        assert run(*python, COMMAND, "check", name, **there).startswith(f"OK: {name}")
    examples = "from autotune.examples import network, objective; print(network.__file__)"
    assert run(*python, examples, **there).startswith(str(installed))
