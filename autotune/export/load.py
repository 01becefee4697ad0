"""Predict with this export, by torch alone: python load.py rows.csv; or from load import predict"""

import csv
import json
import sys
from pathlib import Path
from typing import Any

import torch

__all__ = ["predict"]
READ: dict[str, Any] = {"number": float, "boolean": str.capitalize, "text": str}


def predict(samples: Any, folder: Path = Path(__file__).parent) -> list[dict[str, Any]]:
    """`samples`: rows of a table as dicts, or a tensor (N, ...) of raw values."""
    facts, program = json.loads((folder / "input.json").read_text()), folder / "model.pt2"
    if not isinstance(samples, torch.Tensor):
        columns = facts["columns"]
        samples = torch.tensor([[value(row, c, facts) for c in columns] for row in samples])
    answers = torch.export.load(program).module()(samples.float()).detach()
    if not (names := facts["classes"]):  # a regression
        return [{"prediction": number} for number in answers[:, 0].tolist()]
    both = zip(answers.argmax(1).tolist(), answers.softmax(1).tolist(), strict=True)
    return [{"prediction": names[i], "p": dict(zip(names, p, strict=True))} for i, p in both]


def value(row: Any, column: dict[str, Any], facts: dict[str, Any]) -> float:
    given = row[column["name"]]
    text = "" if given is None or given != given else str(given)
    if column["kind"] == "number":
        gap = "nan" if text in facts["missing"] else text
        return float({"True": "1", "False": "0"}.get(gap, gap))
    found = None if text in facts["missing"] else READ[column["type"]](text)
    return 1.0 + column["values"].index(found) if found in column["values"] else 0.0


if __name__ == "__main__":
    print(*map(json.dumps, predict(csv.DictReader(open(sys.argv[1], newline="")))), sep="\n")
