"""The inline engine runs trials of several processes; none of them outlives it."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from autotune.engine import inline
from autotune.testing.engine import is_alive
from autotune.testing.ranks import RanksContract, all_end, met


class TestInlineRanks(RanksContract):
    @pytest.fixture
    def run(self) -> Any:
        return inline.run


DRIVER = """
from pathlib import Path
from autotune.engine import inline
from autotune.testing.ranks import assign_ranks, with_ranks
folder = Path("work")
inline.run(with_ranks([assign_ranks(0, folder, "meets", 1), assign_ranks(1, folder, "hangs_all")]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_no_rank_outlives_its_driver(tmp_path: Path, sent: signal.Signals) -> None:
    process = subprocess.Popen([sys.executable, "-c", DRIVER], cwd=tmp_path)
    try:
        limit = time.monotonic() + 120
        while not (tmp_path / "work" / "1").exists():
            assert time.monotonic() < limit and process.poll() is None
            time.sleep(0.1)
        pids = [int(rank["pid"]) for rank in met(tmp_path / "work", 0)]
        assert all(map(is_alive, pids))
        process.send_signal(sent)
        process.wait(timeout=60)
        all_end(pids)
    finally:
        process.kill()
        process.wait()
