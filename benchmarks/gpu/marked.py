"""The tests that are marked gpu."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.gpu.part import Skipped, Tell, Wrong
from benchmarks.gpu.setting import scratch

__all__ = ["marked_tests"]

ROOT = Path(__file__).parents[2]


def marked_tests(dry: bool, tell: Tell) -> None:
    """Only their files are collected: others import what need not be installed here."""
    if dry:
        raise Skipped("needs a GPU, as all tests do that are marked gpu")
    tests = (ROOT / "tests").rglob("test_*.py")
    files = sorted(str(file) for file in tests if "mark.gpu" in file.read_text())
    said = scratch() / "junit.xml"
    # Without pyproject.toml's options, which need plugins.
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-o", "addopts="]
    command += ["--import-mode=importlib", "-p", "no:cacheprovider", f"--junitxml={said}", *files]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"})
    if not said.exists():
        raise Wrong("pytest wrote no result")
    cases = list(ElementTree.parse(said).iter("testcase"))
    bad = [
        case.get("name") for case in cases if list(case.iter("failure")) + list(case.iter("error"))
    ]
    skipped = [case.get("name") for case in cases if list(case.iter("skipped"))]
    tell({"tests": len(cases), "failed": bad, "skipped": skipped})
    if bad or skipped or not cases:
        raise Wrong(f"failed: {bad}, skipped: {skipped}, of {len(cases)}")
