"""Where a data set lies while it is trained on."""

from dataclasses import replace

import torch

from autotune.train.data.values import Dataset, Split

__all__ = ["placed"]

SHARE = 0.5  # of the free memory of the GPU: the rest is for the training


def placed(data: Dataset, device: str) -> Dataset:
    """On the device if it fits there; otherwise the samples stay in main memory, to be moved batch
    by batch. The statistics go with the training in any case."""
    if device == "cpu":
        return data
    free, _ = torch.cuda.mem_get_info(torch.device(device))
    parts = (data.train, data.val, data.test)
    mean, std = data.mean.to(device), data.std.to(device)
    if sum(tensor.nbytes for part in parts for tensor in (part.x, part.y)) > SHARE * free:
        return replace(data, mean=mean, std=std)
    train, val, test = (Split(part.x.to(device), part.y.to(device)) for part in parts)
    return replace(data, train=train, val=val, test=test, mean=mean, std=std)
