"""What can go wrong, and what the user is told.

AutotuneError           exit code 1: autotune could not do it
├── JournalDamaged      a study's journal is not what was written: `autotune repair` mends it
├── MachineFault        a full disk, a lost database: no outcome; the study goes on later
│   └── Passing         it passes: the driver waits for that and goes on by itself
├── Hanging             a trial that is over does not end: only the end of the process helps
├── StudyFailed         the study stopped itself (its first trials all failed alike)
└── UserError           exit code 2: something the user can mend; never a traceback
    ├── InvalidInput    mistakes in a study file, a space or a config: all of them at once
    │   └── DataUnavailable the data set is not there and cannot be fetched
    ├── StudyNotFound   no such study under the runs folder
    ├── StudyBusy       another driver holds the study
    └── StudyChanged    the spec on disk and the spec given differ where they may not
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = [
    "AutotuneError",
    "DataUnavailable",
    "Hanging",
    "InvalidInput",
    "JournalDamaged",
    "MachineFault",
    "Passing",
    "Problem",
    "StudyBusy",
    "StudyChanged",
    "StudyFailed",
    "StudyNotFound",
    "UserError",
    "closest",
    "echo",
    "meant",
    "nearest",
    "without_secrets",
]


class AutotuneError(Exception):
    """What is wrong, in lines that a person can act on. UserError is the caller's to mend,
    MachineFault the machine's; the rest autotune could not do."""

    exit_code = 1


class JournalDamaged(AutotuneError):
    pass


class MachineFault(AutotuneError):
    """The study stopped, with all written, and goes on once that is mended."""


class Passing(MachineFault):
    """A fault after which the driver may start the study again by itself, from its journal."""

    cure = ""
    """What is done next, for the one who watches."""
    most = 1
    """How many faults of this class a run gets over; the next one ends it."""

    def wait(self) -> None:
        """Returns once the study can be started again. Raises MachineFault where it cannot."""


class Hanging(AutotuneError):
    """The work of a trial that is over does not end. The study goes on in another process."""


class StudyFailed(AutotuneError):
    pass


class UserError(AutotuneError):
    exit_code = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: what must hold, what came and the cure, with the place it stands at."""

    message: str
    path: tuple[str | int, ...] = ()
    """Keys that lead to the value in the study file, such as ("budget", "trials")."""
    where: str = ""
    """`file:line`, filled in by the reader of the file."""

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class InvalidInput(UserError):
    """One or more mistakes, each a line."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        assert problems, "an InvalidInput without a problem says nothing"
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type["InvalidInput"], tuple[Sequence[Problem]]]:
        """Exceptions are unpickled from their text, which another process would take for us."""
        return type(self), (self.problems,)


class StudyNotFound(UserError):
    pass


class StudyBusy(UserError):
    """`who` says who drives the study; the message adds what one can do."""

    def __init__(self, study: str, holder: str) -> None:
        """`holder`, such as "process 12 on host"; "": someone who has just ended."""
        self.who = f"study {study!r} is being run by {holder or 'another process'}"
        super().__init__(f"{self.who}. Wait for it with --standby, or stop it with Ctrl-C there.")


class StudyChanged(UserError):
    pass


class DataUnavailable(InvalidInput):
    pass


_WORDS = {None: "null", True: "true", False: "false"}
_SECRETS = (
    # scheme://user:password@host. A careless password holds /, @ or ?; host:port/ is none.
    re.compile(r"(https?://[^\s/:@?#]*:)([^\s/?#]+)(?=@)", re.A),
    re.compile(r"((?!https?:)[\w+.-]+://[^\s/:@?#]*:)(?!\d+[/?#])((?:\$\{\w+\})+|\S+)(?=@)", re.A),
    re.compile(r"(https?://)([^\s/:@?#]+)(?=@)", re.A),
    re.compile(r"([?&;\s]\w*(?:password|passwd|pwd|token|secret|api_?key)=)([^\s&;'\"]+)", re.I),
)
_VARIABLES = re.compile(r"(\$\{\w+\})+", re.A)


def without_secrets(text: str) -> str:
    """`text` with *** for every password and token of the URLs in it; ${NAME} stays."""
    for secret in _SECRETS:
        text = secret.sub(lambda m: m[1] + (m[2] if _VARIABLES.fullmatch(m[2]) else "***"), text)
    return text


def echo(value: object) -> str:
    """`value` as a user typed it, in at most 60 characters and without passwords."""
    text = _WORDS[value] if value is None or isinstance(value, bool) else repr(value)
    text = without_secrets(text)
    return text if len(text) <= 60 else text[:57] + "..."


def nearest(word: object, valid: Iterable[str]) -> str:
    """The end of a message: "; did you mean 'adam'? (valid: adam, sgd)", or "" without words."""
    words = sorted(set(valid))
    shown = ", ".join(words[:12]) + (", ..." if len(words) > 12 else "")
    return f"{meant(word, words)} (valid: {shown})" if words else ""


def meant(word: object, valid: Sequence[str]) -> str:
    """The end of a message: "; did you mean 'adam'?", or "" where no word is near."""
    close = closest(str(word), valid)
    return f"; did you mean {close!r}?" if close else ""


def closest(word: str, valid: Sequence[str]) -> str:
    """The nearest word, whatever the case of its letters; "" where none is near."""
    known = {name.lower(): name for name in reversed(valid)} | {name: name for name in valid}
    for typed in (word, word.lower()):
        for close in difflib.get_close_matches(typed, known, n=1, cutoff=0.5):
            return known[close]
    return ""
