"""Commands about an exported folder: predict, explain-model."""

import sys
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["explain_model", "predict"]

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="A folder that `autotune export` wrote.")
]
File = Annotated[
    Path, typer.Argument(metavar="FILE", help="A table, an image, a folder of images, or arrays.")
]


def predict(
    folder: Folder,
    file: File,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="A .csv, .tsv or .parquet file to write."),
    ] = None,
) -> None:
    """Predict with an exported network.

    FILE is a .csv, .tsv or .parquet table with the training columns; an image, or a folder of
    images; or a .npy array of samples. The output has one row a sample: the class and all
    probabilities, or the number. Without --out it is printed as CSV.

    \b
    Example:
      autotune predict best/ new.csv --out predictions.csv
      autotune predict best/ photos/
    """
    from autotune.export import predict as predicting

    if out is not None:
        predicting.check_out(out, file)
    made = predicting.predict(folder, file)
    for note in made.notes:
        typer.echo(f"note: {note}", err=True)
    if out is None:
        made.table.to_csv(sys.stdout, index=False)
        return
    predicting.write(made.table, out)
    typer.echo(f"{out}: {len(made.table):,} predictions")


def explain_model(
    folder: Folder,
    file: File,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="The folder of figures to write.")
    ] = Path("explanation"),
    force: Annotated[bool, typer.Option("--force", help="Replace whatever that holds.")] = False,
) -> None:
    """Explain an exported network's predictions.

    Draws the permutation importance of a table's columns; integrated gradients and Grad-CAM of
    images; and the confusion matrix, if FILE has labels: the target's column of a table, or one
    folder of images for each class.

    Example: autotune explain-model best/ new.csv -o why/
    """
    from autotune.export.explain import explain
    from autotune.export.target import refuse

    refuse(out, force, folder)
    made = explain(folder, file, out)
    for note in made.notes:
        typer.echo(f"note: {note}", err=True)
    for caption in made.captions:
        typer.echo(caption)
    for path in made.files:
        typer.echo(str(path))
