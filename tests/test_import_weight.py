"""What may be imported before anything runs: the commands that only read stay quick."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("autotune.space", ["pydantic", "ruamel", "optuna", "torch", "ray", "mlflow"]),
        ("autotune.spec", ["optuna", "torch", "ray", "mlflow"]),
        ("autotune.study.state_machine", ["torch", "ray", "mlflow"]),
        ("autotune.cli", ["optuna", "torch", "ray", "mlflow", "pydantic", "numpy"]),
    ],
)
def test_importing_a_room_imports_no_heavy_library(module, forbidden):
    code = f"import sys, {module}; print([n for n in {forbidden!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
