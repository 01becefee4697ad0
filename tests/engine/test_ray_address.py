"""Joining a running cluster: wrong addresses are told at once; a right one is left running."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import ray

from autotune.engine.ray import driver as engine
from autotune.errors import UserError
from autotune.testing.engine import ScriptedStudy


@pytest.mark.parametrize(
    "address", ["nonsense", "127.0.0.1:1", "ray://127.0.0.1:10001", ":", "a:b"]
)
def test_a_wrong_address_is_told_at_once(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(UserError, match="host:port of a running Ray cluster"):
        engine.run(ScriptedStudy([]), address)


DRIVER = """
import sys
from pathlib import Path
from autotune.engine.ray import driver as engine
from autotune.testing.engine import ScriptedStudy, assign
study = ScriptedStudy([assign(n, Path.cwd() / "work", "learns") for n in range(4)])
engine.run(study, sys.argv[1])
assert study.slots == 2 and len(study.ended) == 4 and not study.failures(), study
"""


@pytest.mark.slow
def test_a_running_cluster_is_used_and_left_running(one_ray: None, tmp_path: Path) -> None:
    address = ray.get_runtime_context().gcs_address
    for _ in range(2):
        run = subprocess.run(
            [sys.executable, "-c", DRIVER, address],
            cwd=tmp_path,
            env=os.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        assert (run.returncode, run.stdout) == (0, "")
