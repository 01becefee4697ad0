"""The export of a training without a study, such as the winner's on all of the data."""

import json
from pathlib import Path

from autotune.errors import AutotuneError
from autotune.export.data_facts import data_facts
from autotune.export.input import Input
from autotune.export.paths import absolute
from autotune.export.program import write_predictor
from autotune.export.source import FOLDER, copy_sources
from autotune.export.sums import write_sums
from autotune.export.target import whole_folder
from autotune.export.verify import copy_whole
from autotune.spec import dump_config
from autotune.train.config import TrainConfig

__all__ = ["export_without_study"]

_CARD = """# A network of `{name}`

Trained by `autotune train` on {samples:,} samples{whole}. Predict with it:

    autotune predict . FILE

or with torch alone: `python load.py rows.csv`. `SHA256SUMS` tells whether a file was changed.
"""


def export_without_study(config: TrainConfig, weights: Path, target: Path) -> list[str]:
    """Writes the network that a training of `config` left in the file `weights` into the folder
    `target`, as `autotune export` does; notes. Raises AutotuneError where it cannot be built."""
    plain = absolute(config.model_dump(mode="json"))
    with whole_folder(target) as made:
        (made / "best.yaml").write_text(dump_config(plain, ["Trained alone, without a study"]))
        (made / "config.json").write_text(json.dumps(plain, indent=2) + "\n")
        restored = copy_whole(weights, made / "model.safetensors", config)
        if restored.trained is None:
            raise AutotuneError(restored.notes[0])
        facts = data_facts(restored.trained.config, restored.trained.data)
        input = Input.of(restored.trained.data, "", 0, facts)
        notes = write_predictor(restored.trained, input, made)
        copy_sources(plain, made / FOLDER)
        metrics = {} if config.data.use_all else dict(restored.held.metrics)
        (made / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
        whole = ": all there are, so that no score is claimed" if config.data.use_all else ""
        said = _CARD.format(name=config.data.name, samples=facts.samples[0], whole=whole)
        (made / "README.md").write_text(said)
        write_sums(made)
    return [*restored.notes, *notes]
