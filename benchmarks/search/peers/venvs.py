"""The virtual environments of the peers: one each, under the folder AUTOTUNE_BENCH_VENVS."""

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["NAMES", "make", "python", "server"]

NAMES = ("smac", "syne-tune", "dehb", "neps", "hebo")
_HERE = Path(__file__).parent


def python(name: str) -> Path | None:
    """The interpreter of a peer's environment, if it is made."""
    folder = os.environ.get("AUTOTUNE_BENCH_VENVS")
    found = Path(folder, name, "bin", "python") if folder else None
    return found if found and found.exists() else None


def server(name: str) -> Path:
    """The script that a peer's interpreter runs."""
    return _HERE / f"{name.replace('-', '_')}_server.py"


def make(folder: Path, names: tuple[str, ...] = NAMES) -> None:
    """`<folder>/<name>` for each peer, with what `<name>.txt` asks for and then, without what they
    ask for in turn, the packages of `<name>-no-deps.txt`. Raises CalledProcessError."""
    for name in names:
        print(f"{folder / name}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder / name], check=True)
        pip = [str(folder / name / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--requirement", str(_HERE / f"{name}.txt")], check=True)
        alone = _HERE / f"{name}-no-deps.txt"
        if alone.exists():
            subprocess.run([*pip, "--no-deps", "--requirement", str(alone)], check=True)
