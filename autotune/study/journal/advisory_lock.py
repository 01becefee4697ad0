"""PostgreSQL's advisory locks: one session drives a study.

The lock belongs to the session: the server releases it when the session ends, however that happens.
"""

import os
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from autotune.errors import MachineFault, StudyBusy
from autotune.files import this_process

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

__all__ = ["ended", "hang_up_on_silence", "holder", "take"]

_TURNS, _PAUSE = 20, 0.1
"""A server may notice late that the previous driver has ended."""
_SILENCE = 60.0
"""Seconds that a server may take for a statement: a frozen one never answers."""
_SERVER = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "30000",
    "lock_timeout": "60000",
}
"""For the server, unless its administrator sets it: a driver that is cut off is dropped in 30 s."""
_KEY = "hashtextextended('autotune/' || coalesce(current_schema(), '') || '/' || :study, 0)"
_TAKE = f"SELECT pg_try_advisory_lock({_KEY})"
_HOLDER = f"""
SELECT a.application_name, a.pid FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND (l.classid::bigint << 32 | l.objid::bigint) = {_KEY}
"""
_SET = """
SELECT set_config(:name, :value, false) FROM pg_settings WHERE name = :name AND source = 'default'
"""
_NAME = "autotune, "
"""The application name of our sessions, before the process."""
_ENDED: set[int] = set()
"""Server ids of sessions that this process has had and has lost or ended."""


def take(connection: "Connection", study: str) -> int:
    """Takes the lock of `study` for the session of `connection`; the session's server id. Raises
    StudyBusy with its holder."""
    from sqlalchemy import text

    for name, value in (*_SERVER.items(), ("application_name", _NAME + this_process())):
        query = _SET if name in _SERVER else "SELECT set_config(:name, :value, false)"
        connection.execute(text(query), {"name": name, "value": value[:63]})
    for _ in range(_TURNS):
        taken = connection.execute(text(_TAKE), {"study": study}).scalar()
        connection.commit()
        if taken:
            return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
        _end_our_own(connection, study)
        time.sleep(_PAUSE)
    who = holder(connection, study)
    if who == this_process() and _session(connection, study)[1] in _ENDED:
        raise MachineFault(f"the server has not ended the lost session of {who} yet")
    raise StudyBusy(study, who)


def ended(session: int) -> None:
    """The session that `take` returned is no longer used, though the server may not know it yet."""
    _ENDED.add(session)


def holder(connection: "Connection", study: str) -> str:
    """The holder of `study`'s lock, as StudyBusy names it; "" if free."""
    name, session = _session(connection, study)
    return (name.removeprefix(_NAME) or "another process") if session else ""


def _session(connection: "Connection", study: str) -> tuple[str, int]:
    """The name and server id of the session that holds the lock; 0 if free."""
    from sqlalchemy import text

    found = connection.execute(text(_HOLDER), {"study": study}).first()
    return (str(found[0]), int(found[1])) if found else ("", 0)


def _end_our_own(connection: "Connection", study: str) -> None:
    """The server keeps a cut connection until it notices, up to half a minute."""
    from sqlalchemy import text

    name, session = _session(connection, study)
    if session in _ENDED and name == (_NAME + this_process())[:63]:
        connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": session})
    connection.commit()


def hang_up_on_silence(engine: "Engine") -> None:
    """Cuts the connection of `engine` if a statement gets no answer: that surfaces as a lost
    connection instead of waiting forever."""
    from sqlalchemy import event

    timers: list[threading.Timer] = []

    def end(*_: object) -> None:
        while timers:
            timers.pop().cancel()

    def begin(connection: "Connection", *_: object) -> None:
        end()
        timer = threading.Timer(_SILENCE, _cut, (connection.connection.driver_connection,))
        timer.daemon = True
        timers.append(timer)
        timer.start()

    event.listen(engine, "before_cursor_execute", begin)
    event.listen(engine, "after_cursor_execute", end)
    event.listen(engine, "commit", begin)
    event.listen(engine, "checkin", end)


def _cut(raw: Any) -> None:
    with suppress(OSError, AttributeError):  # it has ended by itself, or is not libpq's
        with socket.socket(fileno=os.dup(raw.fileno())) as end:
            end.shutdown(socket.SHUT_RDWR)
