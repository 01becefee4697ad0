"""Which parts of an image determine the network's output. Needs captum. Shapes: B images of C
channels."""

from captum.attr import IntegratedGradients, LayerAttribution, LayerGradCam
from torch import Tensor, nn

from autotune.interpret.subject import predict

__all__ = ["black", "grad_cam", "integrated_gradients", "last_map"]

_STEPS = 64
"""Steps from the baseline: the sum then differs from f(x) - f(baseline) by about a percent for
networks with kinks, by far less for smooth ones."""
_AT_ONCE = 64
_COARSEST = 4
"""A map with fewer pixels a side shows no location."""


def integrated_gradients(model: nn.Module, x: Tensor, baseline: Tensor, target: Tensor) -> Tensor:
    """(B, C, H, W): what each value of x adds to the score of class `target` (B,), against what
    the network says of `baseline` (broadcast over x): their sum is the difference of the scores.

    Sundararajan, Taly & Yan 2017.
    """
    method = IntegratedGradients(model)
    start = baseline.expand_as(x).contiguous()
    answer = method.attribute(
        x, start, target=target, n_steps=_STEPS, internal_batch_size=max(_AT_ONCE, len(x))
    )
    assert isinstance(answer, Tensor)
    return answer.detach().to(x.dtype)


def grad_cam(model: nn.Module, x: Tensor, target: Tensor) -> Tensor | None:
    """(B, H, W), never negative: where the last convolution saw what speaks for `target` (B,).

    None for a network without a last convolution to look at. Selvaraju et al. 2017.
    """
    layer = last_map(model, x[:1])
    if layer is None:
        return None
    coarse = LayerGradCam(model, layer).attribute(x, target, relu_attributions=True)
    assert isinstance(coarse, Tensor)
    fine = LayerAttribution.interpolate(coarse.detach(), x.shape[2:], "bilinear")
    assert isinstance(fine, Tensor)
    return fine[:, 0]


def last_map(model: nn.Module, x: Tensor) -> nn.Module | None:
    """The last convolution whose output is 4 x 4 pixels or more.

    None where there is none, or where tokens (B, T, D) come after it, as in a vision transformer:
    its convolution only cuts the image in patches.
    """
    seen: list[tuple[nn.Module, Tensor]] = []

    def note(module: nn.Module, _: object, output: object) -> None:
        if isinstance(output, Tensor):
            seen.append((module, output))

    leaves = [module for module in model.modules() if not any(True for _ in module.children())]
    hooks = [module.register_forward_hook(note) for module in leaves]
    try:
        predict(model, x)
    finally:
        for hook in hooks:
            hook.remove()
    for module, output in reversed(seen):
        if output.ndim == 3:
            return None
        if isinstance(module, nn.Conv2d) and min(output.shape[2:]) >= _COARSEST:
            return module
    return None


def black(mean: Tensor, std: Tensor) -> Tensor:
    """A baseline of integrated gradients: an image of zeros, as it is once normalised."""
    return -mean / std
