"""The exported network as an MLflow model: MLflow runs this file, which lies beside the model.

It needs torch, pandas and the files of the export, nothing of autotune.
"""

import importlib.util
import json
from pathlib import Path
from typing import Any

import mlflow
import pandas
import torch

__all__ = ["Served"]


class Served(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    def load_context(self, context: Any) -> None:
        folder = Path(context.artifacts["export"])
        spec = importlib.util.spec_from_file_location("autotune_load", folder / "load.py")
        assert spec and spec.loader
        self.load = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.load)
        self.facts = json.loads((folder / "input.json").read_text())
        program: Any = torch.export.load(folder / "model.pt2")
        self.program = program.module()

    # MLflow makes checks of its own of an annotation, and warns of those that it does not know.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """The class and the probability of each; of a regression the number."""
        if isinstance(model_input, pandas.DataFrame):
            rows, columns = model_input.to_dict("records"), self.facts["columns"]
            values = [[self.load.value(row, c, self.facts) for c in columns] for row in rows]
            model_input = torch.tensor(values)
        answers = self.program(torch.as_tensor(model_input).float()).detach()
        if not (names := self.facts["classes"]):
            return pandas.DataFrame({"prediction": answers[:, 0].tolist()})
        chances = answers.softmax(1)
        columns = {f"p_{name}": chances[:, i].tolist() for i, name in enumerate(names)}
        said = [names[place] for place in answers.argmax(1).tolist()]
        return pandas.DataFrame({"prediction": said} | columns)


mlflow.models.set_model(Served())
