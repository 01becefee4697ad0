"""Which strategy does what: the table of docs/parallel.md, from the rules that `check` asks.

python -m autotune.train.parallel.table
"""

from collections.abc import Iterator, Mapping
from typing import Any

from autotune.errors import InvalidInput
from autotune.train.config import apply

__all__ = ["NETWORKS", "OPTIONS", "STRATEGIES", "cell", "main", "table"]

STRATEGIES = ("ddp", "fsdp", "tensor", "pipeline")
NETWORKS: dict[str, dict[str, Any]] = {
    "mlp": {"depth": 2, "width": 16},
    "cnn": {"channels": 4},
    "resnet": {"width": 0.25, "stages": 2, "depth": 1, "norm": "group"},
    "wide_resnet": {"widen": 1, "depth": 1, "norm": "group"},
    "convnext": {"width": 8, "depth": 1, "stages": 2},
    "vit": {"width": 16, "depth": 2},
    "torchvision": {"arch": "shufflenet_v2_x0_5"},
    "custom": {"build": "my.nets:build"},
}
"""Small ones, of the kinds that a training config names."""
TAUGHT = {"teacher": {"name": "trained", "model": {"name": "mlp"}, "epochs": 1}}
STARTED = {"name": "trained", "data": {"name": "digits"}, "epochs": 1}
LAST = {"monitor": {"at": "last"}}
OPTIONS: dict[str, dict[str, Any]] = {
    "`accumulate`": {"accumulate": 2},
    "`clip_norm`, `metrics: [grad_norm]`": {"clip_norm": 0.5, "metrics": ["grad_norm"]},
    "`metrics`: params, flops, model_bytes": {"metrics": ["params", "flops", "model_bytes"]},
    "`reports_per_epoch`": {"reports_per_epoch": 2},
    "`precision` bf16": {"precision": "bf16"},
    "`precision` fp16 (on a GPU)": {"precision": "fp16", "device": "cuda"},
    "`channels_last`": {"channels_last": True},
    "`compile`": {"compile": True},
    "`model.norm` batch": {"model": {"name": "mlp", "width": 16, "norm": "batch"}},
    "`model.dropout`": {"model": {"name": "mlp", "width": 16, "dropout": 0.2}},
    "`model.stochastic_depth`": {
        "model": {"name": "vit", "width": 16, "depth": 2, "stochastic_depth": 0.3}
    },
    "`augment`, mixing included": {"augment": {"mix": {"name": "mixup"}}},
    "`layer_decay`": {"layer_decay": 0.8},
    "`lr_schedule` plateau": {"lr_schedule": {"name": "plateau", "patience": 0}},
    "`optimizer` gd": {"optimizer": {"name": "gd"}},
    "`optimizer` muon": {"optimizer": {"name": "muon"}},
    "`optimizer` lion": {"optimizer": {"name": "lion"}},
    "`optimizer` schedule_free": {"optimizer": {"name": "schedule_free"}},
    "`average` ema": {"average": {"name": "ema"}},
    "`average` swa": {"average": {"name": "swa", "start": 0.3}},
    "`prune.scope` layer": {"prune": {"name": "magnitude", "scope": "layer"}, **LAST},
    "`prune.scope` global": {"prune": {"name": "magnitude"}, **LAST},
    "`distill` soft_targets, decoupled": {"distill": {"name": "soft_targets", **TAUGHT}},
    "`distill` hints, attention": {"distill": {"name": "hints", **TAUGHT}},
    "`distill` relational": {"distill": {"name": "relational", **TAUGHT}},
    "`transfer` full, linear_probe, freeze, discriminative": {
        "transfer": {"source": STARTED, "strategy": {"name": "freeze"}}
    },
    "`transfer` gradual": {"transfer": {"source": STARTED, "strategy": {"name": "gradual"}}},
    "`transfer` l2_sp": {"transfer": {"source": STARTED, "strategy": {"name": "l2_sp"}}},
}
"""What a network is trained with; an mlp unless said otherwise."""
OWN_DRAWS = "works, with draws of its own"
NOTES: dict[tuple[str, str], str] = {
    ("`model.dropout`", "pipeline"): OWN_DRAWS,
    ("`model.stochastic_depth`", "pipeline"): OWN_DRAWS,
}


def cell(strategy: str, given: Mapping[str, Any]) -> str:
    """What becomes of a training config, but for its `parallel`: works, or why not."""
    base = {"data": {"name": "digits"}, "model": {"name": "mlp", "width": 16}, "epochs": 2}
    try:
        apply({**base, **given, "parallel": {"strategy": strategy, "workers": 2}}, {})
    except InvalidInput as error:
        return f"refused: {error.problems[0].message.partition(': ')[2]}"
    return "works"


def table() -> str:
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield from _head("network")
    for name, sizes in NETWORKS.items():
        given = {"model": {"name": name, **sizes}}
        yield _row(name, [cell(strategy, given) for strategy in STRATEGIES])
    yield ""
    yield from _head("option")
    for label, given in OPTIONS.items():
        found = [NOTES.get((label, s)) or cell(s, given) for s in STRATEGIES]
        yield _row(label, found)


def _head(what: str) -> Iterator[str]:
    yield _row(what, list(STRATEGIES))
    yield _row("---", ["---"] * len(STRATEGIES))


def _row(first: str, cells: list[str]) -> str:
    return f"| {' | '.join([first, *cells])} |"


def main() -> None:
    print(table(), end="")


if __name__ == "__main__":
    main()
