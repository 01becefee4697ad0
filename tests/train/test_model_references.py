"""Networks against independent ones: torchvision's, given the same weights, and the papers."""

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.convnext import CNBlockConfig, ConvNeXt
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet
from torchvision.models.vision_transformer import VisionTransformer

from autotune.errors import InvalidInput
from autotune.testing.models import seeded
from autotune.train.models.blocks import blocks, head
from autotune.train.models.build import build as build_model
from autotune.train.models.config import (
    ConvnextModel,
    ResnetModel,
    TorchvisionModel,
    VitModel,
    WideResnetModel,
)
from autotune.train.models.torchvision import adapt_input


def given(ours: nn.Module, theirs: nn.Module, order: list[int] | None = None) -> nn.Module:
    """Ours with the parameters of theirs, in the order of registration or the one given."""
    values = list(theirs.parameters())
    values = [values[i] for i in order] + values[len(order) :] if order else values
    mine = list(ours.parameters())
    assert len(mine) == len(values)
    with torch.no_grad():
        for parameter, value in zip(mine, values, strict=True):
            assert parameter.numel() == value.numel()
            parameter.copy_(value.reshape(parameter.shape))
    return ours


def close(ours: nn.Module, theirs: nn.Module, x: Tensor) -> None:
    with torch.no_grad():
        for norm in theirs.modules():  # ours have torch's own
            if isinstance(norm, nn.LayerNorm):
                norm.eps = 1e-5
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("block", "depth", "stem"),
    [("basic", 2, "small"), ("basic", 1, "large"), ("bottleneck", 1, "small")],
)
def test_resnet_is_torchvisions(block: str, depth: int, stem: str) -> None:
    kind = {"basic": BasicBlock, "bottleneck": Bottleneck}[block]
    theirs = ResNet(kind, [depth] * 4, num_classes=5)
    if stem == "small":
        theirs.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        theirs.maxpool = nn.Identity()
    config = ResnetModel(block=block, depth=depth, stages=4, width=4.0, stem=stem)
    ours = given(seeded(config, (3, 32, 32), 5), theirs)
    close(ours, theirs, torch.randn(2, 3, 16, 16))


def test_resnet_18_has_as_many_parameters_as_torchvisions() -> None:
    with torch.device("meta"):
        theirs = torchvision.models.resnet18()
        config = ResnetModel(depth=2, stages=4, width=4.0, stem="large")
        assert count(build_model(config, (3, 224, 224), 1000, None)) == count(theirs) == 11_689_512


def test_the_stem_follows_the_image() -> None:
    small, large = (seeded(ResnetModel(), (3, side, side), 5)[0] for side in (95, 96))
    assert (small.kernel_size, small.stride) == ((3, 3), (1, 1))
    assert (large.kernel_size, large.stride) == ((7, 7), (2, 2))


def test_vit_is_torchvisions() -> None:
    theirs = VisionTransformer(16, 4, num_layers=3, num_heads=4, hidden_dim=32, mlp_dim=128)
    nn.init.normal_(theirs.heads.head.weight, std=0.1)  # it begins at 0
    config = VitModel(patch=4, depth=3, width=32, heads=4, pool="token")
    ours = seeded(config, (3, 16, 16), 1000)
    # Theirs has the token, the patches' weight and bias, then the places.
    close(given(ours, theirs, [0, 3, 1, 2]), theirs, torch.randn(4, 3, 16, 16))


def test_convnext_is_torchvisions() -> None:
    stages = [CNBlockConfig(16, 32, 2), CNBlockConfig(32, 64, 2), CNBlockConfig(64, None, 2)]
    theirs = ConvNeXt(stages, layer_scale=0.1, num_classes=5)
    ours = seeded(ConvnextModel(depth=2, stages=3, width=16, patch=4), (3, 32, 32), 5)
    close(given(ours, theirs), theirs, torch.randn(4, 3, 32, 32))


@pytest.mark.parametrize(("depth", "widen", "millions"), [(4, 10, 36.5), (2, 8, 11.0), (6, 4, 8.9)])
def test_wide_resnets_are_the_papers(depth: int, widen: int, millions: float) -> None:
    """Zagoruyko & Komodakis 2016, table 3 and 4: WRN-28-10, WRN-16-8, WRN-40-4."""
    with torch.device("meta"):
        model = build_model(WideResnetModel(depth=depth, widen=widen), (3, 32, 32), 10, None)
    assert count(model) / 1e6 == pytest.approx(millions, abs=0.06)
    if widen == 10:
        assert count(model) == 36_479_194  # as the authors' own code, and its ports, count


def test_the_resnet_for_small_images_is_he_s() -> None:
    """He et al. 2016, table 6: ResNet-20 and 56 have 0.27 and 0.85 million parameters (our
    shortcuts, 1 x 1 convolutions, add 1 %)."""
    for depth, millions in ((3, 0.27), (9, 0.85)):
        assert count(seeded(ResnetModel(depth=depth), (3, 32, 32), 10)) / 1e6 == pytest.approx(
            millions, abs=0.01
        )


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_blocks_are_the_stem_the_residual_blocks_and_the_head() -> None:
    networks = {
        ResnetModel(depth=2, stages=3): 6,
        WideResnetModel(depth=2): 6,
        VitModel(depth=3): 3,
    }
    for config, between in networks.items():
        model = seeded(config, (3, 32, 32), 5)
        assert len(blocks(model)) == 1 + between + 1, config.name
        assert head(model) is model[-1]
    assert len(blocks(seeded(ConvnextModel(depth=2, stages=3), (3, 32, 32), 5))) == 1 + 6 + 2 + 1


SIDES = {"inception_v3": 96, "alexnet": 64, "vit_b_32": 64, "maxvit_t": 224}
FAST = ["mobilenet_v3_small", "shufflenet_v2_x0_5", "squeezenet1_1"]
SLOW = ["alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "inception_v3"]
SLOW += ["mnasnet0_5", "regnet_y_400mf", "swin_t", "vgg11", "vit_b_32", "maxvit_t"]


@pytest.mark.parametrize(
    "arch", FAST + [pytest.param(arch, marks=pytest.mark.slow) for arch in SLOW]
)
def test_torchvisions_classifiers_take_grey_images(arch: str) -> None:
    side = SIDES.get(arch, 32)
    model = seeded(TorchvisionModel(arch=arch), (1, side, side), 5)
    model(torch.randn(2, 1, side, side)).square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
    assert head(model).out_features == 5
    assert head(model) in blocks(model)[-1]


def test_an_unknown_arch_names_the_nearest() -> None:
    with pytest.raises(InvalidInput, match="did you mean 'resnet18'"):
        build_model(TorchvisionModel(arch="resnet_18"), (3, 32, 32), 5, None)


def test_too_small_an_image_is_one_clear_line() -> None:
    with pytest.raises(InvalidInput) as caught:
        build_model(TorchvisionModel(arch="squeezenet1_1"), (1, 8, 8), 5, None)
    assert str(caught.value) == (
        "`model.arch` squeezenet1_1 cannot take images of 8 x 8 pixels; 32 x 32 would fit"
    )


def test_an_adapted_input_sees_grey_as_it_saw_colour() -> None:
    old = nn.Conv2d(3, 8, 3, stride=2, padding=1)
    grey = torch.randn(2, 1, 9, 9)
    wanted = old(grey.expand(-1, 3, -1, -1))
    torch.testing.assert_close(adapt_input(old, 1)(grey), wanted)
    torch.testing.assert_close(adapt_input(old, 6)(grey.expand(-1, 6, -1, -1)), wanted)


def test_the_check_of_the_size_draws_nothing() -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.resnet18(num_classes=5)
    ours = seeded(TorchvisionModel(), (3, 32, 32), 5)
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(tensor, ours.state_dict()[name]), name
