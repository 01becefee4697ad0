"""Out of memory on purpose: the trial is retried in smaller parts, as a study would, and the
process goes on."""

import time

import torch

from autotune.engine.worker.work import work
from autotune.trial import Assignment, Failure, Purpose, Reason, Report
from benchmarks.gpu.part import Figure, Skipped, Tell, Wrong
from benchmarks.gpu.setting import images, make, scratch

__all__ = ["out_of_memory"]

GIB = 3
"""What this process may take."""


def out_of_memory(dry: bool, tell: Tell) -> None:
    if dry:
        raise Skipped("needs a GPU, whose memory can be limited")
    whole = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(GIB * 2**30 / whole)
    path = images(scratch(), dry, samples=8_192)
    large = {"name": "vit", "depth": 6, "width": 256}
    accumulate, outcomes = 1, []
    while not outcomes or outcomes[-1] == Reason.OOM:
        if accumulate > 4_096:
            raise Wrong("one sample does not fit")
        config = make(path, "vit", dry, model=large, batch_size=4_096, epochs=1).model_dump(
            mode="json"
        )
        figure = attempted(config | {"accumulate": accumulate})
        tell({"accumulate": accumulate, **figure})
        outcomes.append(figure["outcome"])
        accumulate *= 2
    if outcomes[0] != Reason.OOM or outcomes[-1] != "complete":
        raise Wrong(f"expected oom, and complete in smaller parts, but got {outcomes}")
    after = attempted(make(path, "cnn", dry, epochs=2).model_dump(mode="json"))
    tell({"then": "another trial in the same process", **after})
    if after["outcome"] != "complete":
        raise Wrong(f"the next trial was {after['outcome']}: {after['said']}")


def attempted(config: Figure) -> Figure:
    """How a trial ends, and what it leaves in the GPU's memory."""
    began = time.perf_counter()
    place = Assignment(
        number=0,
        trial=0,
        purpose=Purpose.SEARCH,
        config=config,
        seed=0,
        from_step=0,
        to_step=config["epochs"],
        folder=str(scratch()),
        label="trial-0000",
    )
    replies = list(work(place))
    last = replies[-1]
    ended = last.reason if isinstance(last, Failure) else "complete"
    if not isinstance(last, Report | Failure):
        ended = "fault"
    left = torch.cuda.memory_allocated() / 2**20
    return {
        "outcome": str(ended),
        "said": "" if ended == "complete" else last.message,
        "left_mib": left,
        "seconds": time.perf_counter() - began,
    }
