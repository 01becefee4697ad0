"""Attributions against their axioms, closed forms, and a patch that is known to decide."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from autotune.interpret.attribution import black, grad_cam, integrated_gradients, last_map

SIZE = 12


def cnn(activation: Callable[[], nn.Module] = nn.ReLU, most: bool = False) -> nn.Module:
    """`most`: the pooling takes the highest value, not the mean."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        activation(),
        nn.Conv2d(8, 8, 3, padding=1),
        activation(),
        nn.AdaptiveMaxPool2d(1) if most else nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 2),
    ).eval()


def mlp() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Flatten(), nn.Linear(SIZE * SIZE, 32), nn.ReLU(), nn.Linear(32, 2)]
    return nn.Sequential(*layers).eval()


def patched(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Noise, with a bright 3 x 3 patch in those of class 1; (count, 2) corners of the patches."""
    draw = torch.Generator().manual_seed(1)
    x = 0.1 * torch.randn(count, 1, SIZE, SIZE, generator=draw)
    y = torch.arange(count) % 2
    corners = torch.randint(0, SIZE - 3, (count, 2), generator=draw)
    for image, label, (row, column) in zip(x, y, corners.tolist(), strict=True):
        image[0, row : row + 3, column : column + 3] += float(label)
    return x, y, corners


def fit(model: nn.Module, x: Tensor, y: Tensor) -> nn.Module:
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(100):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    assert (model(x).argmax(1) == y).float().mean() > 0.95
    return model


@pytest.fixture(scope="module", params=["cnn", "mlp"])
def trained(request: pytest.FixtureRequest) -> tuple[nn.Module, Tensor, Tensor]:
    """A network that has learnt what the patch means, patched images and where the patch is."""
    x, y, corners = patched(200)
    model = fit(cnn(most=True) if request.param == "cnn" else mlp(), x, y)
    chosen = (y == 1) & (model(x).argmax(1) == 1)
    return model, x[chosen][:40], corners[chosen][:40]


def inside(maps: Tensor, corners: Tensor, slack: int) -> float:
    """The share of (B, H, W) maps whose highest point is in the patch, or `slack` pixels off."""
    peaks = maps.flatten(1).argmax(1)
    place = torch.stack([peaks // SIZE, peaks % SIZE], 1)
    return float(
        ((place >= corners - slack) & (place <= corners + 2 + slack)).all(1).float().mean()
    )


@pytest.mark.parametrize(("activation", "off"), [(nn.Tanh, 1e-3), (nn.GELU, 1e-3), (nn.ReLU, 3e-2)])
def test_integrated_gradients_are_complete(activation: type[nn.Module], off: float) -> None:
    """They sum to f(x) - f(baseline) (Sundararajan et al. 2017, proposition 1)."""
    model = cnn(activation)
    x = torch.randn(9, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(2))
    start, target = torch.full((1, 1, 1, 1), -0.5), torch.arange(9) % 2
    found = integrated_gradients(model, x, start, target)
    assert found.shape == x.shape and found.dtype == x.dtype
    change = (model(x) - model(start.expand_as(x))).detach()
    expected = change.gather(1, target[:, None])[:, 0]
    assert torch.allclose(found.flatten(1).sum(1), expected, atol=off * float(change.abs().max()))


def test_integrated_gradients_of_a_linear_model_are_its_terms() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 3)).eval()
    x = torch.randn(5, 3, 2, 2)
    start = black(torch.full((1, 3, 1, 1), 4.0), torch.full((1, 3, 1, 1), 2.0))
    assert torch.equal(start, torch.full((1, 3, 1, 1), -2.0))
    found = integrated_gradients(model, x, start, torch.tensor([0, 1, 2, 0, 1]))
    weights = model[1].weight[[0, 1, 2, 0, 1]].view(5, 3, 2, 2)
    assert torch.allclose(found, weights * (x + 2), atol=1e-5)


def test_integrated_gradients_peak_at_what_decides(
    trained: tuple[nn.Module, Tensor, Tensor],
) -> None:
    model, x, corners = trained
    found = integrated_gradients(model, x, torch.zeros(1, 1, 1, 1), torch.ones(len(x)).long())
    assert inside(found[:, 0], corners, slack=0) >= 0.9


def test_grad_cam_peaks_at_what_decides(trained: tuple[nn.Module, Tensor, Tensor]) -> None:
    model, x, corners = trained
    found = grad_cam(model, x, torch.ones(len(x)).long())
    if not isinstance(model[0], nn.Conv2d):
        assert found is None
        return
    assert found is not None and found.shape == (len(x), SIZE, SIZE) and (found >= 0).all()
    assert inside(found, corners, slack=1) >= 0.9


def test_grad_cam_has_its_closed_form() -> None:
    """With averages after the convolution, the weight of a channel is that of the linear layer."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    model = nn.Sequential(*layers, nn.Linear(4, 3)).eval()
    x = torch.randn(2, 1, SIZE, SIZE)
    found = grad_cam(model, x, torch.tensor([0, 2]))
    weights = model[3].weight[[0, 2]] / SIZE**2  # (2, 4)
    expected = (weights[:, :, None, None] * model[0](x)).sum(1).relu()
    assert found is not None and torch.allclose(found, expected, atol=1e-6)


def test_an_activation_in_place_changes_nothing() -> None:
    x, target = torch.randn(3, 1, SIZE, SIZE), torch.tensor([0, 1, 0])
    ours, other = (
        grad_cam(cnn(partial(nn.ReLU, inplace=True)), x, target),
        grad_cam(cnn(), x, target),
    )
    assert ours is not None and other is not None and torch.allclose(ours, other)


class Patches(nn.Module):
    """As a vision transformer begins: a convolution that cuts patches, then tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.cut = nn.Conv2d(1, 8, 3, stride=3)
        self.mix = nn.Linear(8, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.mix(self.cut(x).flatten(2).transpose(1, 2))
        return self.head(tokens.mean(1))


def test_the_last_map_is_a_convolution_that_sees_enough() -> None:
    x = torch.zeros(1, 1, SIZE, SIZE)
    model = cnn()
    assert last_map(model, x) is model[2]
    assert last_map(model, torch.zeros(1, 1, 3, 3)) is None  # too coarse to point anywhere
    assert last_map(mlp(), x) is None
    assert last_map(Patches().eval(), x) is None
