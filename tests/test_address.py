"""Addresses: secrets come from the environment, and are shown nowhere."""

import pytest
from sqlalchemy.engine import make_url

from autotune.address import Address, without_login
from autotune.errors import UserError, echo, without_secrets

SECRETS = [
    ("postgresql://u:pw@h/d", "postgresql://u:***@h/d"),
    ("postgresql+psycopg://u:p@ss/w?rd@h/d", "postgresql+psycopg://u:***@h/d"),
    ("postgresql://u:a${PW}@h/d", "postgresql://u:***@h/d"),
    ("postgresql://u@h/d?sslmode=on&password=pw", "postgresql://u@h/d?sslmode=on&password=***"),
    ("https://u:p@w@h:5000/x", "https://u:***@h:5000/x"),
    ("https://token@h/", "https://***@h/"),
    ("http://h/?access_token=abc&x=1", "http://h/?access_token=***&x=1"),
    ("(psycopg) at mysql://u:pw@h, and", "(psycopg) at mysql://u:***@h, and"),
]
INNOCENT = [
    "postgresql://u@h:5432/d",
    "postgresql://u:${PW}@h/d",
    "postgresql://${U}:${PW}${MORE}@h:5432/d?email=a@b",
    "postgresql://u@h/d?password=${PW}",
    "http://h:5000/x?y=a@b",
    "sqlite:////a:b@c/x.db",
    "${DATABASE}",
    "write to a@b: at 5:30, see http://h",
]


@pytest.mark.parametrize(("text", "shown"), SECRETS)
def test_secrets_are_not_shown(text: str, shown: str) -> None:
    assert without_secrets(text) == str(Address(text)) == shown
    assert Address(text).holds_secret
    assert echo(text) == repr(shown)


@pytest.mark.parametrize("text", INNOCENT)
def test_anything_else_is_shown_as_it_is(text: str) -> None:
    assert without_secrets(text) == text
    assert not Address(text).holds_secret


@pytest.mark.parametrize("password", ["simple", "p@ss/w:rd?#%20 ü", "${OTHER}", "100%"])
def test_a_variable_holds_the_password_itself(
    monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    monkeypatch.setenv("PW", password)
    login = make_url(Address("postgresql://u:${PW}@h:5432/d").reveal())
    assert (login.username, login.password, login.host) == ("u", password, "h")
    query = make_url(Address("postgresql://h/d?password=${PW}").reveal())
    assert query.query["password"] == password and query.host == "h"


def test_a_variable_elsewhere_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERE", "/some/where")
    assert Address("sqlite:///${HERE}/x.db").reveal() == "sqlite:////some/where/x.db"
    monkeypatch.setenv("DATABASE", "postgresql://u:p%40@h/d")
    assert Address("${DATABASE}").reveal() == "postgresql://u:p%40@h/d"


@pytest.mark.parametrize("value", [None, ""])
def test_an_unset_variable_is_said_with_its_place(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("PW", raising=False)
    if value is not None:
        monkeypatch.setenv("PW", value)
    address = Address("postgresql://u:${PW}@h/d", "storage", "study.yaml:7")
    with pytest.raises(UserError) as caught:
        address.reveal()
    words = "study.yaml:7: `storage` needs ${PW}: PW is not set; export PW=... first"
    assert str(caught.value) == words


def test_errors_of_drivers_are_scrubbed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW", "geheim@1")
    monkeypatch.setenv("DATABASE", "postgresql://u:offen%401@h/d")
    one, whole = Address("postgresql://u:${PW}@h/d"), Address("${DATABASE}")
    for address in (one, whole):
        revealed = address.reveal()
        for text in (revealed, f"no answer of {revealed}!", "bad password geheim@1 or offen@1"):
            said = address.scrub(text)
            assert ("geheim" not in said) == (address is one or "geheim" not in text)
            assert ("offen" not in said) == (address is whole or "offen" not in text)
    literal = Address("postgresql://u:geheim@h/d")
    assert literal.scrub("password geheim is wrong") == "password *** is wrong"


def test_a_page_has_no_login() -> None:
    assert without_login("http://u:p@h:5000/x?y=a@b") == "http://h:5000/x?y=a@b"
    assert without_login("http://h:5000/@x") == "http://h:5000/@x"
