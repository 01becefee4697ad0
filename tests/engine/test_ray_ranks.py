"""The Ray engine runs trials of several processes, each with its own devices."""

from typing import Any

import pytest

from autotune.engine.ray import driver as engine
from autotune.testing.ranks import RanksContract


@pytest.mark.usefixtures("one_ray")
class TestRayRanks(RanksContract):
    @pytest.fixture
    def run(self) -> Any:
        return engine.run
