import os
import subprocess
import sys

import pytest

from autotune.search import Cmaes, Evolution, Gp, Random, Sobol, Tpe
from autotune.space import Space
from autotune.testing.search import SAMPLER_CHECKS, SPACES, fits, regret, samplers, simulate
from autotune.trial import Goal


def pairs():
    return [
        pytest.param(config, name, id=f"{config.name}-{name}")
        for config in samplers()
        for name in SPACES
        if fits(config, name)
    ]


@pytest.mark.parametrize("check", SAMPLER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(("config", "name"), pairs())
def test_contract(config, name, check):
    check(config, name)


def test_every_sampler_searches_the_finite_space_or_says_what_it_needs():
    refused = {
        (config.name, name) for config in samplers() for name in SPACES if not fits(config, name)
    }
    infinite = [name for name in SPACES if name.startswith(("flat", "conditional", "mixed"))]
    several = [name for name in SPACES if "several" in name]
    assert refused == {
        *(("grid", name) for name in infinite),
        *(("cmaes", name) for name in ("single", "choices", *several)),
    }


PROPOSE = """
import json
from autotune.testing.search import SPACES, fits, proposals, samplers
answer = json.dumps({
    f"{config.name}-{name}": proposals(config, name)
    for config in samplers()
    for name in ("conditional", "tiny", "mixed, several, constrained")
    if fits(config, name)
})
"""


def test_another_process_proposes_the_same():
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    there = subprocess.run(
        [sys.executable, "-c", PROPOSE + "print(answer)"],
        env=environment,
        capture_output=True,
        text=True,
    )
    here: dict[str, str] = {}
    exec(PROPOSE, here)
    assert (there.stdout.strip(), there.stderr) == (here["answer"], "")


QUADRATIC = Space.parse(
    {
        "x": {"type": "float", "low": -5.0, "high": 5.0},
        "y": {"type": "float", "low": 1e-4, "high": 1.0, "log": True},
        "z": {"type": "float", "low": 0.0, "high": 1.0},
    }
)


@pytest.mark.parametrize(
    ("config", "count", "times"),
    [(Tpe(), 50, 2), (Gp(startup=6), 16, 3), (Cmaes(), 80, 2), (Evolution(), 100, 3)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_learns_beats_chance_on_a_bowl(config, count, times):
    """By a factor `times` in the mean over seeds; chance in the same number of trials."""
    seeds = range(3)
    learned = sum(regret(config, QUADRATIC, count, seed) for seed in seeds)
    chance = sum(regret(Random(), QUADRATIC, count, seed) for seed in seeds)
    assert learned * times < chance


def test_sobol_covers_every_half_evenly():
    xs = [
        trial.params["x"]
        for trial in simulate(Sobol().build(QUADRATIC, Goal.MINIMIZE, 0), QUADRATIC, 16)
    ]
    assert sum(x < 0 for x in xs) == 8


def test_importing_the_union_imports_no_vendor():
    heavy = ("optuna", "torch", "numpy", "scipy", "cmaes", "ray", "mlflow")
    program = (
        "import sys, autotune.search, autotune.schedule; "
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert answer.stdout.strip() == "[]", answer
