"""What is searched: parameters, the conditions under which they exist, and the space they span.

    optimizer.name:     {type: categorical, choices: [sgd, momentum, adam]}
    optimizer.momentum: {type: float, low: 0.5, high: 0.99, when: {optimizer.name: momentum}}
    model.depth:        {type: int, low: 1, high: 4}
    model.residual:     {type: categorical, choices: [true, false], when: {model.depth: ">= 2"}}

A parameter whose conditions do not all hold is *inactive*: it has no value at all. Pure: nothing
here knows a sampler, a file or a training config. A bad parameter or space cannot be constructed.
"""

from autotune.space.parameter import Categorical, Condition, Confidence, Float, Int, Parameter
from autotune.space.space import Space, is_active

__all__ = [
    "Categorical",
    "Condition",
    "Confidence",
    "Float",
    "Int",
    "Parameter",
    "Space",
    "is_active",
]
