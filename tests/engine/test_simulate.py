"""The simulated engine keeps the contract; its clock, its order and its determinism."""

from typing import Any

import pytest

from autotune.engine import simulate
from autotune.testing.engine import EngineContract


class TestSimulate(EngineContract):
    @pytest.fixture
    def run(self) -> Any:
        return simulate.run
