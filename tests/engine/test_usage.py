"""What a trial's processes use is told with each report where a study asks for it."""

import subprocess
import sys
import time
from collections.abc import Generator

from autotune import spec as specs
from autotune.engine.worker.usage import Usage, with_usage
from autotune.study.state_machine import in_memory
from autotune.trial import Assignment, Failure, Report

SPEC = {
    "name": "s",
    "objective": {"metric": "loss", "goal": "minimize"},
    "trial": {"function": "autotune.testing.trials:learns", "epochs": 1},
    "space": {"lr": {"type": "float", "low": 0.1, "high": 1}},
    "budget": {"trials": 1},
}


def test_cpu_and_memory_of_this_process_and_its_children() -> None:
    usage = Usage()
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    busy = usage.since_last()
    assert busy["system/cpu_percent"] > 0 and busy["system/memory_megabytes"] > 5
    code = "x = bytearray(200_000_000); x[::4096] = b'a' * len(x[::4096]); print(); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout and child.stdin and child.stdout.readline()
        more = usage.since_last()
        child.communicate(b"\n")
    assert more["system/memory_megabytes"] > busy["system/memory_megabytes"] + 150


def test_each_report_carries_it_beside_its_own_metrics() -> None:
    def replies() -> Generator[Report | Failure, None, None]:
        yield Report(1, {"loss": 0.5})
        yield Report(2, {"loss": 0.4})

    told = list(with_usage(replies()))
    assert all(isinstance(report, Report) for report in told)
    metrics = [report.metrics for report in told if isinstance(report, Report)]
    assert [one["loss"] for one in metrics] == [0.5, 0.4]
    assert all({"system/cpu_percent", "system/memory_megabytes"} <= one.keys() for one in metrics)


def test_a_study_asks_for_it() -> None:
    for asked in (True, False):
        spec = specs.from_values({**SPEC, "tracking": {"system_metrics": asked}})
        given = in_memory(spec).next()
        assert isinstance(given, Assignment) and given.system_metrics is asked
