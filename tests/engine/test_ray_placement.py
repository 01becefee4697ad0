"""Where Ray puts the processes of trials: devices, read in the processes, and machines.

The GPUs are virtual: Ray hands out their numbers, and no process uses one. Each test has a Ray of
its own, in a process of its own.
"""

import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest

from autotune.testing.ranks import met

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

BEGIN = """
from dataclasses import replace
from pathlib import Path
import ray
from autotune.engine.ray import driver
from autotune.testing.ranks import assign_ranks
from autotune.testing.engine import ScriptedStudy
from autotune.trial import Share

def study(name, *shares):
    queue = [
        replace(assign_ranks(n, Path(name), "meets", 1, seconds=0.3), share=share)
        for n, share in enumerate(shares)
    ]
    found = ScriptedStudy(queue)
    driver.run(found)
    assert sorted(found.ended) == [(n, None) for n in range(len(shares))], found.ended
    print(name, found.slots, found.most, *[n for n, _, _ in found.decisions])
"""
GPUS = """
ray.init("local", num_cpus=8, num_gpus=4, include_dashboard=False, log_to_driver=False)
pair = Share(cpus=0.5, gpus=1, processes=2)
study("whole", pair, pair)
study("fractional", replace(pair, gpus=0.5))
study("double", replace(pair, gpus=2))
"""
MIXED = """
ray.init("local", num_cpus=8, num_gpus=4, include_dashboard=False, log_to_driver=False)
pair = Share(cpus=0.5, gpus=1, processes=2)
small, large = replace(pair, processes=1), replace(pair, processes=4)
study("mixed", small, small, large, pair, small)
"""
NODES = """
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
cluster.add_node(num_cpus=1)
ray.init(address=cluster.address, log_to_driver=False)
study("nodes", *[Share(processes=2)] * 2)
"""


def carried_out(folder: Path, code: str) -> dict[str, list[int]]:
    """What each study says: slots, the most at once, and the trials in the order they reported."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code],
        cwd=folder,
        env=clean,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    return {name: list(map(int, numbers)) for name, *numbers in lines}


def test_each_process_has_its_devices(tmp_path: Path) -> None:
    said = carried_out(tmp_path, GPUS)
    assert [said[name][0] for name in ("whole", "fractional", "double")] == [2, 4, 1]
    for trial in range(2):
        whole = met(tmp_path / "whole", trial)
        assert whole[0]["devices"] == whole[1]["devices"], "LOCAL_RANK is an index into them"
        assert len(set(whole[0]["devices"].split(","))) == 2
    fractional = met(tmp_path / "fractional", 0)
    assert all(rank["devices"] in "0123" for rank in fractional), "its own part alone"
    double = [set(rank["devices"].split(",")) for rank in met(tmp_path / "double", 0)]
    assert [len(devices) for devices in double] == [2, 2] and not double[0] & double[1]
    apart(tmp_path / "whole", [2] * 2)


def test_trials_of_mixed_sizes_are_placed_in_their_order(tmp_path: Path) -> None:
    sizes = [1, 1, 4, 2, 1]
    said = carried_out(tmp_path, MIXED)
    slots, most, *order = said["mixed"]
    assert slots == 4 and 2 <= most <= 4
    assert set(order[:2]) == {0, 1} and order[2] == 2, "nothing overtakes the large one"
    for trial, size in enumerate(sizes):
        seen = [rank["devices"].split(",") for rank in met(tmp_path / "mixed", trial, size)]
        assert all(len(set(devices)) == size for devices in seen)
    apart(tmp_path / "mixed", sizes)


def test_a_trial_spans_two_machines(tmp_path: Path) -> None:
    assert carried_out(tmp_path, NODES)["nodes"][:2] == [1, 1]
    for trial in range(2):
        ranks = met(tmp_path / "nodes", trial)
        assert [rank["node"] for rank in ranks] == ["0", "1"]
        assert [rank["local_rank"] + rank["local_world"] for rank in ranks] == ["01", "01"]
    assert met(tmp_path / "nodes", 0)[1]["pid"] == met(tmp_path / "nodes", 1)[1]["pid"]


def apart(folder: Path, sizes: list[int]) -> None:
    """Trials that were there at the same time have no whole device in common."""
    firsts = [met(folder, trial, size)[0] for trial, size in enumerate(sizes)]
    for one, other in combinations(firsts, 2):
        together = one["began"] < other["ended"] and other["began"] < one["ended"]
        shared = set(one["devices"].split(",")) & set(other["devices"].split(","))
        assert not (together and shared)
