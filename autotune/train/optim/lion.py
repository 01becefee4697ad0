"""Lion, Chen et al. 2023, "Symbolic discovery of optimization algorithms", algorithm 2."""

from collections.abc import Callable

import torch
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

__all__ = ["Lion"]


class Lion(Optimizer):
    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        assert closure is None, "the loss is computed before the step"
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            lr, decay = group["lr"], group["weight_decay"]
            moving = [p for p in group["params"] if p.grad is not None]
            if not moving:
                continue
            grads = [p.grad for p in moving]
            for p in moving:
                if not self.state[p]:
                    self.state[p]["momentum"] = torch.zeros_like(p)
            momenta = [self.state[p]["momentum"] for p in moving]
            signs = torch._foreach_lerp(momenta, grads, 1 - beta1)
            torch._foreach_sign_(signs)
            torch._foreach_mul_(moving, 1 - lr * decay)
            torch._foreach_add_(moving, signs, alpha=-lr)
            torch._foreach_lerp_(momenta, grads, 1 - beta2)
