"""Parameters as Optuna's distributions."""

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from autotune.space import Float, Int, Parameter

__all__ = ["distribution"]


def distribution(parameter: Parameter) -> BaseDistribution:
    """The distribution of `parameter` for Optuna; conditions and priors are lost."""
    if isinstance(parameter, Float):
        return FloatDistribution(
            parameter.low, parameter.high, log=parameter.log, step=parameter.step
        )
    if isinstance(parameter, Int):
        return IntDistribution(
            parameter.low, parameter.high, log=parameter.log, step=parameter.step or 1
        )
    return CategoricalDistribution(parameter.choices)
