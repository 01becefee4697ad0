"""MLflow's SQLite file: there whole or not at all, and never thrown away.

MLflow makes one by some 70 migrations, each of which changes the file: a kill or a full disk among
them leaves what no MLflow opens again. So a database is made beside its place and renamed, and what
is found broken is set aside under another name.
"""

import logging
import os
import sqlite3
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from autotune.errors import AutotuneError
from autotune.files import FileLock, flush_to_disk
from autotune.machine_faults import machine_fault

__all__ = ["import_quietly", "is_damage", "make_ready"]

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_DOUBTFUL = {*_DAMAGED, sqlite3.SQLITE_ERROR}
"""Of errors while it is used: the last one is a table or a column that is not there."""
_BESIDE = ("-journal", "-wal", "-shm")
"""Files that SQLite keeps beside a database, and takes for its own by their name."""
_QUIET = 5.0
"""Seconds without a change: then nobody is making the database just now."""
_PATIENCE = 5.0
"""Seconds to wait for another program's write."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a file holds."""

    damage: str = ""
    """Why SQLite cannot read it; "" where it can."""
    tables: frozenset[str] = frozenset()
    revisions: tuple[str, ...] = ()
    """One in a whole database: the last migration."""
    experiments: int = 0

    @property
    def empty(self) -> bool:
        return not self.tables and not self.damage

    @property
    def cut_short(self) -> str:
        """Which work on it was, where its last migration is not MLflow's last one; or ""."""
        if any(name.startswith("_alembic_tmp_") for name in self.tables):
            return "a migration of it was cut short"
        # MLflow makes its first experiment when all tables are there.
        if self.of_mlflow and not self.experiments:
            return "the making of it was cut short"
        return ""

    @property
    def of_mlflow(self) -> bool:
        return bool({"experiments", "runs", "metrics", "params"} & self.tables)


def import_quietly() -> None:
    """MLflow, without its lines and its libraries' warnings."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # What MLflow does that its own libraries find old-fashioned is no news for our users.
    warnings.filterwarnings("ignore", module=r"mlflow\b")
    import mlflow.tracking  # noqa: F401

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def is_damage(error: BaseException | None) -> bool:
    """The error of a write may come from a broken database."""
    while error is not None:
        if isinstance(error, sqlite3.Error) and _code(error) in _DOUBTFUL:
            return True
        error = error.__cause__ or error.__context__
    return False


def make_ready(path: Path, doubted: bool = False) -> str:
    """Makes the file at `path` a database that this MLflow can use; a note where that took more
    than making a new one, or "".

    A broken one is set aside, and one of an older MLflow too, once a copy of it has been upgraded.
    `doubted`: a write has met damage, so the whole file is looked at. Raises AutotuneError for a
    database of a newer MLflow or of another program.
    """
    import_quietly()
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        for left in path.parent.glob(f".{path.name}.new-*"):  # by builders that died
            left.unlink()
        seen = _settled(path, doubted)
        if seen.empty:
            _place(_new(path), path)
            return ""
        if seen.damage:
            return _renewed(path, seen.damage)
        head, known = _migrations()
        if seen.revisions == (head,):
            return ""
        if seen.cut_short:
            return _renewed(path, seen.cut_short)
        if not seen.of_mlflow or not known.issuperset(seen.revisions):
            raise AutotuneError(_strange(path, seen))
        return _upgraded(path, head)


def _settled(path: Path, doubted: bool) -> _Seen:
    """What the file holds. Half a database may be one that another program is making: it is looked
    at until it stays as it is."""
    while path.exists():
        seen = _look(path, doubted)
        half = seen.empty or seen.damage or seen.cut_short
        if not half or not 0 <= time.time() - path.stat().st_mtime < _QUIET:
            return seen
        time.sleep(0.5)
    return _Seen()


def _look(path: Path, doubted: bool = False) -> _Seen:
    try:
        with closing(_connected(path)) as database:
            names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            tables = frozenset(str(name) for (name,) in names)
            if doubted:
                (checked,) = database.execute("PRAGMA quick_check(1)").fetchone()
                if checked != "ok":
                    return _Seen(" ".join(str(checked).split()), tables)
            revisions: tuple[str, ...] = ()
            if "alembic_version" in tables:
                rows = database.execute("SELECT version_num FROM alembic_version")
                revisions = tuple(str(revision) for (revision,) in rows)
            count = 0
            if "experiments" in tables:
                (count,) = database.execute("SELECT count(*) FROM experiments").fetchone()
            return _Seen("", tables, revisions, count)
    except sqlite3.DatabaseError as error:
        if _code(error) not in _DAMAGED:
            raise
        return _Seen(str(error))


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=_PATIENCE)


def _code(error: sqlite3.Error) -> int:
    """The kind of an error, without its details."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _strange(path: Path, seen: _Seen) -> str:
    import mlflow

    cure = "or name another `tracking: {uri: ...}`"
    if seen.of_mlflow:
        rule = f"{path} was written by an MLflow newer than {mlflow.__version__}"
        return f"{rule}: upgrade MLflow, {cure}"
    return f"{path} is the database of another program: move it, {cure}"


def _migrations() -> tuple[str, set[str]]:
    """MLflow's last one, and all."""
    import mlflow
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(Path(mlflow.__file__).parent / "store" / "db_migrations"))
    return str(scripts.get_current_head()), {step.revision for step in scripts.walk_revisions()}


def _new(path: Path) -> Path:
    """A new database beside `path`, on disk."""
    from mlflow.tracking import MlflowClient

    with _beside(path) as made:
        MlflowClient(f"sqlite:///{made}").search_experiments(max_results=1)
        return made


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """An empty file beside `path`: on disk in the end, or removed with all that SQLite adds.

    MLflow remembers the databases that it has opened by their names, so each has another.
    """
    made = path.with_name(f".{path.name}.new-{uuid.uuid4().hex}")
    made.touch(exist_ok=False)
    try:
        yield made
        flush_to_disk(made)
    except BaseException:
        for suffix in ("", *_BESIDE):
            Path(f"{made}{suffix}").unlink(missing_ok=True)
        raise


def _place(made: Path, path: Path) -> None:
    """`made` becomes `path`, where there is no database: what SQLite kept beside that is gone."""
    for suffix in _BESIDE:
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    os.replace(made, path)
    flush_to_disk(path.parent)


def _renewed(path: Path, why: str) -> str:
    with _held(path):
        kept = _replace(_new(path), path, "broken")
    return (
        f"{path} was broken ({why}): it is kept as {kept.name}, and a new one is begun; "
        "`autotune sync --all` writes all studies to it again"
    )


def _upgraded(path: Path, head: str) -> str:
    """One whose upgrade fails, for no fault of the machine, is broken."""
    import mlflow
    from mlflow.db import upgrade

    version = mlflow.__version__
    try:
        with _held(path):
            with _beside(path) as made:
                with closing(_connected(path)) as old, closing(sqlite3.connect(made)) as new:
                    old.backup(new)
                upgrade.callback(f"sqlite:///{made}")  # type: ignore[misc]
                if _look(made).revisions != (head,):
                    raise ValueError("it does not reach the last migration")
            kept = _replace(made, path, "before")
    except Exception as error:
        if machine_fault(error) or _is_locked(error):
            raise
        why = str(error).strip().splitlines() or [type(error).__name__]
        return _renewed(path, f"its upgrade to MLflow {version} fails: {why[0][:100]}")
    return f"{path} was upgraded to MLflow {version}; the one before is kept as {kept.name}"


def _is_locked(error: BaseException | None) -> bool:
    return isinstance(error, sqlite3.Error) and _code(error) in (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
    )


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """No other program is in the middle of a write. Raises OperationalError where one stays so."""
    with closing(_connected(path)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
        except sqlite3.DatabaseError as error:
            if _code(error) not in _DAMAGED:
                raise
        yield
        with suppress(sqlite3.Error):
            database.rollback()


def _replace(made: Path, path: Path, what: str) -> Path:
    """`made` becomes `path`; the name under which the one before is kept."""
    made.chmod(path.stat().st_mode & 0o777)
    kept = _set_aside(path, what)
    _place(made, path)
    return kept


def _set_aside(path: Path, what: str) -> Path:
    """Under the first free name such as mlflow.db.broken-1, with what SQLite keeps beside it."""
    number = 1
    while (kept := path.with_name(f"{path.name}.{what}-{number}")).exists():
        number += 1
    for suffix in (*_BESIDE, ""):  # the database last: a crash leaves it with what is its own
        with suppress(FileNotFoundError):
            os.rename(f"{path}{suffix}", f"{kept}{suffix}")
    flush_to_disk(path.parent)
    return kept
