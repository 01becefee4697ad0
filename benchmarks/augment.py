"""What an augmentation costs beside the training step that it feeds.

    python benchmarks/augment.py [--rounds 30] [--batch 128] [--peers]

The step: forward, backward and AdamW of a small CNN (3 blocks, 32 channels) on a batch of 128
images of 3 x 32 x 32, and of 1 x 28 x 28, on one thread. In every round each policy and mix is
applied once and one step is made; their order rotates. Printed: the median of the time of the
policy over the step of its round, in percent, with the quartiles. Time is CPU time of the one
thread. The aim is 20 %.

With --peers also what kornia (on the batch) and torchvision's v2 transforms (image by image) take
for the like; those of kornia that choose a move choose one for the whole batch, and need colours.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Sequence

import torch
from torch.nn.functional import cross_entropy, one_hot

from autotune.testing.augment import images
from autotune.train.augment import pipeline
from autotune.train.augment.config import (
    AugMix,
    Basic,
    Both,
    CutMix,
    MixUp,
    RandAugment,
    TrivialAugment,
)
from autotune.train.data.base import Dataset
from autotune.train.models.build import build as build_model
from autotune.train.models.config import CnnModel

SHAPES = ((3, 32, 32), (1, 28, 28))
POLICIES = {
    "basic: crop_pad": Basic(),
    "basic: flip, crop_pad, cutout": Basic(flip=0.5, cutout=0.5),
    "basic: rotate, scale, shear, translate": Basic(
        flip=0.5, rotate=15.0, scale=0.1, shear=5.0, translate=0.1
    ),
    "basic: resized_crop": Basic(crop_pad=0.0, resized_crop=0.3),
    "basic: brightness, contrast, saturation": Basic(
        crop_pad=0.0, brightness=0.4, contrast=0.4, saturation=0.4
    ),
    "basic: hue": Basic(crop_pad=0.0, hue=0.1),
    "basic: blur of 1": Basic(crop_pad=0.0, blur=1.0),
    "basic: erase": Basic(crop_pad=0.0, erase=0.5),
    "rand_augment(2, 9)": RandAugment(),
    "trivial_augment": TrivialAugment(),
    "augmix": AugMix(),
}
MIXES = {"mixup": MixUp(), "cutmix": CutMix(), "both": Both()}

Call = Callable[[], object]


def calls(data: Dataset) -> dict[str, Call]:
    x, target = data.train.x, one_hot(data.train.y, data.classes).float()
    draws = torch.Generator().manual_seed(0)
    found: dict[str, Call] = {}
    for name, config in POLICIES.items():
        policy = pipeline.build_policy(config, data)
        found[name] = lambda policy=policy: policy(x, draws)  # type: ignore[misc]
    for name, mixing in MIXES.items():
        mix = pipeline.build_mix(mixing)
        found[name] = lambda mix=mix: mix(x, target, draws)  # type: ignore[misc]
    return found


def peers(data: Dataset) -> dict[str, Call]:
    import kornia.augmentation as batched
    from torchvision.transforms import v2

    x = torch.rand(len(data.train.x), *data.shape)
    size = tuple(data.shape[1:])
    theirs = {
        "kornia RandomCrop": batched.RandomCrop(size, padding=4),
        "kornia RandomAffine": batched.RandomAffine(15.0, (0.1, 0.1), (0.9, 1.1), 5.0, p=1.0),
        "kornia RandomErasing": batched.RandomErasing(),
    }
    bytes_ = (x * 255).to(torch.uint8)
    single = {
        "torchvision RandomCrop": v2.RandomCrop(size, padding=4),
        "torchvision RandomAffine": v2.RandomAffine(15, (0.1, 0.1), (0.9, 1.1), 5),
        "torchvision RandomErasing": v2.RandomErasing(),
        "torchvision RandAugment": v2.RandAugment(2, 9),
        "torchvision TrivialAugmentWide": v2.TrivialAugmentWide(),
        "torchvision AugMix": v2.AugMix(),
    }
    if data.shape[0] == 3:
        theirs["kornia RandAugment"] = batched.auto.RandAugment(2, 9)
        theirs["kornia TrivialAugment"] = batched.auto.TrivialAugment()
        theirs["kornia ColorJitter"] = batched.ColorJitter(0.4, 0.4, 0.4, 0.1, p=1.0)
        single["torchvision ColorJitter"] = v2.ColorJitter(0.4, 0.4, 0.4, 0.1)
    return {
        **{name: lambda f=f: f(x) for name, f in theirs.items()},  # type: ignore[misc]
        **{
            name: lambda f=f: torch.stack([f(image) for image in bytes_])  # type: ignore[misc]
            for name, f in single.items()
        },
    }


def step_of(data: Dataset) -> Call:
    torch.manual_seed(0)
    model = build_model(CnnModel(blocks=3, channels=32), data.shape, data.classes, None)
    optimizer = torch.optim.AdamW(model.parameters())

    def step() -> None:
        cross_entropy(model(data.train.x), data.train.y).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def seconds(call: Call) -> float:
    began = time.thread_time()
    call()
    return time.thread_time() - began


def measure(data: Dataset, contenders: dict[str, Call], rounds: int) -> None:
    samples = len(data.train.x)
    everything = {**contenders, "step": step_of(data)}
    names = list(everything)
    for name in names * 2:
        everything[name]()
    taken: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            taken[name].append(seconds(everything[name]))
    print(
        f"\n{samples} x {data.shape}: a step takes {1e3 * statistics.median(taken['step']):.1f} ms"
    )
    for name in contenders:
        ratios = [100 * a / b for a, b in zip(taken[name], taken["step"], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        own = 1e3 * statistics.median(taken[name])
        print(f"{name:42} {own:7.2f} ms  {middle:6.2f} %  ({low:.2f} to {high:.2f})")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--peers", action="store_true")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for shape in SHAPES:
        data = images(shape, samples=options.batch)
        measure(data, calls(data) | (peers(data) if options.peers else {}), options.rounds)
    print(f"\nn = {options.rounds} rounds, 1 thread, torch {torch.__version__}, ", end="")
    print(f"Python {platform.python_version()}, {platform.machine()}")


if __name__ == "__main__":
    main()
