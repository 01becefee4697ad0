"""README's Python example runs as printed, and is short."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()


@pytest.mark.slow
def test_it_runs_as_printed(folder: Path) -> None:
    code = re.search(r"<!-- python:.*?```python\n(.*?)```", README, re.DOTALL)
    assert code
    assert len([line for line in code[1].splitlines() if line.strip()]) <= 12
    (folder / "example.py").write_text(code[1])
    done = subprocess.run([sys.executable, "example.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "best: trial" in done.stdout and "'gamma'" in done.stdout.splitlines()[-1]
