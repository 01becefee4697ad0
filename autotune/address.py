"""Addresses of databases and servers. Their secrets come from the environment and are never shown.

    storage: postgresql://tuner:${PGPW}@db.example.org/studies

`${NAME}` stays as written in every file and message; it is filled in where the connection is made.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, unquote

from autotune.errors import Problem, UserError, without_secrets

__all__ = ["Address", "without_login"]

_REFERENCE = re.compile(r"\$\{([A-Za-z_]\w*)\}", re.ASCII)
_LOGIN = re.compile(r"(?P<scheme>[\w+.-]+://)(?P<login>[^/?#]*)@", re.ASCII)
_SHORTEST_SCRUBBED = 4
"""A shorter value is part of too many words: it is hidden inside URLs only."""


@dataclass(frozen=True, slots=True)
class Address:
    """A URL as it stands in a study file; `str` is what a message may show of it."""

    written: str
    setting: str = "the address"
    """The key in the study file, such as storage."""
    where: str = ""
    """`file:line` of the setting."""

    def __str__(self) -> str:
        return without_secrets(self.written)

    @property
    def variables(self) -> list[str]:
        return list(dict.fromkeys(_REFERENCE.findall(self.written)))

    @property
    def unset(self) -> list[str]:
        return [name for name in self.variables if not os.environ.get(name)]

    @property
    def well_formed(self) -> bool:
        """Every `${` begins the name of a variable and its `}`."""
        return "${" not in _REFERENCE.sub("", self.written)

    @property
    def holds_secret(self) -> bool:
        """A password or token stands there in plain text."""
        return str(self) != self.written

    @property
    def outline(self) -> str:
        """With a word in place of each variable, to see what kind of address it is."""
        return _REFERENCE.sub("x", self.written)

    def reveal(self) -> str:
        """With its variables filled in: for the connection alone. Raises UserError for one that
        is not set.

        What stands in the login or the query is escaped, so that a variable holds a password as
        it is, with any character.
        """
        if problem := self.unset_problem():
            raise UserError(str(problem))
        return _REFERENCE.sub(self._filled, self.written)

    def unset_problem(self) -> Problem | None:
        if not self.unset:
            return None
        names = " and ".join(self.unset)
        verb = "are" if len(self.unset) > 1 else "is"
        message = f"`{self.setting}` needs ${{{self.unset[0]}}}: {names} {verb} not set; export "
        return Problem(message + f"{self.unset[0]}=... first", where=self.where)

    def scrub(self, text: str) -> str:
        """`text`, such as a driver's error, without what `reveal` filled in and without secrets."""
        for hidden, shown in self._hidden():
            if len(hidden) >= _SHORTEST_SCRUBBED:
                text = text.replace(hidden, shown)
        return without_secrets(text)

    def _filled(self, match: re.Match[str]) -> str:
        value = os.environ[match[1]]
        login, query = _LOGIN.match(self.written), self.written.find("?")
        inside = login is not None and match.end() <= login.end()
        return quote(value, safe="") if inside or 0 <= query < match.start() else value

    def _hidden(self) -> Iterator[tuple[str, str]]:
        """(what must not be shown, what stands for it), the longest first."""
        found: dict[str, str] = {}
        for name in self.variables:
            value = os.environ.get(name, "")
            found |= dict.fromkeys((value, quote(value, safe="")), f"${{{name}}}")
        revealed = self.written if self.unset else self.reveal()
        if login := _LOGIN.match(revealed):
            secret = login["login"].partition(":")[2]
            for form in (secret, unquote(secret)):
                found.setdefault(form, "***")
        yield from sorted(found.items(), key=lambda pair: -len(pair[0]))


def without_login(url: str) -> str:
    """`url` as a browser may show it."""
    return _LOGIN.sub(r"\g<scheme>", url, count=1)
