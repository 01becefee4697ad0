"""Changes of colour, each image by an amount of its own, on pixels from 0 to 1.

p is (B, C, H, W) with 1 or 3 channels, an amount is (B,). With one amount for all images they are
the functions of torchvision.transforms.v2.functional.
"""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

__all__ = [
    "autocontrast",
    "blur",
    "brightness",
    "contrast",
    "equalize",
    "grayscale",
    "hue",
    "posterize",
    "saturation",
    "sharpness",
    "solarize",
]

LUMA = (0.2989, 0.587, 0.114)
LEVELS = 256


def brightness(p: Tensor, factor: Tensor) -> Tensor:
    return (p * over(factor)).clamp_(0, 1)


def contrast(p: Tensor, factor: Tensor) -> Tensor:
    return blend(p, grey(p).mean((1, 2, 3), keepdim=True), factor)


def saturation(p: Tensor, factor: Tensor) -> Tensor:
    return blend(p, grey(p), factor) if p.shape[1] == 3 else p


def sharpness(p: Tensor, factor: Tensor) -> Tensor:
    """Blurred below 1, sharpened above; the outermost pixels stay."""
    if min(p.shape[2:]) <= 2:
        return p
    channels = p.shape[1]
    kernel = torch.ones(channels, 1, 3, 3, device=p.device, dtype=p.dtype)
    kernel[:, :, 1, 1] = 5
    soft = p.clone()
    soft[:, :, 1:-1, 1:-1] = conv2d(p, kernel / 13, groups=channels)
    return blend(p, soft, factor)


def hue(p: Tensor, turn: Tensor) -> Tensor:
    """`turn` of the colour wheel, -0.5 to 0.5. Hue is found as in Smith 1978."""
    if p.shape[1] != 3:
        return p
    low, high = p.aminmax(dim=1)  # (B, H, W)
    red, green, blue = p.unbind(1)
    span = high - low
    safe = torch.where(span == 0, 1.0, span)
    angle = torch.where(
        high == red,
        (green - blue) / safe,
        torch.where(high == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    angle += 6 * turn[:, None, None]
    # A channel falls from `high` by the share of the span that its place on the wheel says.
    shares = [((angle + place) % 6).clamp_max_(4) for place in (5.0, 3.0, 1.0)]
    return torch.stack([high - span * fall(share) for share in shares], 1).clamp_(0, 1)


def fall(place: Tensor) -> Tensor:
    """0 at 0, 1 from 1 to 3, 0 at 4: how far a channel lies below the highest one."""
    return torch.minimum(place, 4 - place).clamp_(0, 1)


def grayscale(p: Tensor, chosen: Tensor) -> Tensor:
    """Without colour where `chosen`, (B,) booleans."""
    return torch.where(over(chosen), grey(p), p)


def posterize(p: Tensor, removed: Tensor) -> Tensor:
    """With `removed` (rounded) of a channel's 8 bits left out; without any, as it is."""
    bits = 8 - removed.round()
    levels = over(bits.exp2())
    coarse = torch.minimum((p * levels).floor_().clamp_min_(0), levels - 1) / levels
    return torch.where(over(bits) < 8, coarse, p)


def solarize(p: Tensor, threshold: Tensor) -> Tensor:
    """Inverted from `threshold` on."""
    return torch.where(p >= over(threshold), 1 - p, p)


def autocontrast(p: Tensor, _: Tensor | None = None) -> Tensor:
    """Each channel stretched to 0 to 1; an even one stays."""
    low, high = p.amin((2, 3), keepdim=True), p.amax((2, 3), keepdim=True)
    span = high - low
    return torch.where(span == 0, p, (p - low) / span.clamp_min(1e-12)).clamp_(0, 1)


def equalize(p: Tensor, _: Tensor | None = None) -> Tensor:
    """Each channel's 256 levels spread so that they are used evenly, as PIL does."""
    flat = (p.flatten(2) * (LEVELS - 1e-3)).long()  # (B, C, H * W), 0 to 255
    counts = flat.new_zeros(*flat.shape[:2], LEVELS)
    total = counts.scatter_add_(2, flat, flat.new_ones(1).expand_as(flat)).cumsum(2)
    pixels = flat.shape[2]
    last = counts.gather(2, total.argmax(2, keepdim=True))  # of the brightest level in use
    step = (pixels - last) // (LEVELS - 1)
    table = ((total + step // 2) // step.clamp_min(1)).clamp_(0, LEVELS - 1)
    table = torch.cat((table.new_zeros(*table.shape[:2], 1), table[..., :-1]), 2)
    even = torch.where(step == 0, flat, table.gather(2, flat))
    return (even.to(p.dtype) / (LEVELS - 1)).view_as(p)


def blur(p: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """A Gaussian of this standard deviation in pixels, cut `radius` pixels from its centre."""
    radius = min(radius, min(p.shape[2:]) - 1)
    if radius == 0:
        return p
    distance = torch.arange(-radius, radius + 1, device=p.device)
    weight = (-0.5 * (distance / sigma.clamp_min(1e-3)[:, None]) ** 2).exp()
    weight = (weight / weight.sum(1, keepdim=True)).to(p.dtype)  # (B, K)
    wide = pad(p, (radius,) * 4, mode="reflect")
    return smear(smear(wide, weight, 2), weight, 3)


def smear(wide: Tensor, weight: Tensor, dim: int) -> Tensor:
    """Weighted sum of the K shifts of `wide` along `dim`, which gets shorter by K - 1."""
    length = wide.shape[dim] - weight.shape[1] + 1
    total = torch.zeros_like(wide.narrow(dim, 0, length))
    for k, w in enumerate(weight.unbind(1)):
        total.addcmul_(wide.narrow(dim, k, length), over(w))
    return total


def grey(p: Tensor) -> Tensor:
    """(B, 1, H, W)"""
    if p.shape[1] == 1:
        return p
    red, green, blue = p[:, :1], p[:, 1:2], p[:, 2:]
    return (red * LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


def blend(p: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    """p at factor 1, `other` at 0, and beyond."""
    return (other + (p - other) * over(factor)).clamp_(0, 1)


def over(amount: Tensor) -> Tensor:
    """(B,) -> (B, 1, 1, 1)"""
    return amount[:, None, None, None]
