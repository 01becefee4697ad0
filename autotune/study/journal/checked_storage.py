"""Optuna's storage over the journal's file, with checked reads and durable writes."""

import os
from collections.abc import Iterator
from pathlib import Path

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend

from autotune.errors import JournalDamaged, echo
from autotune.files import FileLock, naming
from autotune.study.journal.file import LONGEST, Record, damaged, encode, judge, sound, stated

__all__ = ["CheckedStorage"]

_OPERATIONS = range(11)
"""Optuna's operation codes, with DISCARD_TRIALS, which Optuna ignores."""


class _JournalFile(BaseJournalBackend):
    """Checks each record as it is read. One writer at a time, by a lock that the kernel releases
    with its process: Optuna's own locks survive kill -9, and the next writer waits 30 s."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.unchecked = 0
        """Lines without a checksum."""
        self.number = 0
        """The last line that was read."""
        self._offset = self._chain = 0
        self._lock = FileLock(path.with_suffix(".lock"))

    def read_logs(self, log_number_from: int) -> Iterator[Record]:
        """The records from that number on. A line that is being written is left for later."""
        assert log_number_from == self.number, "a storage reads on where it stopped"
        with self.path.open("rb") as file:
            end = self._size(file.fileno())
            file.seek(self._offset)
            while self._offset < end and (raw := file.readline(LONGEST)):
                if not raw.endswith(b"\n") and len(raw) < LONGEST:
                    return
                yield self._take(raw)

    def _take(self, raw: bytes) -> Record:
        if found := sound(raw, self._chain):
            record, self._chain = found
            self.number += 1
            self._offset += len(raw)
            return record
        return self._inspect(raw)

    def _inspect(self, raw: bytes) -> Record:
        line = judge(raw, self.number + 1, self._chain)
        if line.wrong or line.record is None:
            raise damaged(self.path, line.wrong, line.number)
        self.number, self._chain = line.number, line.chain
        self._offset += len(raw)
        self.unchecked += not line.checked
        return line.record

    def _size(self, handle: int) -> int:
        size = os.fstat(handle).st_size
        if size < self._offset:
            raise damaged(self.path, f"lost its end: {self._offset} bytes were there, now {size}")
        return size

    def append_logs(self, logs: list[Record]) -> None:
        """Durable when it returns."""
        with self._lock, naming(self.path):
            if not self.path.exists():
                raise damaged(self.path, "is gone")
            _drop_torn_tail(self.path)
            with self.path.open("ab") as file:
                chain = self._chain_at(self._size(file.fileno()))
                for record in logs:
                    line, chain = encode(record, chain)
                    file.write(line)
                file.flush()
                os.fsync(file.fileno())

    def _chain_at(self, end: int) -> int:
        """The checksum at the file's end, which others may have changed since it was read."""
        chain = self._chain
        if self._offset < end:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                for raw in file:
                    chain = int(raw[-11:-3], 16) if stated(raw) else chain
        return chain


def _drop_torn_tail(path: Path) -> None:
    """A line that a crash cut short was never acted on: it has no newline."""
    with path.open("r+b") as file:
        end = file.seek(0, 2)
        if end == 0:
            return
        file.seek(end - 1)
        if file.read(1) != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)


class CheckedStorage(JournalStorage):
    """Optuna's storage over the existing journal at `path`.

    Raises JournalDamaged for anything that cannot be read or replayed, now or later; from then on
    it writes nothing.
    """

    def __init__(self, path: Path) -> None:
        self._file = _JournalFile(path)
        self._broken: JournalDamaged | None = None
        super().__init__(self._file)

    @property
    def unchecked(self) -> int:
        """How many records carry no checksum."""
        return self._file.unchecked

    def damaged(self, wrong: str) -> JournalDamaged:
        """Some damage shows only in the whole file."""
        return damaged(self._file.path, wrong)

    def _write_log(self, op_code: int, extra_fields: Record) -> None:
        if self._broken:
            raise self._broken
        super()._write_log(op_code, extra_fields)

    def _sync_with_backend(self) -> None:
        if self._broken:
            raise self._broken
        try:
            for record in self._file.read_logs(self._replay_result.log_number_read):
                self._replay(record)
        except JournalDamaged as error:
            self._broken = error
            raise

    def _replay(self, record: Record) -> None:
        wrong = self._nonsense(record)
        try:
            if not wrong:
                self._replay_result.apply_logs([record])
        except Exception as error:
            if record.get("worker_id") == self._replay_result.worker_id:
                raise  # our own request failed: no damage
            wrong = f"cannot be replayed: {type(error).__name__}: {error}"
        if wrong:
            raise damaged(self._file.path, wrong, self._file.number)

    def _nonsense(self, record: Record) -> str:
        """Why `record` makes no sense after those before it; "" if it does. Optuna would ignore
        it."""
        operation = record.get("op_code")
        if not isinstance(operation, int) or operation not in _OPERATIONS:
            return f"holds an unknown operation: {echo(operation)}"
        key = "trial_id" if "trial_id" in record else "study_id"
        known = self._replay_result._trials if key == "trial_id" else self._replay_result._studies
        if operation > 0 and (not isinstance(record.get(key), int) or record[key] not in known):
            return f"has the {key} {echo(record.get(key))}, which no line before it creates"
        return ""
