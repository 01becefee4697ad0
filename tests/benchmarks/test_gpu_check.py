"""scripts/gpu-check as CI can run it: without a GPU, and without the packages of the tuner."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.gpu.__main__ import main
from benchmarks.gpu.part import Part, Skipped, Wrong, run

ROOT = Path(__file__).parents[2]
ABSENT = ("cmaes", "mlflow", "optuna", "pandas", "plotly", "pyarrow", "ray", "rich", "ruamel")
ABSENT += ("schedulefree", "typer")
"""Not to be expected on a machine with a GPU."""


def checked(tmp_path: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    for name in ABSENT:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise ImportError('{name} is not there')")
    env = os.environ | {"PYTHON": sys.executable, "PYTHONPATH": str(tmp_path)}
    command = [str(ROOT / "scripts" / "gpu-check"), *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=280)


def test_a_dry_run_measures_what_a_cpu_can_and_names_the_rest(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    done = checked(tmp_path, "--dry", "--out", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(out.read_text())
    assert said["dry"] and said["machine"]["device"] == "cpu"
    assert said["machine"]["versions"].keys() >= {"python", "torch", "cuda", "pydantic"}
    outcomes = {name: part["outcome"] for name, part in said["parts"].items()}
    skipped = {name for name, outcome in outcomes.items() if outcome.startswith("skipped: needs")}
    assert skipped == {"tests", "synchronisations", "memory"}
    assert {outcomes[name] for name in outcomes.keys() - skipped} == {"ok"}
    for network in ("mlp", "cnn", "resnet", "vit"):
        rows = said["parts"][f"epochs-{network}"]["figures"]
        assert [row["variant"] for row in rows if "skipped" in row] == [
            "tf32",
            "fp16",
            "bf16 compile",
        ]
        measured = [row for row in rows if "skipped" not in row]
        assert len(measured) == 3 and all(row["ratio"] > 0 for row in measured)
        for row in measured:  # the bare loop trains the same network
            ours, bare = row["val_loss"]
            assert ours == pytest.approx(bare, rel=1e-5)
    assert all(row["resumed"] == 0.0 for row in said["parts"]["resume"]["figures"])


def test_without_a_gpu_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert main(["--part", "resume"]) == 2
    said = capsys.readouterr().err
    assert said == "scripts/gpu-check needs a GPU, and found none: --dry needs none\n"


def _hangs(dry: bool, tell) -> None:
    tell({"first": 1})
    child = os.fork()
    if not child:
        time.sleep(60)
    tell({"child": child})
    time.sleep(60)


def _dies(dry: bool, tell) -> None:
    tell({"first": 1})
    os._exit(9)


def _raises(error: Exception):
    def work(dry: bool, tell) -> None:
        raise error

    return work


def test_a_part_that_hangs_is_ended_with_its_children_and_its_figures_are_kept() -> None:
    told: list[dict] = []
    assert run(Part("p", 9, _hangs), True, 1.0, told.append) == "over its limit of 1 s"
    assert told[0] == {"first": 1}
    deadline = time.monotonic() + 10
    while Path(f"/proc/{told[1]['child']}/stat").exists() and time.monotonic() < deadline:
        if Path(f"/proc/{told[1]['child']}/stat").read_text().split(") ")[1][0] == "Z":
            break
        time.sleep(0.05)
    else:
        assert not Path(f"/proc/{told[1]['child']}").exists()


@pytest.mark.parametrize(
    ("work", "outcome"),
    [
        (_dies, "its process died"),
        (_raises(Skipped("no disk")), "skipped: no disk"),
        (_raises(Wrong("1 > 0")), "wrong: 1 > 0"),
        (_raises(ValueError("odd")), "failed: ValueError: odd"),
    ],
)
def test_what_a_part_says_of_its_end(work, outcome: str) -> None:
    assert run(Part("p", 9, work), True, 60, lambda figure: None) == outcome
