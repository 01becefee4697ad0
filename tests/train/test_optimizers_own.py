"""lion, muon and schedule_free against their papers, written out here once more."""

from math import sqrt

import pytest
import torch
from torch import nn, optim
from torch.nn.functional import cross_entropy

from autotune.train.optim.config import Lion, Muon, ScheduleFree
from autotune.train.optim.groups import groups
from autotune.train.optim.muon import orthogonal

STEPS = 50


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Unflatten(1, (1, 4, 4)),
        nn.Conv2d(1, 6, 3, padding=1),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(96, 8),
        nn.Tanh(),
        nn.Linear(8, 3),
    )


def gradients(model: nn.Module, step: int) -> None:
    torch.manual_seed(1 + step % 4)
    x, y = torch.randn(20, 16), torch.randint(3, (20,))
    model.zero_grad()
    cross_entropy(model(x), y).backward()


def close(ours: nn.Module, theirs: nn.Module) -> None:
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=2e-5, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")


@torch.no_grad()
def lions_step(p, momentum, lr, decay, beta1, beta2) -> torch.Tensor:
    """Chen et al. 2023, algorithm 2, line by line."""
    update = beta1 * momentum + (1 - beta1) * p.grad
    p.sub_(lr * (torch.sign(update) + decay * p))
    return beta2 * momentum + (1 - beta2) * p.grad


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_lion_is_the_papers(decay: float) -> None:
    ours, theirs = net(), net()
    config = Lion(lr=3e-3, beta1=0.8, weight_decay=decay)
    optimizer = config.build(groups(ours, config))
    momenta = [torch.zeros_like(p) for p in theirs.parameters()]
    for step in range(STEPS):
        gradients(ours, step)
        optimizer.step()
        gradients(theirs, step)
        for at, p in enumerate(theirs.parameters()):
            pull = decay if p.ndim > 1 else 0.0
            momenta[at] = lions_step(p, momenta[at], 3e-3, pull, 0.8, 0.99)
    close(ours, theirs)


def test_lion_on_a_bowl_steps_by_its_rate() -> None:
    point = nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = Lion(lr=0.01).build([point])
    for _ in range(STEPS):
        optimizer.zero_grad()
        point.square().sum().backward()
        optimizer.step()
    assert point.tolist() == pytest.approx([0.5, -1.5], abs=1e-5)


def test_muon_is_torchs_on_matrices_and_adamw_on_the_rest() -> None:
    ours, theirs = net(), net()
    config = Muon(lr=0.01, weight_decay=0.1, rest=0.5)
    optimizer = config.build(groups(ours, config))
    kernel, hidden, last = theirs[1], theirs[4], theirs[6]
    # torch's knows no kernels: it is given a matrix that is copied back after each step.
    flat = nn.Parameter(kernel.weight.detach().flatten(1).clone())
    muon = optim.Muon(
        [flat, hidden.weight], lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"
    )
    biases = [kernel.bias, hidden.bias, last.bias]
    adamw = optim.AdamW(
        [{"params": [last.weight], "weight_decay": 0.1}, {"params": biases, "weight_decay": 0.0}],
        lr=0.005,
    )
    for step in range(STEPS):
        gradients(ours, step)
        for group in optimizer.param_groups:  # as the loop does
            group["lr"] = 0.01 * group["scale"]
        optimizer.step()
        gradients(theirs, step)
        flat.grad = kernel.weight.grad.flatten(1).clone()
        muon.step()
        adamw.step()
        kernel.weight.data.copy_(flat.detach().view_as(kernel.weight))
    for name, start in net().named_parameters():
        a, b = ours.get_parameter(name), theirs.get_parameter(name)
        apart = (a - b).norm() / (b - start).norm()
        assert apart < 0.02, f"{name}: {apart:.3f} of the way"  # torch's is in bfloat16


@pytest.mark.parametrize("shape", [(8, 8), (4, 30), (30, 4)])
def test_muons_matrix_is_about_orthogonal(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonal(torch.randn(shape), torch.float32))
    assert 0.6 < values.min() and values.max() < 1.3


@pytest.mark.parametrize("shape", [(8, 8), (4, 30), (30, 4)])
def test_muons_matrix_is_torchs_in_its_precision(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.zeros(shape))
    weight.grad = torch.randn(shape)
    expected = -orthogonal(weight.grad * (0.05 * 0.95 + 0.05), torch.bfloat16).float()
    optim.Muon([weight], lr=1.0, weight_decay=0.0, adjust_lr_fn="match_rms_adamw").step()
    torch.testing.assert_close(
        weight.detach(), expected * 0.2 * sqrt(max(shape)), rtol=0.02, atol=0.01
    )


def test_muons_step_is_as_large_as_adamws() -> None:
    """Liu et al. 2025, section 2.2: a root mean square of 0.2 of the rate."""
    weight = nn.Parameter(torch.zeros(40, 60))
    optimizer = Muon(lr=1.0, weight_decay=0.0).build([weight])
    torch.manual_seed(0)
    weight.grad = torch.randn(40, 60)
    optimizer.step()
    assert weight.square().mean().sqrt().item() == pytest.approx(0.2, rel=0.2)


def test_muon_of_vectors_alone_is_adamw() -> None:
    ours, theirs = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    optimizers = Muon(lr=0.1).build([ours]), optim.AdamW([theirs], lr=0.1)
    for _ in range(STEPS):
        for p, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            p.square().sum().backward()
            optimizer.step()
    assert torch.equal(ours, theirs)


def test_schedule_free_is_the_papers() -> None:
    """Defazio et al. 2024, algorithm 1, with x, y and z each kept for itself, the rate rising."""
    ours, theirs = net(), net()
    config = ScheduleFree(lr=0.01, beta2=0.99, weight_decay=0.1)
    optimizer = config.build(groups(ours, config))
    optimizer.train()
    parameters = list(theirs.parameters())
    x = [p.detach().clone() for p in parameters]
    z = [p.detach().clone() for p in parameters]
    squares = [torch.zeros_like(p) for p in parameters]
    weights = 0.0
    for step in range(STEPS):
        lr = 0.01 * min(1.0, (step + 1) / 10)
        gradients(ours, step)
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()

        with torch.no_grad():
            for p, a, b in zip(parameters, x, z, strict=True):
                p.copy_(0.1 * b + 0.9 * a)  # y
        gradients(theirs, step)
        weights += lr**2
        for at, p in enumerate(parameters):
            squares[at] = 0.99 * squares[at] + 0.01 * p.grad**2
            size = (squares[at] / (1 - 0.99 ** (step + 1))).sqrt() + 1e-8
            pull = 0.1 if p.ndim > 1 else 0.0
            z[at] = z[at] - lr * (p.grad / size + pull * p.detach())
            x[at] = (1 - lr**2 / weights) * x[at] + lr**2 / weights * z[at]
    optimizer.eval()
    for a, b in zip(ours.parameters(), x, strict=True):
        torch.testing.assert_close(a.detach(), b, rtol=1e-3, atol=1e-4)
    assert sqrt(sum((a - b).square().sum().item() for a, b in zip(x, z, strict=True))) > 0.01
