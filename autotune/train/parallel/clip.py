"""Clipping where no process has all gradients."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from autotune.train.parallel.group import Team

__all__ = ["clipped"]

TINY = 1e-6  # as in torch.nn.utils.clip_grad_norm_


@torch.no_grad()
def clipped(
    parameters: Iterable[nn.Parameter],
    longest: float,
    team: Team,
    divided: Callable[[nn.Parameter], bool],
) -> Tensor:
    """The norm of the whole gradient, which is shortened to `longest`.

    divided: whether the processes of the team have parts of a parameter, or all of it each
    """
    moving = [p for p in parameters if p.grad is not None]
    own = [p.grad for p in moving if p.grad is not None and divided(p)]
    same = [p.grad for p in moving if p.grad is not None and not divided(p)]
    like = moving[0].new_zeros(()) if moving else torch.zeros(())
    norm = (team.add(squares(own, like)) + squares(same, like)).sqrt()
    share = (longest / (norm + TINY)).clamp(max=1.0)
    if moving:
        torch._foreach_mul_([*own, *same], share)
    return norm


def squares(grads: list[Tensor], like: Tensor) -> Tensor:
    """The sum of all squares."""
    if not grads:
        return like.clone()
    return torch.stack(torch._foreach_norm(grads)).square().sum()
