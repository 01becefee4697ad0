"""The journal as a file: Optuna's format, one JSON record a line, and a checksum in each of ours.

    {"op_code":7,"worker_id":"…","trial_id":0,"step":1,"intermediate_value":0.26,"crc":"8b0c…f21d"}

The checksum is 16 hexadecimal digits under the last key: the CRC-32 of the record alone, then that
of all checked records up to it. The first says whether a line is whole, the second whether one
before it is missing. Plain Optuna reads the file, for it overlooks the key, and may write to it:
lines without a checksum, other programs' or of before there were checksums, are accepted.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend

from autotune.errors import JournalDamaged, echo
from autotune.files import FileLock, naming

__all__ = ["CheckedStorage", "Line", "Record", "command", "damaged", "encode", "lines"]

Record = dict[str, Any]

_LONGEST = 64 * 2**20
"""No record comes near it, and a reader must not run out of memory over a line that is none."""
_KEY = b',"crc":"'
_DIGITS = 16
_TAIL = len(_KEY) + _DIGITS + len(b'"}\n')
_OPERATIONS = range(11)
"""Optuna's operation codes, DISCARD_TRIALS included, which it overlooks."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a journal, judged by itself and by the checked line before it."""

    number: int
    """From 1."""
    record: Record | None
    """Without its checksum; None where the line is not whole."""
    wrong: str = ""
    """What is wrong with it, to follow "FILE:LINE "; "" where nothing is."""
    checked: bool = False
    """It has a checksum."""
    chain: int = 0
    """The checksum of all checked records up to it."""

    @property
    def whole(self) -> bool:
        return self.record is not None


def encode(record: Record, chain: int) -> tuple[bytes, int]:
    """The line of `record` behind records whose checksum is `chain`, and the checksum with it."""
    body = json.dumps(record, separators=(",", ":")).encode()
    chain = crc32(body, chain)
    return body[:-1] + _checksum(body, chain), chain


def _checksum(body: bytes, chain: int) -> bytes:
    """What stands at the end of the line of `body` in place of its brace."""
    return b'%b%08x%08x"}\n' % (_KEY, crc32(body), chain)


def lines(path: Path) -> Iterator[Line]:
    """Every line of the file, judged; a torn last one is left out."""
    with path.open("rb") as file:
        chain, number = 0, 0
        while raw := file.readline(_LONGEST):
            number += 1
            if not raw.endswith(b"\n"):
                if len(raw) < _LONGEST:
                    return
                raw = _skip_line(file, raw)
            line = _judge(raw, number, chain)
            chain = line.chain
            yield line


def _skip_line(file: Any, begun: bytes) -> bytes:
    """The beginning of a line that is too long, which is left behind."""
    while (more := file.readline(_LONGEST)) and not more.endswith(b"\n"):
        pass
    return begun


def _judge(raw: bytes, number: int, chain: int) -> Line:
    checked, stated = _stated(raw), raw[-19:-3]
    if not checked:
        record, wrong = _parse(raw)
        return Line(number, record, wrong, False, chain)
    body = raw[:-_TAIL] + b"}"
    own, after = crc32(body), int(stated[8:], 16)
    if b"%08x" % own != stated[:8]:
        _, why = _parse(raw)
        return Line(number, None, why or "was changed after it was written", True, after)
    record, wrong = _parse(body)
    if not wrong and crc32(body, chain) != after:
        wrong = "does not follow the line before it: lines are missing, or changed places"
    return Line(number, record, wrong, True, after)


def _stated(raw: bytes) -> bool:
    """Whether the line ends with a checksum, right or wrong."""
    digits = raw[-19:-3]
    shaped = raw[-_TAIL : -_TAIL + len(_KEY)] == _KEY and raw.endswith(b'"}\n')
    return shaped and not digits.strip(b"0123456789abcdef")


def _parse(raw: bytes) -> tuple[Record | None, str]:
    """The record, or None and why there is none."""
    if len(raw) >= _LONGEST:
        return None, f"is longer than {_LONGEST >> 20} MiB, which no record is"
    if zeros := raw.count(0):
        return None, f"holds {zeros} NUL bytes"
    try:
        value = json.loads(raw.decode())
    except UnicodeDecodeError as error:
        return None, f"is no UTF-8 text: byte {error.start + 1}"
    except RecursionError:
        return None, "is nested too deeply"
    except ValueError as error:
        return None, f"is no JSON: {error}"
    if not isinstance(value, dict):
        return None, "is no JSON object"
    value.pop("crc", None)
    return value, ""


def damaged(path: Path, wrong: str, line: int | None = None) -> JournalDamaged:
    """The error that says where the journal at `path` is damaged, what is wrong, and the cure."""
    where = f"{path}:{line}" if line else str(path)
    cure = command("repair", path.parent)
    return JournalDamaged(
        f"{where} {wrong}: the journal is damaged.\n"
        f"Keep what is whole of it, and set the damaged file aside: {cure}"
    )


def command(verb: str, folder: Path) -> str:
    """The command that does `verb` with the study in `folder`."""
    runs = folder.absolute().parent
    option = "" if runs == Path("runs").absolute() else f" --runs {runs}"
    return f"autotune {verb} {folder.name}{option}"


class _JournalFile(BaseJournalBackend):
    """Checks each record as it is read. One writer at a time, by a lock that the kernel frees with
    its process: Optuna's own locks outlive kill -9, and the next writer waits 30 s."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.unchecked = 0
        """Lines without a checksum."""
        self.number = 0
        """The line that was read last."""
        self._offset = self._chain = 0
        self._lock = FileLock(path.with_suffix(".lock"))

    def read_logs(self, log_number_from: int) -> Iterator[Record]:
        """The records from that number on. A line that is being written now is left for later."""
        assert log_number_from == self.number, "a storage reads on where it stopped"
        with self.path.open("rb") as file:
            end = self._size(file.fileno())
            file.seek(self._offset)
            while self._offset < end and (raw := file.readline(_LONGEST)):
                if not raw.endswith(b"\n") and len(raw) < _LONGEST:
                    return
                yield self._take(raw)

    def _take(self, raw: bytes) -> Record:
        body = raw[:-_TAIL] + b"}"
        end = _checksum(body, chain := crc32(body, self._chain))
        if raw.endswith(end):  # as nearly all do: no more is asked of it
            self.number, self._chain = self.number + 1, chain
            self._offset += len(raw)
            record: Record = json.loads(body)
            return record
        return self._inspect(raw)

    def _inspect(self, raw: bytes) -> Record:
        line = _judge(raw, self.number + 1, self._chain)
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
        """On disk when it returns."""
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
        """The checksum at the file's end, which others may have moved since it was read."""
        chain = self._chain
        if self._offset < end:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                for raw in file:
                    chain = int(raw[-11:-3], 16) if _stated(raw) else chain
        return chain


def _drop_torn_tail(path: Path) -> None:
    """A line that a crash cut short was acted on by nobody: it ends before its newline."""
    with path.open("r+b") as file:
        end = file.seek(0, 2)
        if end == 0:
            return
        file.seek(end - 1)
        if file.read(1) != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)


class CheckedStorage(JournalStorage):
    """Optuna's storage over the journal at `path`, which is there.

    Raises JournalDamaged for whatever cannot be read or replayed, when it is opened or read on;
    from then on it writes nothing more.
    """

    def __init__(self, path: Path) -> None:
        self._file = _JournalFile(path)
        self._broken: JournalDamaged | None = None
        super().__init__(self._file)

    @property
    def unchecked(self) -> int:
        """How many of the records carry no checksum."""
        return self._file.unchecked

    def damaged(self, wrong: str) -> JournalDamaged:
        """What does not fit together only shows in the whole file."""
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
                raise  # what we have just asked for cannot be done: no damage
            wrong = f"cannot be replayed: {type(error).__name__}: {error}"
        if wrong:
            raise damaged(self._file.path, wrong, self._file.number)

    def _nonsense(self, record: Record) -> str:
        """Why `record` makes no sense behind those before it; "". Optuna would overlook it."""
        operation = record.get("op_code")
        if not isinstance(operation, int) or operation not in _OPERATIONS:
            return f"holds an unknown operation: {echo(operation)}"
        key = "trial_id" if "trial_id" in record else "study_id"
        known = self._replay_result._trials if key == "trial_id" else self._replay_result._studies
        if operation > 0 and (not isinstance(record.get(key), int) or record[key] not in known):
            return f"has the {key} {echo(record.get(key))}, which no line before it creates"
        return ""
