"""The journal as a file: Optuna's format, one JSON record a line, and a checksum in each of ours.

    {"op_code":7,"worker_id":"…","trial_id":0,"step":1,"intermediate_value":0.26,"crc":"8b0c…f21d"}

The checksum is 16 hexadecimal digits under the last key: the CRC-32 of the record alone, then that
of all checked records up to it. The first says whether a line is whole, the second whether one
before it is missing. Plain Optuna reads the file, for it overlooks the key, and may write to it:
lines without a checksum, other programs' or of before there were checksums, are accepted.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

from autotune.errors import JournalDamaged

__all__ = [
    "LONGEST",
    "Line",
    "Record",
    "command",
    "damaged",
    "encode",
    "judge",
    "lines",
    "sound",
    "stated",
]

Record = dict[str, Any]

LONGEST = 64 * 2**20
"""No record comes near this size; a reader must not run out of memory over a broken line."""
_KEY = b',"crc":"'
_DIGITS = 16
_TAIL = len(_KEY) + _DIGITS + len(b'"}\n')


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a journal, judged by itself and by the checked line before it."""

    number: int
    """From 1."""
    record: Record | None
    """Without its checksum; None if the line is broken."""
    wrong: str = ""
    """What is wrong with it, to follow "FILE:LINE "; "" if nothing."""
    checked: bool = False
    """Whether it has a checksum."""
    chain: int = 0
    """The checksum of all checked records up to it."""

    @property
    def whole(self) -> bool:
        return self.record is not None


def encode(record: Record, chain: int) -> tuple[bytes, int]:
    """The line of `record` after records with checksum `chain`, and its checksum."""
    body = json.dumps(record, separators=(",", ":")).encode()
    chain = crc32(body, chain)
    return body[:-1] + _checksum(body, chain), chain


def _checksum(body: bytes, chain: int) -> bytes:
    """What replaces the closing brace of `body`."""
    return b'%b%08x%08x"}\n' % (_KEY, crc32(body), chain)


def lines(path: Path) -> Iterator[Line]:
    """Every line of the file, judged; a torn last one is left out."""
    with path.open("rb") as file:
        chain, number = 0, 0
        while raw := file.readline(LONGEST):
            number += 1
            if not raw.endswith(b"\n"):
                if len(raw) < LONGEST:
                    return
                raw = _skip_line(file, raw)
            line = judge(raw, number, chain)
            chain = line.chain
            yield line


def _skip_line(file: Any, begun: bytes) -> bytes:
    """The beginning of a line that is too long; the rest is skipped."""
    while (more := file.readline(LONGEST)) and not more.endswith(b"\n"):
        pass
    return begun


def sound(raw: bytes, chain: int) -> tuple[Record, int] | None:
    """The record of a line whose checksum fits after `chain`, and its checksum; None if the line
    must be judged. The fast path: nearly all lines are sound."""
    body = raw[:-_TAIL] + b"}"
    chain = crc32(body, chain)
    return (json.loads(body.decode()), chain) if raw.endswith(_checksum(body, chain)) else None


def judge(raw: bytes, number: int, chain: int) -> Line:
    checked, digits = stated(raw), raw[-19:-3]
    if not checked:
        record, wrong = _parse(raw)
        return Line(number, record, wrong, False, chain)
    body = raw[:-_TAIL] + b"}"
    own, after = crc32(body), int(digits[8:], 16)
    if b"%08x" % own != digits[:8]:
        _, why = _parse(raw)
        return Line(number, None, why or "was changed after it was written", True, after)
    record, wrong = _parse(body)
    if not wrong and crc32(body, chain) != after:
        wrong = "does not follow the line before it: lines are missing, or changed places"
    return Line(number, record, wrong, True, after)


def stated(raw: bytes) -> bool:
    """Whether the line ends with a checksum, right or wrong."""
    digits = raw[-19:-3]
    shaped = raw[-_TAIL : -_TAIL + len(_KEY)] == _KEY and raw.endswith(b'"}\n')
    return shaped and not digits.strip(b"0123456789abcdef")


def _parse(raw: bytes) -> tuple[Record | None, str]:
    """The record, or None and the reason."""
    if len(raw) >= LONGEST:
        return None, f"is longer than {LONGEST >> 20} MiB, which no record is"
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
    """The error for a damaged journal: place, problem and cure."""
    where = f"{path}:{line}" if line else str(path)
    cure = command("repair", path.parent)
    return JournalDamaged(
        f"{where} {wrong}: the journal is damaged.\n"
        f"Keep what is whole of it, and set the damaged file aside: {cure}"
    )


def command(verb: str, folder: Path) -> str:
    """The command that applies `verb` to the study in `folder`."""
    runs = folder.absolute().parent
    option = "" if runs == Path("runs").absolute() else f" --runs {runs}"
    return f"autotune {verb} {folder.name}{option}"
