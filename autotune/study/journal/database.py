"""The journal in a database: one driver a study, by a lock in it, and the handling of a lost one.

PostgreSQL: an advisory lock, held by the connection that all writes of the driver use. A driver
that loses the connection has lost the lock and cannot write: it is not reconnected, because another
driver may have taken over. A session that ends, or whose machine does not answer for half a minute,
releases it. SQLite: the lock is a file beside the database.
"""

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import optuna
from optuna.storages import BaseStorage, RDBStorage

from autotune.address import Address
from autotune.errors import AutotuneError, MachineFault, Passing, StudyBusy, UserError
from autotune.files import held_by, take
from autotune.machine_faults import machine_fault
from autotune.study.journal import advisory_lock

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.engine import ExceptionContext

_T = TypeVar("_T")

__all__ = ["Claimed", "DatabaseAway", "claim", "disconnect", "driver_of", "open_database"]

_PATIENCE = 60.0
"""Seconds to wait for a database that went away."""
_CLIENT = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""For libpq, unless the URL says otherwise: a server that is cut off is noticed in 30 s."""
_COLLISIONS, _PAUSE = 20, 0.1
_NOT_LET_IN = re.compile(
    r"authentication failed|no password supplied|no pg_hba\.conf entry|permission denied"
    r"|(database|role|user) .* does not exist|invalid connection option|unable to open database"
)
"""Errors that the user can fix; other connection errors are temporary, or the machine's."""
_TAKEN = re.compile(r"already exists|duplicate key|UNIQUE constraint")
"""Two first starts in a new database created its tables at the same time."""


class DatabaseAway(Passing):
    """The connection to the database was lost, and with it the right to drive."""

    cure = f"waiting for it, at most {_PATIENCE:.0f} seconds"
    most = 100

    def __init__(self, message: str, address: Address) -> None:
        super().__init__(message)
        self._address = address

    def wait(self) -> None:
        limit = time.monotonic() + _PATIENCE
        while trouble := _trouble(self._address):
            if time.monotonic() > limit:
                raise MachineFault(f"{trouble}; it was waited for {_PATIENCE:.0f} seconds")
            time.sleep(1)


@dataclass(frozen=True, slots=True)
class Claimed:
    """The right to drive a study whose journal is a database."""

    storage: BaseStorage
    """The only storage through which its driver may write."""
    release: Callable[[], None]


def open_database(address: Address) -> BaseStorage:
    """For reading. Raises UserError, or MachineFault if the database cannot be reached."""
    with _opening(address):
        url = _url(address)
        options = {"connect_args": _connect_args(url)}
        return _without_collisions(lambda: _storage(address, options))


def claim(address: Address, study: str) -> Claimed:
    """The right to drive `study`. Raises StudyBusy, and the errors of `open_database`."""
    with _opening(address):
        url = _url(address)
        kind = _claim_file if url.startswith("sqlite") else _claim_session
        return _without_collisions(lambda: kind(address, url, study))


def disconnect(storage: BaseStorage) -> None:
    """Closes the connections of a storage that is no longer read, if it has any."""
    if isinstance(storage, RDBStorage):
        storage.engine.dispose()


def driver_of(address: Address, study: str) -> str:
    """The driver of `study`, as StudyBusy names it; "" if there is none."""
    with _opening(address):
        url = _url(address)
        if url.startswith("sqlite"):
            return held_by(_lock_file(url, study))
        with _engine(url).connect() as connection:
            return advisory_lock.holder(connection, study)


def _claim_file(address: Address, url: str, study: str) -> Claimed:
    storage = _storage(address, {"connect_args": _connect_args(url)})
    path = _lock_file(url, study)
    lock = take(path)
    if lock is None:
        storage.engine.dispose()
        raise StudyBusy(study, held_by(path))

    def release() -> None:
        storage.engine.dispose()
        lock.release()

    return Claimed(storage, release)


def _lock_file(url: str, study: str) -> Path:
    from sqlalchemy import make_url

    return Path(f"{make_url(url).database}.{study}.lock")


def _claim_session(address: Address, url: str, study: str) -> Claimed:
    """Takes the lock first; the storage then gets only the connection that holds it."""
    from sqlalchemy.pool import StaticPool

    connection = _engine(url).connect()
    try:
        session = advisory_lock.take(connection, study)
        connection.detach()
        once = _Once(connection.connection.dbapi_connection, address)
        storage = _storage(address, {"creator": once, "poolclass": StaticPool})
        advisory_lock.hang_up_on_silence(storage.engine)
    except BaseException:
        connection.close()
        raise

    def release() -> None:
        storage.engine.dispose()
        advisory_lock.ended(session)

    return Claimed(storage, release)


class _Once:
    """Provides a connection once: a lost one is not replaced."""

    def __init__(self, connection: Any, address: Address) -> None:
        self._connection, self._address = connection, address

    def __call__(self) -> Any:
        connection, self._connection = self._connection, None
        if connection is None:
            raise DatabaseAway(f"{_called(self._address)} is away", self._address)
        return connection


def _storage(address: Address, options: Mapping[str, Any]) -> RDBStorage:
    from sqlalchemy import event

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = _url(address)
    storage = RDBStorage(url, dict(options))
    event.listen(storage.engine, "handle_error", partial(_translated, address))
    return storage


def _without_collisions(make: Callable[[], _T]) -> _T:
    """Retries if another first start creates the same tables at the same moment."""
    for _ in range(_COLLISIONS):
        try:
            return make()
        except Exception as error:
            if not _TAKEN.search(str(error.__cause__ or error)):
                raise
            time.sleep(_PAUSE)
    return make()


def _engine(url: str) -> "Engine":
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    return create_engine(url, poolclass=NullPool, connect_args=_connect_args(url))


def _url(address: Address) -> str:
    """Absolute, because a database file is reopened later from any working directory."""
    prefix, separator, path = address.reveal().partition("sqlite:///")
    return f"sqlite:///{os.path.abspath(path)}" if separator and not prefix else prefix


def _connect_args(url: str) -> dict[str, Any]:
    from sqlalchemy import make_url

    parts = make_url(url)
    if parts.get_backend_name() == "sqlite":
        return {"timeout": 30}  # a reader may hold it for long
    if parts.get_driver_name() not in ("psycopg", "psycopg2"):
        return {}
    return {name: value for name, value in _CLIENT.items() if name not in parts.query}


def _trouble(address: Address) -> str:
    """Why the database cannot be used now; "" if it can."""
    from sqlalchemy import text

    try:
        with _opening(address), _engine(_url(address)).connect() as connection:
            connection.execute(text("SELECT 1"))
    except AutotuneError as error:
        return str(error)
    return ""


@contextmanager
def _opening(address: Address) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise UserError(
            f"storage: {address} needs a database driver ({error}). "
            "For PostgreSQL: pip install 'autotune[postgresql]'."
        ) from None
    except AutotuneError:
        raise
    except Exception as error:
        line = _line(address, error)
        if machine_fault(error) and not _NOT_LET_IN.search(line):
            raise MachineFault(f"{_called(address)} cannot be reached: {line}") from None
        raise UserError(f"storage: {address} cannot be opened: {line}") from None


def _translated(address: Address, context: "ExceptionContext") -> AutotuneError | None:
    """The study's error for an error of the database; None if Optuna handles it."""
    from sqlalchemy import exc

    line = _line(address, context.original_exception)
    if context.is_disconnect:
        return DatabaseAway(f"{_called(address)} is away: {line}", address)
    if isinstance(context.sqlalchemy_exception, exc.IntegrityError):
        return None
    return MachineFault(f"{_called(address)}: {line}")


def _called(address: Address) -> str:
    return f"the database {address}"


def _line(address: Address, error: BaseException) -> str:
    """The first line of the driver's message, without secrets."""
    text = str(getattr(error.__cause__ or error, "orig", None) or error.__cause__ or error)
    first = next((line for line in text.splitlines() if line.strip()), "")
    return address.scrub(" ".join(first.split())[:300])
