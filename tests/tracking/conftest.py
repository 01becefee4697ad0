import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from autotune.tracking.mlflow import connect


@pytest.fixture(scope="session")
def new_database(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], str]:
    """Answers the uri of an empty MLflow database in a folder: a copy, for making one takes 2 s."""
    empty = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    connect(f"sqlite:///{empty}")

    def copy(folder: Path) -> str:
        database = folder / "mlflow.db"
        if not database.exists():
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(empty, database)
        return f"sqlite:///{database}"

    return copy
