"""A main thread that waits for the dead for ever is ended, with all that it would leave."""

import subprocess
import sys
from pathlib import Path

CODE = """
import pathlib, time
from autotune.engine.ray import liveness
liveness._INTERVAL = liveness._GIVE_UP = 0.05
probe = liveness.LivenessProbe({words!r}, pathlib.Path("acted").touch)
probe.start(lambda: "Ray's raylet died (SIGKILL)", lambda passed: None)
time.sleep({sleeps})
"""


def ended(folder: Path, words: str, sleeps: float) -> tuple[int, str]:
    command = [sys.executable, "-c", CODE.format(words=words, sleeps=sleeps)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


def test_it_acts_and_says_how_to_go_on(tmp_path: Path) -> None:
    said = "stopped: Ray's raylet died (SIGKILL); go on with: autotune resume a\n"
    assert ended(tmp_path, "go on with: autotune resume a", 60) == (1, said)
    assert (tmp_path / "acted").exists()


def test_without_words_nothing_is_ended(tmp_path: Path) -> None:
    assert ended(tmp_path, "", 0.4) == (0, "")
    assert not (tmp_path / "acted").exists()
